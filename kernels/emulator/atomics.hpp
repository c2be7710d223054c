/// Atomic operations and fences. All are relaxed, as on the GPU: order between threads needs `__threadfence()` on both
/// sides, and TSan reports a kernel that leaves one out.
#pragma once
#include <type_traits>

#include <quern/base/config.hpp>

namespace quern::inline QUERN_ABI::emulator {

/// Before and after every atomic operation: other threads may run, and fences take effect.
void before_atomic(const void* at);
void after_atomic(const void* at);
void fence();
void let_others_run();

/// *p = f(*p) at once; the old value.
template <class T, class F>
T update(T* p, F f) {
  before_atomic(p);
  T old, next;
  __atomic_load(p, &old, __ATOMIC_RELAXED);
  do next = f(old);
  while (!__atomic_compare_exchange(p, &old, &next, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  after_atomic(p);
  return old;
}

}  // namespace quern::inline QUERN_ABI::emulator

template <class T>
T atomicAdd(T* p, std::type_identity_t<T> value) {
  return quern::emulator::update(p, [&](T old) { return T(old + value); });
}
template <class T>
T atomicSub(T* p, std::type_identity_t<T> value) {
  return quern::emulator::update(p, [&](T old) { return T(old - value); });
}
template <class T>
T atomicMax(T* p, std::type_identity_t<T> value) {
  static_assert(std::is_integral_v<T>, "CUDA has atomicMax for integers alone");
  return quern::emulator::update(p, [&](T old) { return old < value ? value : old; });
}
template <class T>
T atomicMin(T* p, std::type_identity_t<T> value) {
  static_assert(std::is_integral_v<T>, "CUDA has atomicMin for integers alone");
  return quern::emulator::update(p, [&](T old) { return value < old ? value : old; });
}
template <class T>
T atomicAnd(T* p, std::type_identity_t<T> value) {
  return quern::emulator::update(p, [&](T old) { return T(old & value); });
}
template <class T>
T atomicOr(T* p, std::type_identity_t<T> value) {
  return quern::emulator::update(p, [&](T old) { return T(old | value); });
}
template <class T>
T atomicExch(T* p, std::type_identity_t<T> value) {
  return quern::emulator::update(p, [&](T) { return value; });
}
/// Stores `value` where `expected` stands; the old value.
template <class T>
T atomicCAS(T* p, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  return quern::emulator::update(p, [&](T old) { return old == expected ? value : old; });
}
/// Counts up to `last`, then from 0 again.
inline unsigned atomicInc(unsigned* p, unsigned last) {
  return quern::emulator::update(p, [&](unsigned old) { return old >= last ? 0u : old + 1; });
}

inline void __threadfence() { quern::emulator::fence(); }
inline void __threadfence_block() { quern::emulator::fence(); }
inline void __threadfence_system() { quern::emulator::fence(); }
inline void __nanosleep(unsigned) { quern::emulator::let_others_run(); }
