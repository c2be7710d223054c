/// Functions of vectors: exp, exp2, log, log1p, tanh, erf, sigmoid. In double they are those of the standard library.
///
///   simd([&]<class V>(V) {                                      // y = e^x
///     for_each_vector<V>(n, [&](std::int64_t i, int count) { exp(V::load(x + i, count)).store(y + i, count); });
///   });
///
/// Accuracy is stated for float in units of the last place (ulp) of the exact result, and tested for every instruction
/// set. The polynomials are minimax fits to 0.4 ulp or better; the rest is the rounding of their evaluation.
#pragma once
#include <cmath>
#include <cstdint>
#include <limits>

#include <quern/cpu/vec.hpp>

namespace quern::inline QUERN_ABI::cpu {

inline Scalar<double> exp(const Scalar<double>& x) { return Scalar<double>(std::exp(x.v)); }
inline Scalar<double> exp2(const Scalar<double>& x) { return Scalar<double>(std::exp2(x.v)); }
inline Scalar<double> log(const Scalar<double>& x) { return Scalar<double>(std::log(x.v)); }
inline Scalar<double> log1p(const Scalar<double>& x) { return Scalar<double>(std::log1p(x.v)); }
inline Scalar<double> tanh(const Scalar<double>& x) { return Scalar<double>(std::tanh(x.v)); }
inline Scalar<double> erf(const Scalar<double>& x) { return Scalar<double>(std::erf(x.v)); }
inline Scalar<double> sigmoid(const Scalar<double>& x) { return Scalar<double>(1 / (1 + std::exp(-x.v))); }

/// c0 + x (c1 + x (c2 + …))
template <class V>
QUERN_INLINE V polynomial(const V&, float c0) {
  return V(c0);
}
template <class V>
QUERN_INLINE V polynomial(const V& x, float c0, auto... c) {
  return polynomial(x, c...).fma(x, V(c0));
}

/// e^x to 1 ulp. Below -86.6, where the result leaves the normal numbers, exactly 0; above 88.72 infinity; NaN stays
/// NaN. x = n ln 2 + r, |r| <= ln 2 / 2, and a polynomial of degree 6 for e^r.
template <class V>
QUERN_INLINE V exp(const V& x) {
  const V low(-86.6f), high(88.7228f);
  const V inside = low.max(high.min(x));
  const V n = (inside * V(1.44269504f)).round();
  V r = n.fma(V(-0.693359375f), inside);  // ln 2 in two parts: the first has few bits, so that n times it is exact
  r = n.fma(V(2.12194440e-4f), r);
  const V p = polynomial(r, 4.999999345e-1f, 1.666652065e-1f, 4.166838789e-2f, 8.368715217e-3f, 1.381460187e-3f);
  V y = p.fma(r * r, r) + V(1);
  y = y * (n - V(1)).power_of_two() * V(2);  // in two steps: 2^128 is no float, e^88.7 is
  y = V::where_greater(x, high, V(std::numeric_limits<float>::infinity()), y);
  return V::where_greater(low, x, V(0), y);
}

/// 2^x to 2 ulp, in fewer steps than e^x. Below -126.5 exactly 0, above 127.5 infinity; NaN stays NaN. x = n + r, |r|
/// <= 1/2, and a polynomial of degree 6 for 2^r.
template <class V>
QUERN_INLINE V exp2(const V& x) {
  const V inside = V(-127).max(V(128).min(x)), n = inside.round(), r = inside - n;
  const V p = polynomial(r, 1, 6.931471997e-1f, 2.402264795e-1f, 5.550336932e-2f, 9.618443100e-3f, 1.339753043e-3f,
                         1.535007258e-4f);
  return p * n.power_of_two();
}

/// 1 / (1 + e^-x) to 2 ulp; below -88.72 exactly 0.
template <class V>
QUERN_INLINE V sigmoid(const V& x) {
  return V(1) / (V(1) + exp(V(0) - x));
}

/// tanh x to 5 ulp; beyond ±9.02 exactly ±1. x P(x²) / Q(x²).
template <class V>
QUERN_INLINE V tanh(const V& x) {
  const V low(-9.02f), high(9.02f);
  const V inside = low.max(high.min(x)), z = inside * inside;
  const V p = polynomial(z, 1, 1.368152782e-1f, 3.870322773e-3f, 2.804615071e-5f, 3.067181810e-8f, -1.226221219e-11f);
  const V q = polynomial(z, 1, 4.701486031e-1f, 2.725320689e-2f, 3.942092955e-4f, 1.289986567e-6f);
  const V y = V::where_greater(x, high, V(1), inside * p / q);
  return V::where_greater(low, x, V(-1), V(-1).max(V(1).min(y)));  // never beyond ±1; min and max keep NaN
}

/// erf x = 2/√π ∫₀ˣ e^(-t²) dt to 6 ulp; beyond ±3.92 exactly ±1. x P(x²) / Q(x²).
template <class V>
QUERN_INLINE V erf(const V& x) {
  const V low(-3.92f), high(3.92f);
  const V inside = low.max(high.min(x)), z = inside * inside;
  const V p =
      polynomial(z, 1.128379167f, 1.902456387e-1f, 5.271916184e-2f, 3.756281268e-3f, 2.842407344e-4f, 2.045700101e-6f);
  const V q = polynomial(z, 1, 5.019337362e-1f, 1.140349343e-1f, 1.495114557e-2f, 1.159452710e-3f, 3.801266430e-5f);
  const V y = V::where_greater(x, high, V(1), inside * p / q);
  return V::where_greater(low, x, V(-1), V(-1).max(V(1).min(y)));  // never beyond ±1; min and max keep NaN
}

namespace detail {
/// x = m 2^e with m in [1/2, 1), for normal x > 0: gives m, and e as a float.
QUERN_INLINE FloatX4 mantissa(const FloatX4& x, FloatX4& exponent) {
  const auto bits = reinterpret_cast<FloatX4::Ints>(x.v);
  exponent = __builtin_convertvector(((bits >> 23) & 255) - 126, FloatX4::Floats);
  return reinterpret_cast<FloatX4::Floats>((bits & 0x007fffff) | 0x3f000000);
}
#ifdef QUERN_X86
QUERN_AVX2 inline FloatX8 mantissa(const FloatX8& x, FloatX8& exponent) {
  const __m256i bits = _mm256_castps_si256(x.v), exponents = _mm256_srli_epi32(bits, 23);
  exponent = _mm256_cvtepi32_ps(_mm256_sub_epi32(exponents, _mm256_set1_epi32(126)));
  const __m256i fraction = _mm256_and_si256(bits, _mm256_set1_epi32(0x007fffff));
  return _mm256_castsi256_ps(_mm256_or_si256(fraction, _mm256_set1_epi32(0x3f000000)));
}
QUERN_AVX512 inline FloatX16 mantissa(const FloatX16& x, FloatX16& exponent) {
  const __m512i bits = _mm512_castps_si512(x.v), exponents = _mm512_maskz_srli_epi32(0xffff, bits, 23);
  exponent = _mm512_maskz_cvtepi32_ps(0xffff, _mm512_sub_epi32(exponents, _mm512_set1_epi32(126)));
  const __m512i fraction = _mm512_and_si512(bits, _mm512_set1_epi32(0x007fffff));
  return _mm512_castsi512_ps(_mm512_or_si512(fraction, _mm512_set1_epi32(0x3f000000)));
}
#endif
}  // namespace detail

/// ln x to 1 ulp; of 0 minus infinity, of what is below NaN. x = (1 + f) 2^e, √½ <= 1 + f < √2, and a polynomial of
/// degree 10 for ln(1 + f).
template <class V>
QUERN_INLINE V log(const V& x) {
  constexpr float infinity = std::numeric_limits<float>::infinity(), smallest = std::numeric_limits<float>::min();
  const V scaled = V::where_greater(V(smallest), x, x * V(0x1p23f), x);  // a subnormal number made normal
  V e;
  V m = detail::mantissa(scaled, e);
  e = e - V::where_greater(V(smallest), x, V(23), V(0));
  e = e - V::where_greater(V(0.70710678f), m, V(1), V(0));
  m = V::where_greater(V(0.70710678f), m, m + m, m);
  const V f = m - V(1), square = f * f;
  V y = square * f *
        polynomial(f, 3.333333171e-1f, -2.500082104e-1f, 2.000122687e-1f, -1.662335731e-1f, 1.420175819e-1f,
                   -1.316018295e-1f, 1.276157588e-1f, -7.634493623e-2f);
  y = e.fma(V(-2.12194440e-4f), y);  // ln 2 in two parts, the small one first
  y = square.fma(V(-0.5f), y) + f;
  y = e.fma(V(0.693359375f), y);
  y = V::where_greater(x, V(std::numeric_limits<float>::max()), x, y);
  const V outside = V::where_greater(V(0), x, V(std::numeric_limits<float>::quiet_NaN()), x - V(infinity));
  return V::where_greater(x, V(0), y, outside);
}

/// ln(1 + x) to 2 ulp, also for tiny x. u = 1 + x is rounded; what it lost is added to first order.
template <class V>
QUERN_INLINE V log1p(const V& x) {
  const V u = V(1) + x, whole = log(u);
  const V y = whole + (x - (u - V(1))) / u;
  return V::where_greater(u, V(0), V::where_greater(u, V(std::numeric_limits<float>::max()), whole, y), whole);
}

}  // namespace quern::inline QUERN_ABI::cpu
