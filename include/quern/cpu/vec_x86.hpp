/// The vector types of x86: 8 floats for AVX2, 16 for AVX-512, with the members of FloatX4
/// (quern/cpu/vec_portable.hpp). Every member carries its target; why, says quern/cpu/vec.hpp, which is the header to
/// include.
///
///   QUERN_AVX2 void square(const float* x, float* y) {
///     const FloatX8 v = FloatX8::load(x);
///     (v * v).store(y);
///   }
#pragma once
#include <quern/cpu/vec_portable.hpp>

#ifdef QUERN_X86
#define QUERN_AVX2 __attribute__((target("avx2,fma")))
#define QUERN_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))

namespace quern::inline QUERN_ABI::cpu {

/// 8 floats in a register of AVX2.
struct FloatX8 {
  static constexpr int width = 8;
  __m256 v;
  FloatX8() = default;
  QUERN_AVX2 explicit FloatX8(float x) : v(_mm256_set1_ps(x)) {}
  QUERN_AVX2 FloatX8(__m256 x) : v(x) {}
  QUERN_AVX2 FloatX8(const FloatX8& o) : v(o.v) {}
  QUERN_AVX2 FloatX8& operator=(const FloatX8& o) {
    v = o.v;
    return *this;
  }
  QUERN_AVX2 static FloatX8 load(const float* p) { return _mm256_loadu_ps(p); }
  QUERN_AVX2 static __m256i first(int count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  QUERN_AVX2 static FloatX8 load(const float* p, int count) {
    if (count >= width) return load(p);
    return _mm256_maskload_ps(p, first(count));
  }
  QUERN_AVX2 void store(float* p) const { _mm256_storeu_ps(p, v); }
  QUERN_AVX2 void store(float* p, int count) const {
    if (count >= width) return store(p);
    _mm256_maskstore_ps(p, first(count), v);
  }
  QUERN_AVX2 static FloatX8 from_halves(__m128i halves) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
  }
  QUERN_AVX2 __m128i halves() const {
    const __m256i bits = _mm256_castps_si256(v), upper = _mm256_srli_epi32(bits, 16);
    const __m256i odd = _mm256_and_si256(upper, _mm256_set1_epi32(1));
    const __m256i sum = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i quiet = _mm256_or_si256(upper, _mm256_set1_epi32(0x40));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    const __m256i rounded = _mm256_blendv_epi8(_mm256_srli_epi32(sum, 16), quiet, nan);
    const __m256i packed = _mm256_packus_epi32(rounded, rounded);  // in each half of the register
    return _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0b1000));
  }
  QUERN_AVX2 static FloatX8 load(const bf16* p) {
    return from_halves(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  QUERN_AVX2 static FloatX8 load(const bf16* p, int count) {
    if (count >= width) return load(p);
    __m128i halves = _mm_setzero_si128();  // there is no mask for 16 bits here
    std::memcpy(&halves, p, std::size_t(count) * sizeof(bf16));
    return from_halves(halves);
  }
  QUERN_AVX2 void store(bf16* p) const { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), halves()); }
  QUERN_AVX2 void store(bf16* p, int count) const {
    if (count >= width) return store(p);
    const __m128i all = halves();
    std::memcpy(static_cast<void*>(p), &all, std::size_t(count) * sizeof(bf16));
  }
  QUERN_AVX2 friend FloatX8 operator+(const FloatX8& a, const FloatX8& b) { return FloatX8(a.v + b.v); }
  QUERN_AVX2 friend FloatX8 operator-(const FloatX8& a, const FloatX8& b) { return FloatX8(a.v - b.v); }
  QUERN_AVX2 friend FloatX8 operator*(const FloatX8& a, const FloatX8& b) { return FloatX8(a.v * b.v); }
  QUERN_AVX2 friend FloatX8 operator/(const FloatX8& a, const FloatX8& b) { return FloatX8(a.v / b.v); }
  QUERN_AVX2 FloatX8 fma(const FloatX8& b, const FloatX8& c) const { return _mm256_fmadd_ps(v, b.v, c.v); }
  QUERN_AVX2 FloatX8 max(const FloatX8& b) const { return _mm256_max_ps(v, b.v); }
  QUERN_AVX2 FloatX8 min(const FloatX8& b) const { return _mm256_min_ps(v, b.v); }
  QUERN_AVX2 FloatX8 sqrt() const { return _mm256_sqrt_ps(v); }
  QUERN_AVX2 FloatX8 round() const { return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  QUERN_AVX2 FloatX8 power_of_two() const {
    __m256i n = _mm256_add_epi32(_mm256_cvtps_epi32(v), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(n, 23));
  }
  QUERN_AVX2 static FloatX8 where_greater(const FloatX8& a, const FloatX8& b, const FloatX8& yes, const FloatX8& no) {
    return _mm256_blendv_ps(no.v, yes.v, _mm256_cmp_ps(a.v, b.v, _CMP_GT_OQ));
  }
  /// a0 b0 a1 b1 … from the lower halves of the two, and from the upper ones.
  QUERN_AVX2 FloatX8 interleave_lower(const FloatX8& b) const {
    return __builtin_shufflevector(v, b.v, 0, 8, 1, 9, 2, 10, 3, 11);
  }
  QUERN_AVX2 FloatX8 interleave_upper(const FloatX8& b) const {
    return __builtin_shufflevector(v, b.v, 4, 12, 5, 13, 6, 14, 7, 15);
  }
  QUERN_AVX2 float sum() const {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
  }
  QUERN_AVX2 float largest() const {
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_shuffle_ps(s, s, 1)));
  }
};

/// 16 floats in a register of AVX-512.
struct FloatX16 {
  static constexpr int width = 16;
  __m512 v;
  FloatX16() = default;
  QUERN_AVX512 explicit FloatX16(float x) : v(_mm512_set1_ps(x)) {}
  QUERN_AVX512 FloatX16(__m512 x) : v(x) {}
  QUERN_AVX512 FloatX16(const FloatX16& o) : v(o.v) {}
  QUERN_AVX512 FloatX16& operator=(const FloatX16& o) {
    v = o.v;
    return *this;
  }
  QUERN_AVX512 static FloatX16 load(const float* p) { return _mm512_loadu_ps(p); }
  QUERN_AVX512 static __mmask16 first(int count) { return __mmask16((1u << count) - 1); }
  QUERN_AVX512 static FloatX16 load(const float* p, int count) { return _mm512_maskz_loadu_ps(first(count), p); }
  QUERN_AVX512 void store(float* p) const { _mm512_storeu_ps(p, v); }
  QUERN_AVX512 void store(float* p, int count) const { _mm512_mask_storeu_ps(p, first(count), v); }
  QUERN_AVX512 static FloatX16 from_halves(__m256i halves) {
    return _mm512_castsi512_ps(_mm512_maskz_slli_epi32(0xffff, _mm512_maskz_cvtepu16_epi32(0xffff, halves), 16));
  }
  QUERN_AVX512 __m256i halves() const {
    const __m512i bits = _mm512_castps_si512(v), upper = _mm512_maskz_srli_epi32(0xffff, bits, 16);
    const __m512i odd = _mm512_and_si512(upper, _mm512_set1_epi32(1));
    const __m512i sum = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __m512i rounded = _mm512_maskz_srli_epi32(0xffff, sum, 16);
    const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    return _mm512_maskz_cvtepi32_epi16(0xffff, _mm512_mask_or_epi32(rounded, nan, upper, _mm512_set1_epi32(0x40)));
  }
  QUERN_AVX512 static FloatX16 load(const bf16* p) {
    return from_halves(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  QUERN_AVX512 static FloatX16 load(const bf16* p, int count) {
    return from_halves(_mm256_maskz_loadu_epi16(first(count), p));
  }
  QUERN_AVX512 void store(bf16* p) const { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), halves()); }
  QUERN_AVX512 void store(bf16* p, int count) const { _mm256_mask_storeu_epi16(p, first(count), halves()); }
  QUERN_AVX512 friend FloatX16 operator+(const FloatX16& a, const FloatX16& b) { return FloatX16(a.v + b.v); }
  QUERN_AVX512 friend FloatX16 operator-(const FloatX16& a, const FloatX16& b) { return FloatX16(a.v - b.v); }
  QUERN_AVX512 friend FloatX16 operator*(const FloatX16& a, const FloatX16& b) { return FloatX16(a.v * b.v); }
  QUERN_AVX512 friend FloatX16 operator/(const FloatX16& a, const FloatX16& b) { return FloatX16(a.v / b.v); }
  QUERN_AVX512 FloatX16 fma(const FloatX16& b, const FloatX16& c) const { return _mm512_fmadd_ps(v, b.v, c.v); }
  // The masked forms with a full mask: g++ 12 warns of an uninitialised operand inside the plain ones.
  QUERN_AVX512 FloatX16 max(const FloatX16& b) const { return _mm512_mask_max_ps(v, 0xffff, v, b.v); }
  QUERN_AVX512 FloatX16 min(const FloatX16& b) const { return _mm512_mask_min_ps(v, 0xffff, v, b.v); }
  QUERN_AVX512 FloatX16 sqrt() const { return _mm512_mask_sqrt_ps(v, 0xffff, v); }
  QUERN_AVX512 FloatX16 round() const { return _mm512_mask_roundscale_ps(v, 0xffff, v, 0); }
  QUERN_AVX512 FloatX16 power_of_two() const {
    __m512i n = _mm512_maskz_cvtps_epi32(0xffff, v);
    return _mm512_castsi512_ps(_mm512_maskz_slli_epi32(0xffff, _mm512_add_epi32(n, _mm512_set1_epi32(127)), 23));
  }
  QUERN_AVX512 static FloatX16 where_greater(const FloatX16& a, const FloatX16& b, const FloatX16& yes,
                                             const FloatX16& no) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ), no.v, yes.v);
  }
  QUERN_AVX512 FloatX8 lower() const { return __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7); }
  QUERN_AVX512 FloatX8 upper() const { return __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15); }
  QUERN_AVX512 FloatX16 interleave_lower(const FloatX16& b) const {
    return __builtin_shufflevector(v, b.v, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  }
  QUERN_AVX512 FloatX16 interleave_upper(const FloatX16& b) const {
    return __builtin_shufflevector(v, b.v, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  }
  QUERN_AVX512 float sum() const { return (lower() + upper()).sum(); }
  QUERN_AVX512 float largest() const { return lower().max(upper()).largest(); }
};

}  // namespace quern::inline QUERN_ABI::cpu
#endif
