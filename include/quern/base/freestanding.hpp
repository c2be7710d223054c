/// What kernels need of the standard library, also where there is none: NVRTC compiles kernels without any header.
///
///   std::int64_t rows;  std::uint32_t bits;  std::is_same_v<T, float>;
#pragma once
#if defined(__CUDACC_RTC__)
namespace std {
using int8_t = signed char;
using uint8_t = unsigned char;
using int16_t = short;
using uint16_t = unsigned short;
using int32_t = int;
using uint32_t = unsigned;
using int64_t = long long;
using uint64_t = unsigned long long;
using size_t = decltype(sizeof 0);
using uintptr_t = size_t;

template <class A, class B>
inline constexpr bool is_same_v = false;
template <class A>
inline constexpr bool is_same_v<A, A> = true;

template <bool which, class A, class B>
struct conditional {
  using type = A;
};
template <class A, class B>
struct conditional<false, A, B> {
  using type = B;
};
template <bool which, class A, class B>
using conditional_t = typename conditional<which, A, B>::type;

template <class N>
inline constexpr bool is_arithmetic_v =
    is_same_v<N, bool> || is_same_v<N, char> || is_same_v<N, int8_t> || is_same_v<N, uint8_t> ||
    is_same_v<N, int16_t> || is_same_v<N, uint16_t> || is_same_v<N, int32_t> || is_same_v<N, uint32_t> ||
    is_same_v<N, long> || is_same_v<N, unsigned long> || is_same_v<N, int64_t> || is_same_v<N, uint64_t> ||
    is_same_v<N, float> || is_same_v<N, double>;
}  // namespace std
#else
#include <cstddef>
#include <cstdint>
#include <type_traits>
#endif
