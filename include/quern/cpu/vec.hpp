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
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include <quern/base/cpu_features.hpp>
#include <quern/cpu/vec_x86.hpp>

namespace quern::inline QUERN_ABI::cpu {

#ifdef QUERN_X86
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

/// The same for a body over elements of type T: vectors of floats for float and bf16, one number at a time for double.
template <class T, class Body>
void simd_for(Body&& body) {
  if constexpr (std::is_same_v<accumulator_t<T>, float>) {
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

}  // namespace quern::inline QUERN_ABI::cpu
