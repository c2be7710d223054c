/// Kernel of add: the sum that gradients are accumulated with.
#pragma once
#include "kernels/accumulate.cuh"
