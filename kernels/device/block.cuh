/// What the threads of a block compute together. Called by all threads of a one-dimensional block of whole warps, at
/// the same place. `partial` is shared memory for one value a warp; it may be used again as soon as the call is over.
///
///   struct Shared { float partial[32]; };
///   const float total = block_sum(mine, s.partial);     // the same in every thread
#pragma once
#include "kernels/device/warp.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// All threads call; valid in every thread. `f` is commutative. First each warp, then the warps in their order.
template <class T, class F>
__device__ __forceinline__ T block_reduce(T value, F f, T* partial QUERN_CALLER) {
  value = warp_reduce(value, f QUERN_PASS_CALLER);
  if (lane_of_thread() == 0) partial[warp_of_thread()] = value;
  QUERN_SYNCTHREADS;
  T all = partial[0];
  for (int w = 1; w < int(blockDim.x / warp_size); ++w) all = f(all, partial[w]);
  QUERN_SYNCTHREADS;  // nobody may write to `partial` before everybody has read it
  return all;
}

/// All threads call; valid in every thread.
template <class T>
__device__ __forceinline__ T block_sum(T value, T* partial QUERN_CALLER) {
  return block_reduce(value, Sum{}, partial QUERN_PASS_CALLER);
}
template <class T>
__device__ __forceinline__ T block_max(T value, T* partial QUERN_CALLER) {
  return block_reduce(value, Max{}, partial QUERN_PASS_CALLER);
}
template <class T>
__device__ __forceinline__ T block_min(T value, T* partial QUERN_CALLER) {
  return block_reduce(value, Min{}, partial QUERN_PASS_CALLER);
}

/// All threads call; valid in every thread: the greatest value, of equal ones the one with the smallest index.
__device__ __forceinline__ Indexed<float> block_arg_max(Indexed<float> value, Indexed<float>* partial QUERN_CALLER) {
  value = warp_arg_max(value QUERN_PASS_CALLER);
  if (lane_of_thread() == 0) partial[warp_of_thread()] = value;
  QUERN_SYNCTHREADS;
  Indexed<float> all = partial[0];
  for (int w = 1; w < int(blockDim.x / warp_size); ++w) all = ArgMax{}(all, partial[w]);
  QUERN_SYNCTHREADS;
  return all;
}

/// All threads call; thread i gets the sum of threads 0 … i - 1, and `total` in every thread that of all.
template <class T>
__device__ __forceinline__ T block_prefix_sum(T value, T* partial, T& total QUERN_CALLER) {
  const T within = warp_prefix_sum(value QUERN_PASS_CALLER);
  if (lane_of_thread() == warp_size - 1) partial[warp_of_thread()] = within;
  QUERN_SYNCTHREADS;
  T before = T(0);
  total = T(0);
  for (int w = 0; w < int(blockDim.x / warp_size); ++w) {
    if (w < warp_of_thread()) before += partial[w];
    total += partial[w];
  }
  QUERN_SYNCTHREADS;
  return before + (within - value);
}

}  // namespace quern::inline QUERN_ABI::kernels
