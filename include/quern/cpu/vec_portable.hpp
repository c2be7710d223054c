/// The vector types that every target has: one number, and 4 floats. See quern/cpu/vec.hpp for how they are used.
///
///   FloatX4 x = FloatX4::load(p, 3);             // the fourth is 0
///   (x * x).store(q, 3);
///
/// Vectors of floats also load and store bf16: loading is exact, storing rounds to nearest, ties to even, and keeps NaN
/// a quiet NaN, as the struct bf16 does.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include <quern/base/dtype.hpp>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(QUERN_PORTABLE)
#define QUERN_X86 1
#include <immintrin.h>
#endif
#define QUERN_INLINE inline __attribute__((always_inline))
/// After the parameters of a long lambda over vectors: g++ may change the signature of one that is not inlined early,
/// and `flatten` then passes it by.
#define QUERN_INLINE_LAMBDA __attribute__((always_inline))

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
  typedef std::uint32_t Bits __attribute__((vector_size(16)));
  typedef std::uint16_t Halves __attribute__((vector_size(8)));
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
  static FloatX4 load(const bf16* p) { return load(p, width); }
  static FloatX4 load(const bf16* p, int count) {
    Halves halves{};
    std::memcpy(&halves, p, std::size_t(count < width ? count : width) * sizeof(bf16));
    return reinterpret_cast<Floats>(__builtin_convertvector(halves, Bits) << 16);
  }
  void store(bf16* p) const { store(p, width); }
  void store(bf16* p, int count) const {
    const Bits bits = reinterpret_cast<Bits>(v), nan = reinterpret_cast<Bits>(v != v);
    const Bits rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16, quiet = (bits >> 16) | 0x40u;
    const Halves halves = __builtin_convertvector((nan & quiet) | (~nan & rounded), Halves);
    std::memcpy(static_cast<void*>(p), &halves, std::size_t(count < width ? count : width) * sizeof(bf16));
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

}  // namespace quern::inline QUERN_ABI::cpu
