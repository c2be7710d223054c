/// What the 32 lanes of a warp compute together. Called by all lanes of a full warp, at the same place; the order of
/// the operations is fixed, so the same numbers give the same bits.
///
///   const float total = warp_sum(mine);                 // the same in every lane
///   const float of_eight = warp_sum<8>(mine);           // within each 8 neighbouring lanes
#pragma once
#include "kernels/dialect.cuh"

namespace quern::inline QUERN_ABI::kernels {

inline constexpr unsigned full_mask = 0xffffffffu;
inline constexpr int warp_size = 32;

/// Where the calling thread stands in its warp, and its warp in the block. Blocks are one-dimensional.
__device__ __forceinline__ int lane_of_thread() { return int(threadIdx.x % warp_size); }
__device__ __forceinline__ int warp_of_thread() { return int(threadIdx.x / warp_size); }

struct Sum {
  template <class T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a + b;
  }
};
/// Of a NaN and a number: the NaN, so that it is not lost.
struct Max {
  template <class T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a > b || a != a ? a : b;
  }
};
struct Min {
  template <class T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a < b || a != a ? a : b;
  }
};

/// All lanes call; valid in every lane, and the same in all of a group of `width` neighbours. `f` is commutative, and T
/// has at most 8 bytes.
template <int width = warp_size, class T, class F>
__device__ __forceinline__ T warp_reduce(T value, F f QUERN_CALLER) {
  static_assert(width >= 1 && width <= warp_size && (width & (width - 1)) == 0);
  for (int distance = width / 2; distance > 0; distance /= 2)
    value = f(value, __shfl_xor_sync(full_mask, value, distance, warp_size QUERN_PASS_CALLER));
  return value;
}

/// All lanes call; valid in every lane.
template <int width = warp_size, class T>
__device__ __forceinline__ T warp_sum(T value QUERN_CALLER) {
  return warp_reduce<width>(
      value, Sum {} QUERN_PASS_CALLER);
}
template <int width = warp_size, class T>
__device__ __forceinline__ T warp_max(T value QUERN_CALLER) {
  return warp_reduce<width>(
      value, Max {} QUERN_PASS_CALLER);
}
template <int width = warp_size, class T>
__device__ __forceinline__ T warp_min(T value QUERN_CALLER) {
  return warp_reduce<width>(
      value, Min {} QUERN_PASS_CALLER);
}

/// A number and where it was found.
template <class T>
struct Indexed {
  T value;
  int index;
};
/// The greater of two; of equal ones the one with the smaller index; a NaN is greater than any number.
struct ArgMax {
  template <class T>
  __device__ __forceinline__ Indexed<T> operator()(const Indexed<T>& a, const Indexed<T>& b) const {
    const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
    const bool equal = a.value == b.value || (a_nan && b_nan);
    const bool first = equal ? a.index < b.index : a_nan || (!b_nan && a.value > b.value);
    return first ? a : b;
  }
};

/// All lanes call; valid in every lane.
template <int width = warp_size>
__device__ __forceinline__ Indexed<float> warp_arg_max(Indexed<float> value QUERN_CALLER) {
  for (int distance = width / 2; distance > 0; distance /= 2) {
    const float other = __shfl_xor_sync(full_mask, value.value, distance, warp_size QUERN_PASS_CALLER);
    const int index = __shfl_xor_sync(full_mask, value.index, distance, warp_size QUERN_PASS_CALLER);
    value = ArgMax{}(value, Indexed<float>{other, index});
  }
  return value;
}

/// All lanes call; every lane gets what `source` (the same in all lanes) holds.
template <class T>
__device__ __forceinline__ T warp_broadcast(T value, int source QUERN_CALLER) {
  return __shfl_sync(full_mask, value, source, warp_size QUERN_PASS_CALLER);
}

/// All lanes call; lane i gets the sum of lanes 0 … i.
template <class T>
__device__ __forceinline__ T warp_prefix_sum(T value QUERN_CALLER) {
  const int lane = lane_of_thread();
  for (int distance = 1; distance < warp_size; distance *= 2) {
    const T lower = __shfl_up_sync(full_mask, value, unsigned(distance), warp_size QUERN_PASS_CALLER);
    if (lane >= distance) value += lower;
  }
  return value;
}

}  // namespace quern::inline QUERN_ABI::kernels
