/// A vector of floats, one type per instruction set, and `simd`, which runs a loop written once on the best of them.
/// g++ 12 vectorises no plain loop at -O2, so hot loops are written with it:
///
///   simd([&]<class V>(V) {                                      // y = max(x, 0)
///     for_each_vector<V>(n, [&](std::int64_t i, int count) {    // count = V::width, less in the last vector
///       V(0).max(V::load(x + i, count)).store(y + i, count);
///     });
///   });
///
/// How it works. A function that uses AVX-512 must say so in a target attribute, and an `always_inline` function may
/// only be inlined where its target is allowed: helpers that are templates over V could not name their target. So
/// here only two kinds of functions carry an attribute: the members of the vector types, and the two entries
/// `detail::run_avx2/run_avx512`. Loops, lambdas and helpers in between carry none; they hold calls alone, and the
/// entry's `flatten` pulls all of it in, where the members can be inlined too. Vectors have a copy constructor of their
/// own so that, wherever a call is not inlined (-O0), they travel by reference: the same for every target.
///
/// Rules: take V as a template parameter; mark a helper that takes or gives V with QUERN_INLINE; call `simd` inside a
/// chunk of parallel_for, not around it; keep sums in a fixed number of accumulators; no arithmetic on plain floats
/// that must agree between sets, for a compiler may fuse it.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include <quern/base/cpu_features.hpp>

#if defined(__x86_64__) && defined(__GNUC__)
#define QUERN_X86 1
#include <immintrin.h>
#define QUERN_AVX2 __attribute__((target("avx2,fma")))
#define QUERN_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#endif
#define QUERN_INLINE inline __attribute__((always_inline))

namespace quern::inline QUERN_ABI::cpu {

/// One number: the form for double, and the documentation of the vector types below.
/// `count` is how many leading elements are read (the others are 0) or written; nothing beyond them is touched.
template <class T>
struct Scalar {
  static constexpr int width = 1;
  T v;
  Scalar() = default;
  explicit Scalar(T x) : v(x) {}
  static Scalar load(const T* p) { return Scalar(*p); }
  static Scalar load(const T* p, int count) { return Scalar(count > 0 ? *p : T(0)); }
  void store(T* p) const { *p = v; }
  void store(T* p, int count) const {
    if (count > 0) *p = v;
  }
  friend Scalar operator+(const Scalar& a, const Scalar& b) { return Scalar(a.v + b.v); }
  friend Scalar operator-(const Scalar& a, const Scalar& b) { return Scalar(a.v - b.v); }
  friend Scalar operator*(const Scalar& a, const Scalar& b) { return Scalar(a.v * b.v); }
  friend Scalar operator/(const Scalar& a, const Scalar& b) { return Scalar(a.v / b.v); }
  /// this * b + c, rounded once where the machine can.
  Scalar fma(const Scalar& b, const Scalar& c) const { return Scalar(v * b.v + c.v); }
  /// The larger of the two; if either is NaN, the other operand b.
  Scalar max(const Scalar& b) const { return Scalar(v > b.v ? v : b.v); }
  Scalar min(const Scalar& b) const { return Scalar(v < b.v ? v : b.v); }
  Scalar sqrt() const { return Scalar(std::sqrt(v)); }
  Scalar round() const { return Scalar(std::nearbyint(v)); }
  /// 2^n for whole n in [-126, 127].
  Scalar power_of_two() const { return Scalar(std::ldexp(T(1), v == v ? int(v) : 0)); }
  /// `yes` where a > b, else `no` (also where a or b is NaN).
  static Scalar where_greater(const Scalar& a, const Scalar& b, const Scalar& yes, const Scalar& no) {
    return a.v > b.v ? yes : no;
  }
  /// Sum and largest of all elements, in an order fixed by the width.
  T sum() const { return v; }
  T largest() const { return v; }
};

/// 4 floats in the compiler's own vector type: the portable form, for the 16-byte registers that every target has.
struct FloatX4 {
  static constexpr int width = 4;
  typedef float Floats __attribute__((vector_size(16)));
  typedef std::int32_t Ints __attribute__((vector_size(16)));
  Floats v;
  FloatX4() = default;
  FloatX4(Floats x) : v(x) {}
  explicit FloatX4(float x) : v{x, x, x, x} {}
  static FloatX4 load(const float* p) {
    FloatX4 x;
    std::memcpy(&x.v, p, sizeof x.v);
    return x;
  }
  static FloatX4 load(const float* p, int count) {
    FloatX4 x(0.f);
    std::memcpy(&x.v, p, std::size_t(count < width ? count : width) * sizeof(float));
    return x;
  }
  void store(float* p) const { std::memcpy(p, &v, sizeof v); }
  void store(float* p, int count) const {
    std::memcpy(p, &v, std::size_t(count < width ? count : width) * sizeof(float));
  }
  friend FloatX4 operator+(const FloatX4& a, const FloatX4& b) { return a.v + b.v; }
  friend FloatX4 operator-(const FloatX4& a, const FloatX4& b) { return a.v - b.v; }
  friend FloatX4 operator*(const FloatX4& a, const FloatX4& b) { return a.v * b.v; }
  friend FloatX4 operator/(const FloatX4& a, const FloatX4& b) { return a.v / b.v; }
  FloatX4 fma(const FloatX4& b, const FloatX4& c) const { return v * b.v + c.v; }
  FloatX4 max(const FloatX4& b) const { return where_greater(*this, b, *this, b); }
  FloatX4 min(const FloatX4& b) const { return where_greater(b, *this, *this, b); }
#ifdef QUERN_X86
  FloatX4 sqrt() const { return _mm_sqrt_ps(v); }
#else
  FloatX4 sqrt() const { return Floats{std::sqrt(v[0]), std::sqrt(v[1]), std::sqrt(v[2]), std::sqrt(v[3])}; }
#endif
  /// Adding 1.5 · 2^23 leaves no room for a fraction. For |x| below 2^22, which is all that exp asks.
  FloatX4 round() const { return (v + 12582912.f) - 12582912.f; }
  FloatX4 power_of_two() const {
    typedef std::uint32_t Bits __attribute__((vector_size(16)));
    const auto whole = reinterpret_cast<Bits>(__builtin_convertvector(v, Ints));
    return reinterpret_cast<Floats>((whole + 127u) << 23);
  }
  static FloatX4 where_greater(const FloatX4& a, const FloatX4& b, const FloatX4& yes, const FloatX4& no) {
    const Ints mask = a.v > b.v;
    return reinterpret_cast<Floats>((mask & reinterpret_cast<Ints>(yes.v)) | (~mask & reinterpret_cast<Ints>(no.v)));
  }
  FloatX4 interleave_lower(const FloatX4& b) const { return __builtin_shufflevector(v, b.v, 0, 4, 1, 5); }
  FloatX4 interleave_upper(const FloatX4& b) const { return __builtin_shufflevector(v, b.v, 2, 6, 3, 7); }
  float sum() const { return (v[0] + v[2]) + (v[1] + v[3]); }
  float largest() const { return std::max(std::max(v[0], v[2]), std::max(v[1], v[3])); }
};

#ifdef QUERN_X86

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
  QUERN_AVX2 static FloatX8 load(const float* p, int count) { return _mm256_maskload_ps(p, first(count)); }
  QUERN_AVX2 void store(float* p) const { _mm256_storeu_ps(p, v); }
  QUERN_AVX2 void store(float* p, int count) const { _mm256_maskstore_ps(p, first(count), v); }
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

namespace detail {
template <class Body>
__attribute__((target("avx2,fma"), flatten)) void run_avx2(Body& body) {
  body(FloatX8{});
}
template <class Body>
__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"), flatten)) void run_avx512(Body& body) {
  body(FloatX16{});
}
}  // namespace detail
#endif

namespace detail {
template <class Body>
__attribute__((flatten)) void run_portable(Body& body) {
  body(FloatX4{});
}
}  // namespace detail

/// Runs `body(V{})` with the vector type of an instruction set; without one, that of this machine (or of QUERN_CPU).
template <class Body>
void simd(InstructionSet set, Body&& body) {
#ifdef QUERN_X86
  if (set == InstructionSet::avx512) return detail::run_avx512(body);
  if (set == InstructionSet::avx2) return detail::run_avx2(body);
#endif
  static_cast<void>(set);
  detail::run_portable(body);
}
template <class Body>
void simd(Body&& body) {
  simd(instruction_set(), body);
}

/// The same for a body that computes in T: vectors for float, one number at a time for the others.
template <class T, class Body>
void simd_for(Body&& body) {
  if constexpr (std::is_same_v<T, float>) {
    simd(body);
  } else {
    body(Scalar<T>{});
  }
}

/// Calls f(i, count) for [0, n) in steps of V::width; count is less than the width only in the last call.
/// `flatten` for clang, which would otherwise leave a long `f` out of line.
template <class V>
__attribute__((flatten)) QUERN_INLINE void for_each_vector(std::int64_t n, auto&& f) {
  std::int64_t i = 0;
  for (; i + V::width <= n; i += V::width) f(i, V::width);
  if (i < n) f(i, int(n - i));
}

/// e^x in double, by the standard library.
inline Scalar<double> exp(const Scalar<double>& x) { return Scalar<double>(std::exp(x.v)); }

/// e^x to 2 units in the last place. Below -86.6, where the result leaves the normal numbers, exactly 0; above 88.72
/// infinity; NaN stays NaN. Method of Cephes: x = n ln 2 + r, |r| <= ln 2 / 2, a polynomial of degree 7 for e^r.
template <class V>
QUERN_INLINE V exp(const V& x) {
  const V low(-86.6f), high(88.7228f);
  V n = (low.max(high.min(x)) * V(1.44269504f)).round();
  V r = n.fma(V(-0.693359375f), low.max(high.min(x)));
  r = n.fma(V(2.12194440e-4f), r);
  V p = V(1.9875691500e-4f).fma(r, V(1.3981999507e-3f));
  p = p.fma(r, V(8.3334519073e-3f)).fma(r, V(4.1665795894e-2f)).fma(r, V(1.6666665459e-1f)).fma(r, V(0.5f));
  p = p.fma(r * r, r) + V(1);
  V y = p * (n - V(1)).power_of_two() * V(2);  // in two steps: 2^128 is no float, e^88.7 is
  y = V::where_greater(x, high, V(std::numeric_limits<float>::infinity()), y);
  return V::where_greater(low, x, V(0), y);
}

}  // namespace quern::inline QUERN_ABI::cpu
