/// Kernels of slice, and of split, which is slices: columns copied out of a matrix, and their gradient added where they
/// stood; see kernels/columns.cuh.
#pragma once
#include "kernels/columns.cuh"
