/// Kernels of concat: columns copied beside each other; see kernels/columns.cuh.
#pragma once
#include "kernels/columns.cuh"
