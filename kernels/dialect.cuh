/// The dialect that kernels are written in: CUDA's own words under nvcc and NVRTC, the emulator's under a host
/// compiler. The one place that decides; kernels include this and do not ask again.
///
///   __global__ void twice(float* x) { x[blockIdx.x * blockDim.x + threadIdx.x] *= 2; }
///
/// Not part of the dialect: `<<<…>>>` (launch.cuh has `launch`), `__shared__` variables (`shared_memory<Struct>()` of
/// device/memory.cuh), asm (device/*.cuh has one function for each PTX instruction), `__activemask`.
///
/// QUERN_CALLER is the last parameter of a primitive that waits for other threads, QUERN_PASS_CALLER hands it on, and
/// QUERN_SYNCTHREADS is a barrier in its name: so the emulator's reports name the kernel's own line. Under nvcc the
/// first two are nothing.
#pragma once
#include <quern/base/config.hpp>
#include <quern/base/freestanding.hpp>

#ifdef __CUDACC__
#define QUERN_CALLER
#define QUERN_PASS_CALLER
#define QUERN_SYNCTHREADS __syncthreads()
#else
#include "kernels/emulator/words.hpp"
#define QUERN_CALLER , ::quern::Caller caller_ = ::quern::Caller::here(__builtin_FILE(), __builtin_LINE())
#define QUERN_PASS_CALLER , caller_
#define QUERN_SYNCTHREADS __syncthreads(caller_)
#endif
