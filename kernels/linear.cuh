/// linear has no kernels of its own: it is matmul with bias and activation fused, and its bias gradient a sum of
/// columns.
#pragma once
#include "kernels/column_sum.cuh"
