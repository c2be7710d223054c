/// What the sanitizers are told, and nothing in other builds.
///
/// TSan sees one TSan fiber for each CUDA thread, and only the order that CUDA promises: switching between fibers gives
/// none (flag 1), barriers give it by release and acquire, and the emulator's own bookkeeping is out of its sight
/// (Quiet). What a model reads or writes for a CUDA thread is told by `reads` and `writes`: loops and memcpy may be
/// rewritten by the compiler after TSan has looked at them.
#pragma once
#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define QUERN_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define QUERN_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define QUERN_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define QUERN_TSAN 1
#endif
#endif

#ifdef QUERN_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef QUERN_TSAN
#include <sanitizer/tsan_interface.h>
extern "C" {
void* __tsan_get_current_fiber(void);
void* __tsan_create_fiber(unsigned flags);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_read_range(void* address, unsigned long size);
void __tsan_write_range(void* address, unsigned long size);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

#include <quern/base/config.hpp>

namespace quern::inline QUERN_ABI::emulator::sanitizer {

#ifdef QUERN_TSAN
inline constexpr bool thread_checks = true;

/// While one lives, TSan looks at nothing the running fiber does.
struct Quiet {
  Quiet() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~Quiet() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;
};
/// Reads and writes that are told although a Quiet, and only one, is alive.
struct Loud {
  Loud() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
  ~Loud() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  Loud(const Loud&) = delete;
  Loud& operator=(const Loud&) = delete;
};
inline void release(const void* at) { __tsan_release(const_cast<void*>(at)); }
inline void acquire(const void* at) { __tsan_acquire(const_cast<void*>(at)); }
inline void reads(const void* at, std::size_t bytes) { __tsan_read_range(const_cast<void*>(at), bytes); }
inline void writes(void* at, std::size_t bytes) { __tsan_write_range(at, bytes); }
#else
inline constexpr bool thread_checks = false;
struct Quiet {
  Quiet() {}
};
struct Loud {
  Loud() {}
};
inline void release(const void*) {}
inline void acquire(const void*) {}
#ifdef QUERN_ASAN
inline void reads(const void* at, std::size_t bytes) {
  if (const void* bad = __asan_region_is_poisoned(const_cast<void*>(at), bytes))
    (void)*static_cast<const volatile char*>(bad);  // reported here
}
inline void writes(void* at, std::size_t bytes) {
  if (void* bad = __asan_region_is_poisoned(at, bytes)) *static_cast<volatile char*>(bad) = 0;  // reported here
}
#else
inline void reads(const void*, std::size_t) {}
inline void writes(void*, std::size_t) {}
#endif
#endif

#ifdef QUERN_ASAN
inline constexpr bool address_checks = true;
inline void poison(const void* at, std::size_t bytes) { __asan_poison_memory_region(at, bytes); }
inline void unpoison(const void* at, std::size_t bytes) { __asan_unpoison_memory_region(at, bytes); }
#else
inline constexpr bool address_checks = false;
inline void poison(const void*, std::size_t) {}
inline void unpoison(const void*, std::size_t) {}
#endif

inline void loud_reads(const void* at, std::size_t bytes) {
  Loud loud;
  reads(at, bytes);
}
inline void loud_writes(void* at, std::size_t bytes) {
  Loud loud;
  writes(at, bytes);
}

}  // namespace quern::inline QUERN_ABI::emulator::sanitizer
