/// Shared memory as one struct, and loads and stores of 16 bytes.
///
///   auto& s = shared_memory<LayerNormShared>();
///   const auto x = load_pack<8>(p);              // 8 bf16 at once; p is a multiple of 16 bytes
#pragma once
#include "kernels/dialect.cuh"
#if !defined(__CUDACC__)
#include "kernels/emulator/memory.hpp"
#endif

namespace quern::inline QUERN_ABI::kernels {

/// The block's shared memory as the kernel's struct; the launch says `.shared = sizeof(Struct)`. Holds nothing until it
/// is written to. Every thread may call it, as often as it likes. It begins at a multiple of 1024 bytes, as TMA tiles
/// want it: kernels have no other shared memory, so that costs nothing.
template <class Struct>
__device__ __forceinline__ Struct& shared_memory(
#if !defined(__CUDACC__)
    Caller at = Caller::here(__builtin_FILE(), __builtin_LINE())
#endif
) {
  static_assert(alignof(Struct) <= 1024);
#ifdef __CUDACC__
  extern __shared__ __align__(1024) unsigned char quern_shared_memory[];
  return *reinterpret_cast<Struct*>(quern_shared_memory);
#else
  return *static_cast<Struct*>(emulator::shared_memory(sizeof(Struct), alignof(Struct), at));
#endif
}

/// N elements that are loaded and stored by one instruction; 16 bytes are the most.
template <class T, int N>
struct alignas(sizeof(T) * N) Pack {
  static_assert(sizeof(T) * N <= 16 && (N & (N - 1)) == 0);
  T e[N];
  __device__ __forceinline__ T& operator[](int i) { return e[i]; }
  __device__ __forceinline__ const T& operator[](int i) const { return e[i]; }
};

/// How many elements of T make 16 bytes.
template <class T>
inline constexpr int pack_width = 16 / int(sizeof(T));

/// `p` stands at a multiple of the pack's size. Any thread, by itself.
template <int N, class T>
__device__ __forceinline__ Pack<T, N> load_pack(const T* p) {
  return *reinterpret_cast<const Pack<T, N>*>(p);
}
template <class T, int N>
__device__ __forceinline__ void store_pack(T* p, const Pack<T, N>& pack) {
  *reinterpret_cast<Pack<T, N>*>(p) = pack;
}

/// Whether packs of N can be used for rows of `extent` elements that begin at `p`: the same for all threads.
template <int N, class T>
__device__ __forceinline__ bool packs_fit(const T* p, std::int64_t extent) {
  return reinterpret_cast<std::uintptr_t>(p) % (sizeof(T) * N) == 0 && extent % N == 0;
}

}  // namespace quern::inline QUERN_ABI::kernels
