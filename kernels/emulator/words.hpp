/// CUDA's words for a host compiler. Only dialect.cuh includes this.
#pragma once
#include "kernels/emulator/atomics.hpp"
#include "kernels/emulator/builtins.hpp"
#include "kernels/emulator/collectives.hpp"
#include "kernels/emulator/math.hpp"
