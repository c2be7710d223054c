/// A few neighbouring elements of one type in a thread's registers, as floats: loaded and stored 16 bytes at a time.
///
///   const auto x = load_elements<8>(p);          // 8 bf16: one load; 8 float: two. p at a multiple of 16 bytes
///   float y[8] = {x[0] * 2, …};
///   store_elements(q, y);                        // rounded once, two at a time
///
/// With a width of 1 they are a single element, at any address: what kernels do where rows do not begin at a multiple
/// of 16 bytes is the same code.
#pragma once
#include "kernels/device/convert.cuh"
#include "kernels/device/memory.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// How many elements an instruction moves, where `width` neighbours are wanted.
template <class T, int width>
inline constexpr int elements_a_pack = width < pack_width<T> ? width : pack_width<T>;

template <class T, int width>
struct Elements {
  static constexpr int pack = elements_a_pack<T, width>;
  using Words = Pack<T, pack>;
  Words packs[width / pack];
  __device__ __forceinline__ float operator[](int i) const { return float(packs[i / pack].e[i % pack]); }
};

/// Two bf16 in each word: a shift or a mask makes either a float.
template <int width>
requires(width > 1) struct Elements<bf16, width> {
  static constexpr int pack = elements_a_pack<bf16, width>;
  using Words = Pack<std::uint32_t, pack / 2>;
  Words packs[width / pack];
  __device__ __forceinline__ float operator[](int i) const {
    const std::uint32_t word = packs[i / pack].e[i % pack / 2];
    return __builtin_bit_cast(float, i % 2 == 0 ? word << 16 : word & 0xffff0000u);
  }
};

/// Any thread, by itself. `p` stands at a multiple of the smaller of 16 bytes and `width` elements.
template <int width, class T>
__device__ __forceinline__ Elements<T, width> load_elements(const T* p) {
  Elements<T, width> x;
  constexpr int pack = x.pack;
  for (int i = 0; i < width / pack; ++i)
    x.packs[i] = __builtin_bit_cast(typename Elements<T, width>::Words, load_pack<pack>(p + i * pack));
  return x;
}

template <int width>
__device__ __forceinline__ void store_elements(float* p, const float (&x)[width]) {
  constexpr int pack = elements_a_pack<float, width>;
  for (int i = 0; i < width; i += pack) {
    Pack<float, pack> out;
    for (int k = 0; k < pack; ++k) out[k] = x[i + k];
    store_pack(p + i, out);
  }
}
template <int width>
__device__ __forceinline__ void store_elements(bf16* p, const float (&x)[width]) {
  if constexpr (width == 1) {
    *p = to_bf16(x[0]);
  } else {
    constexpr int pack = elements_a_pack<bf16, width>;
    for (int i = 0; i < width; i += pack) {
      Pack<std::uint32_t, pack / 2> out;
      for (int k = 0; k < pack / 2; ++k) out[k] = to_bf16_pair(x[i + 2 * k], x[i + 2 * k + 1]);
      store_pack(p + i, __builtin_bit_cast(Pack<bf16, pack>, out));
    }
  }
}

#if !defined(__CUDACC_RTC__)
/// Host side: whether all arrays begin at a multiple of 16 bytes.
inline bool starts_at_16_bytes(const auto*... p) { return ((std::uintptr_t(p) % 16 == 0) && ...); }
#endif

}  // namespace quern::inline QUERN_ABI::kernels
