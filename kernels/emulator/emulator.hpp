/// Runs kernels on a machine without a GPU: every CUDA thread is a fiber, one block after another, on the host thread
/// that launches. See docs/emulator.md.
///
///   emulator::set_schedule({emulator::Order::warp_priority, 7});     // or QUERN_EMULATOR_SCHEDULE=pct:7
///   launch("twice", twice, {.grid = {4}, .block = {256}}, x);        // throws Error with a report if the kernel is
///   wrong
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <quern/base/error.hpp>

namespace quern::inline QUERN_ABI::emulator {

/// Which thread goes on when one waits. Threads are only ever left where they wait, or at an atomic operation.
enum class Order {
  round_robin,    // each in turn, as far as it comes; asynchronous copies as late as possible
  shuffled,       // any; asynchronous copies at any moment, in any order
  warp_priority,  // one warp as far as it comes before the next, in an order that changes now and then (PCT)
};

struct Schedule {
  Order kind = Order::round_robin;
  std::uint64_t seed = 0;
};

/// For all launches from now on. At the start it is what QUERN_EMULATOR_SCHEDULE says, else round robin.
void set_schedule(Schedule schedule);
Schedule schedule();
/// From "round_robin", "shuffled:3", "pct:7".
Schedule schedule_of(std::string_view text);

/// Whether device memory that is allocated from here on can be touched by kernels and copies alone, as a GPU's: any
/// other access ends the program with a message. At the start it is what QUERN_EMULATOR_PROTECT says, else off.
void set_protection(bool on);
/// Throws where memory is protected and a kernel is given a pointer to something else.
void check_on_device(const char* kernel, const void* argument);

/// What has been done since the program's start.
struct Statistics {
  std::uint64_t launches = 0, blocks = 0, threads = 0, switches = 0, asynchronous_copies = 0;
};
Statistics statistics();

struct Extents {
  unsigned x = 1, y = 1, z = 1;
};

/// A launch as launch.cuh hands it over.
struct Launch {
  const char* kernel;
  std::string text;  // the launch as errors name it
  Extents grid, block;
  std::size_t shared;
  void (*one_thread)(const void* call);  // one CUDA thread's run through the kernel
  const void* call;
};
void run(const Launch& launch);

/// Stops the launch with an Error: `what` with kernel, block, thread, and what every other thread of the block waits
/// for. Called by kernels' models; does not return.
[[noreturn]] void fail(std::string what, Caller at = {"", 0});

}  // namespace quern::inline QUERN_ABI::emulator
