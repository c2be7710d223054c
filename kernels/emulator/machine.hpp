/// The emulator's state: one launch, one block, its threads and the fibers they run on. For the emulator's own files.
///
/// A fiber runs one CUDA thread after another, each as a plain call, until one has to wait. Then the fiber stays with
/// that thread and another fiber goes on; a fiber whose thread has returned takes the next one that has not begun. So a
/// kernel without barriers costs a call for each thread. Fibers switch to each other directly; the host's own stack
/// only begins and ends blocks.
#pragma once
#include <boost/context/detail/fcontext.hpp>

#include <pthread.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "kernels/emulator/async.hpp"
#include "kernels/emulator/builtins.hpp"
#include "kernels/emulator/emulator.hpp"
#include "kernels/emulator/sanitizers.hpp"

namespace quern::inline QUERN_ABI::emulator {

using sanitizer::Quiet;

inline constexpr unsigned most_threads = 1024, most_warps = most_threads / 32, most_barriers = 16;
inline constexpr std::size_t most_shared = 227 * 1024;  // what an H100 gives a block
inline constexpr int nobody = -1;

struct Fiber {
  boost::context::detail::fcontext_t context = nullptr;
  char* stack = nullptr;  // its lowest byte; below lies a page that faults
  std::size_t size = 0;
  const void* bottom = nullptr;  // as ASan wants it
  void* fake_stack = nullptr;    // ASan's
  void* tsan = nullptr;
};

/// A CUDA thread, from its start to its return.
struct Thread {
  Fiber* fiber = nullptr;
  const char* waits_for = "";  // for reports
  Caller at;
  bool fenced = false;                   // has executed __threadfence()
  std::array<const void*, 4> atomics{};  // the last ones, which a fence acquires from
  unsigned atomic_count = 0;
  ThreadCopies copies;
};

/// Lanes on their way to one operation. `last` is run by the lane that completes it, on all lanes' parts.
struct Meeting {
  const char* what;
  unsigned mask, arrived;
  bool aligned;  // all lanes must stand at the same instruction, and none may have returned
  Caller at;
  void (*last)(void* const* parts, unsigned lanes);
};

struct Warp {
  Meeting open[32];
  int count = 0;
  void* parts[32];
  unsigned generation[32] = {};  // of the meetings whose first lane this is
};

struct Barrier {
  const char* what = "";
  Caller at;
  unsigned arrived = 0, generation = 0;
  int sum = 0, result[2] = {};
  Bits waiting;
};

/// Two blocks that follow each other have one each, so nothing orders the one after the other.
struct OrderOfBlock {
  char engine, stores;
  OrderOfGenerations ends;  // of threads, which the next block of this kind follows
  OrderOfGenerations barriers[most_barriers], warps[most_warps * 32];
};

/// The four warps of a warpgroup on their way to one operation.
struct Warpgroup {
  void* parts[128];
  Caller at;
  unsigned arrived = 0;
  Bits waiting;
};

struct Machine {
  // The launch.
  const Launch* launch = nullptr;
  unsigned threads = 0, warps = 0;
  std::array<uint3, most_threads> coordinates;
  dim3 coordinates_of{0, 0, 0};

  // The block.
  unsigned current = 0;  // the running thread
  unsigned returned_count = 0;
  Bits ready, begun, returned;  // what is neither ready nor returned waits
  std::array<Thread, most_threads> thread;
  std::array<Warp, most_warps> warp;
  std::array<Warpgroup, most_warps / 4> warpgroup;
  std::array<Barrier, most_barriers> barrier;
  std::uint64_t block_number = 0;
  Asynchronous async;

  // Shared memory ends at a page that faults; `shared` begins at a multiple of 1024.
  char *arena = nullptr, *shared = nullptr;

  // The schedule.
  Schedule schedule;
  std::uint64_t random = 1;
  std::array<unsigned, most_warps> priority;
  std::uint64_t spins = 0;

  // Fibers. Under TSan thread i of an even block always runs on its own fiber, and so that of an odd block.
  Fiber host;
  Fiber* running = &host;
  std::vector<Fiber*> idle;
  std::vector<std::unique_ptr<Fiber>> all;
  std::array<std::array<Fiber*, most_threads>, 2> own{};
  OrderOfBlock order[2];  // of even blocks, of odd ones
  char launch_order;

  // For who watches: counts what threads do, and is odd while a launch goes on.
  std::atomic<std::uint64_t> progress{0};
  pthread_t launched_by{};

  // How the launch ended.
  std::string failure;
  std::exception_ptr thrown;

  Statistics statistics;

  Thread& me() { return thread[current]; }
  OrderOfBlock& order_of_block() { return order[block_number % 2]; }
  void make_ready(unsigned i) { ready.set(i); }
  std::uint64_t draw() {  // xorshift
    random ^= random << 13, random ^= random >> 7, random ^= random << 17;
    return random;
  }
};
extern Machine machine;

// fibers.cpp
Fiber* fiber_for(unsigned thread);  // where the thread runs, or will
void switch_to(Fiber& to);
void abandon_fibers();  // after a failure: what waits will never go on
[[noreturn]] void leave_launch();

// scheduler.cpp
int pick();  // who goes on; `nobody` when all have returned
void go_on(int thread);
void wait(const char* what, Caller at);  // until somebody has made the running thread ready
void run_current_thread();               // the kernel, from begin to return

// collectives.cpp
void meet_warp(const char* what, unsigned mask, void* part, bool aligned, Caller at,
               void (*last)(void* const* parts, unsigned lanes));
void meet_warpgroup(const char* what, void* part, Caller at, void (*last)(void* const* parts));
void lane_returned(unsigned thread);
void begin_meetings();

// report.cpp
std::string report(const std::string& what, Caller at);

}  // namespace quern::inline QUERN_ABI::emulator
