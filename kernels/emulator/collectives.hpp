/// What threads do together: barriers, shuffles and votes of a warp.
///
/// Every function remembers its caller's line: `__syncthreads()` in a kernel takes no argument.
#pragma once
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <quern/base/error.hpp>

namespace quern::inline QUERN_ABI::emulator {

/// All threads of the block meet; the result is the sum of their values.
int meet_block(const char* what, int value, Caller at);
/// `threads` threads meet at one of 16 barriers; with `wait` false the caller only counts (PTX's bar.arrive).
void meet_named(int barrier, int threads, bool wait, Caller at);
/// The lanes of `mask` meet, and what they wrote before is seen by all of them after.
void sync_warp(unsigned mask, Caller at);

/// One lane's part of a shuffle. Lanes that are not there send all bits set: NaN as a float.
struct Shuffle {
  std::uint64_t value;
  int source;  // the lane to take from
};
std::uint64_t shuffle(const char* what, unsigned mask, Shuffle part, Caller at);
unsigned ballot(const char* what, unsigned mask, bool predicate, Caller at);
unsigned lane_index();

/// Lane `source(lane within its group)` of this lane's group of `width` lanes; -1 stands for the lane itself.
template <class T, class F>
T shuffle_within(const char* what, unsigned mask, T value, int width, Caller at, F source) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
  const int lane = int(lane_index()), group = lane & ~(width - 1), from = source(lane - group);
  Shuffle part{0, from < 0 || from >= width ? lane : group + from};
  std::memcpy(&part.value, &value, sizeof(T));
  const std::uint64_t got = shuffle(what, mask, part, at);
  std::memcpy(static_cast<void*>(&value), &got, sizeof(T));
  return value;
}

}  // namespace quern::inline QUERN_ABI::emulator

#define QUERN_AT ::quern::Caller at = ::quern::Caller::here(__builtin_FILE(), __builtin_LINE())

inline void __syncthreads(QUERN_AT) { quern::emulator::meet_block("__syncthreads", 0, at); }
inline int __syncthreads_count(int predicate, QUERN_AT) {
  return quern::emulator::meet_block("__syncthreads_count", predicate != 0, at);
}
inline int __syncthreads_or(int predicate, QUERN_AT) {
  return quern::emulator::meet_block("__syncthreads_or", predicate != 0, at) != 0;
}
inline int __syncthreads_and(int predicate, QUERN_AT) {
  return quern::emulator::meet_block("__syncthreads_and", predicate == 0, at) == 0;
}
inline void __syncwarp(unsigned mask = ~0u, QUERN_AT) { quern::emulator::sync_warp(mask, at); }

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, QUERN_AT) {
  return quern::emulator::shuffle_within("__shfl_sync", mask, value, width, at,
                                         [&](int) { return source & (width - 1); });
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, QUERN_AT) {
  return quern::emulator::shuffle_within("__shfl_xor_sync", mask, value, width, at,
                                         [&](int lane) { return lane ^ bits; });
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance, int width = 32, QUERN_AT) {
  return quern::emulator::shuffle_within("__shfl_down_sync", mask, value, width, at,
                                         [&](int lane) { return lane + int(distance); });
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned distance, int width = 32, QUERN_AT) {
  return quern::emulator::shuffle_within("__shfl_up_sync", mask, value, width, at,
                                         [&](int lane) { return lane - int(distance); });
}

inline unsigned __ballot_sync(unsigned mask, int predicate, QUERN_AT) {
  return quern::emulator::ballot("__ballot_sync", mask, predicate != 0, at);
}
inline int __any_sync(unsigned mask, int predicate, QUERN_AT) {
  return quern::emulator::ballot("__any_sync", mask, predicate != 0, at) != 0;
}
inline int __all_sync(unsigned mask, int predicate, QUERN_AT) {
  return quern::emulator::ballot("__all_sync", mask, predicate == 0, at) == 0;
}

#undef QUERN_AT
