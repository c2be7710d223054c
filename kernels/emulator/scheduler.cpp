/// A launch: its blocks one after another, and which thread of a block goes on.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "kernels/emulator/device_memory.hpp"
#include "kernels/emulator/faults.hpp"
#include "kernels/emulator/machine.hpp"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace quern::inline QUERN_ABI::emulator {

Machine machine;

namespace {

std::mutex one_launch_at_a_time;
thread_local bool launching = false;  // this host thread, which then also runs the kernel

void seed_schedule(Schedule s) {
  machine.schedule = s;
  machine.random = (s.seed + 1) * 0x9E3779B97F4A7C15u | 1;
  for (int i = 0; i < 4; ++i) machine.draw();
}

/// What the environment asks for holds until set_schedule is called.
void read_environment() {
  static const bool once = [] {
    const char* text = std::getenv("QUERN_EMULATOR_SCHEDULE");
    seed_schedule(text && *text ? schedule_of(text) : Schedule{});
    return true;
  }();
  (void)once;
}

template <class A>
void shuffle(A& numbers, unsigned count) {
  for (unsigned i = count; i > 1; --i) std::swap(numbers[i - 1], numbers[machine.draw() % i]);
}

/// The first set bit at or after `from`, going round; `bits` is not 0.
unsigned bit_from(std::uint32_t bits, unsigned from) {
  const std::uint32_t high = bits & ~0u << from;
  return unsigned(__builtin_ctz(high ? high : bits));
}

int after(unsigned last) {
  const auto& ready = machine.ready.word;
  unsigned w = last / 32;
  if (const std::uint32_t rest = last % 32 == 31 ? 0 : ready[w] & ~0u << (last % 32 + 1))
    return int(w * 32 + unsigned(__builtin_ctz(rest)));
  for (unsigned i = 0; i < machine.warps; ++i) {
    w = w + 1 == machine.warps ? 0 : w + 1;
    if (ready[w]) return int(w * 32 + unsigned(__builtin_ctz(ready[w])));
  }
  return nobody;
}

int choose() {
  if (machine.schedule.kind == Order::round_robin) return after(machine.current);
  const auto lane = [](unsigned w) { return int(w * 32 + bit_from(machine.ready.word[w], machine.draw() % 32)); };
  if (machine.schedule.kind == Order::shuffled) {
    const unsigned first = unsigned(machine.draw() % machine.warps);
    for (unsigned i = 0; i < machine.warps; ++i)
      if (const unsigned w = (first + i) % machine.warps; machine.ready.word[w]) return lane(w);
    return nobody;
  }
  if (machine.draw() % 512 == 0) shuffle(machine.priority, machine.warps);
  for (unsigned i = 0; i < machine.warps; ++i)
    if (const unsigned w = machine.priority[i]; machine.ready.word[w]) return lane(w);
  return nobody;
}

void make_arena() {
  const std::size_t page = std::size_t(sysconf(_SC_PAGESIZE)), size = (2 * most_shared / page + 2) * page;
  void* memory = mmap(nullptr, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw_error("emulator: no memory for a block's shared memory");
  mprotect(static_cast<char*>(memory) + page, size, PROT_READ | PROT_WRITE);
  machine.arena = static_cast<char*>(memory) + page + size;  // its end
}

/// Stands after the block's shared memory, up to the page that faults: NaN as a float and in both halves as bf16, and
/// no NaN that arithmetic gives.
char slack_byte(std::size_t i) { return "\xa5\x7f\xa5\xff"[i % 4]; }

std::size_t shared_with_slack() { return (machine.launch->shared + 1023) / 1024 * 1024; }

void begin_launch(const Launch& launch) {
  const auto& b = launch.block;
  const std::uint64_t threads = std::uint64_t(b.x) * b.y * b.z;
  check(threads > 0 && threads <= most_threads && b.z <= 64, launch.text, ": a block has 1 to ", most_threads,
        " threads, at most 64 along z");
  check(launch.grid.x < 1u << 31 && launch.grid.y < 1u << 16 && launch.grid.z < 1u << 16, launch.text,
        ": a grid has at most 2147483647 blocks along x, 65535 along y and z");
  check(launch.shared <= most_shared, launch.text, ": a block has at most ", most_shared, " bytes");
  catch_faults();
  machine.launch = &launch;
  launching = true;
  machine.progress.fetch_add(1, std::memory_order_relaxed);
  machine.threads = unsigned(threads), machine.warps = unsigned(threads + 31) / 32;
  ++machine.statistics.launches;
  gridDim = {launch.grid.x, launch.grid.y, launch.grid.z}, blockDim = {b.x, b.y, b.z};
  if (dim3& known = machine.coordinates_of; known.x != b.x || known.y != b.y || known.z != b.z) {
    known = blockDim;
    for (unsigned i = 0; i < threads; ++i) machine.coordinates[i] = {i % b.x, i / b.x % b.y, i / b.x / b.y};
  }
  for (unsigned w = 0; w < machine.warps; ++w) machine.priority[w] = w;
  if (!machine.arena) make_arena();
  machine.shared = machine.arena - shared_with_slack();
  sanitizer::poison(machine.shared + launch.shared, shared_with_slack() - launch.shared);
}

void end_launch() {
  sanitizer::unpoison(machine.shared, shared_with_slack());
  leave_faults();
  machine.launch = nullptr;
  launching = false;
  machine.progress.fetch_add(1, std::memory_order_relaxed);
}

void begin_block() {
  const unsigned whole = machine.threads / 32, rest = machine.threads % 32;
  for (unsigned w = 0; w < whole; ++w) machine.ready.word[w] = ~0u;
  if (rest) machine.ready.word[whole] = (1u << rest) - 1;
  for (unsigned w = 0; w < machine.warps; ++w) machine.begun.word[w] = machine.returned.word[w] = 0;
  machine.returned_count = 0;
  machine.spins = 0;
  machine.current = machine.threads - 1;  // so that round robin begins with thread 0
  begin_meetings();
  if (sanitizer::thread_checks)  // made by the host: a fiber that another one makes would be ordered after that
    for (unsigned i = 0; i < machine.threads; ++i) fiber_for(i);
  if (sanitizer::thread_checks)  // nothing orders a block after the one before it: it must not look like reuse
    machine.shared = machine.arena - shared_with_slack() - machine.block_number % 2 * most_shared / 1024 * 1024;
  if (const std::size_t bytes = machine.launch->shared) {
    sanitizer::unpoison(machine.shared, shared_with_slack());
    std::memset(machine.shared, 0xff, bytes);  // NaN, or -1: what nobody has written
    for (std::size_t i = bytes; i < shared_with_slack(); ++i) machine.shared[i] = slack_byte(i);
    sanitizer::poison(machine.shared + bytes, shared_with_slack() - bytes);
  }
  begin_asynchronous();
  if (machine.schedule.kind == Order::warp_priority) shuffle(machine.priority, machine.warps);
  ++machine.statistics.blocks;
  machine.statistics.threads += machine.threads;
}

void end_block() {
  const std::size_t bytes = machine.launch->shared, slack = shared_with_slack() - bytes;
  sanitizer::unpoison(machine.shared + bytes, slack);
  for (std::size_t i = 0; i < slack; ++i)
    if (machine.shared[bytes + i] != slack_byte(bytes + i))
      fail(text_of("a thread wrote ", i, " bytes past the end of the block's shared memory"));
  sanitizer::poison(machine.shared + bytes, slack);
  end_asynchronous();
}

}  // namespace

int pick() {
  for (;;) {
    if (machine.async.pending() && machine.schedule.kind != Order::round_robin && machine.draw() % 4 == 0)
      complete_one_copy();
    if (const int thread = choose(); thread != nobody) return thread;
    if (machine.async.pending()) {
      complete_one_copy();
      continue;
    }
    if (machine.returned_count == machine.threads) return nobody;
    fail(machine.barrier[0].arrived ? "divergent barrier: some threads wait at __syncthreads, others elsewhere"
                                    : "deadlock: no thread of the block can go on");
  }
}

void go_on(int next) {
  if (next == nobody) return switch_to(machine.host);
  Fiber* to = fiber_for(unsigned(next));
  machine.current = unsigned(next);
  threadIdx = machine.coordinates[unsigned(next)];
  if (to != machine.running) switch_to(*to);
}

/// Only the launching thread writes it.
void note_progress() {
  machine.progress.store(machine.progress.load(std::memory_order_relaxed) + 2, std::memory_order_relaxed);
}

void wait(const char* what, Caller at) {
  note_progress();
  Thread& me = machine.me();
  me.waits_for = what, me.at = at;
  machine.ready.clear(machine.current);
  machine.spins = 0;
  go_on(pick());
}

void let_others_run() {
  Quiet quiet;
  if (++machine.spins > 1'000'000) fail("livelock: threads go round and wait for nothing but each other's atomics");
  go_on(pick());
}

void run_current_thread() {
  {
    Quiet quiet;
    note_progress();
    machine.begun.set(machine.current);
    threadIdx = machine.coordinates[machine.current];
    Thread& me = machine.me();
    me.fiber = machine.running;
    me.fenced = false, me.atomic_count = 0, me.atomics = {};
    sanitizer::acquire(&machine.launch_order);
    sanitizer::acquire(
        machine.order_of_block().ends(unsigned(machine.block_number / 2 + 1)));  // the block before the last
  }
  try {
    machine.launch->one_thread(machine.launch->call);
  } catch (...) { machine.thrown = std::current_exception(); }
  Quiet quiet;
  if (machine.thrown) leave_launch();
  sanitizer::release(machine.order_of_block().ends(unsigned(machine.block_number / 2)));
  end_thread_copies();
  machine.ready.clear(machine.current);
  machine.returned.set(machine.current);
  ++machine.returned_count;
  machine.spins = 0;
  lane_returned(machine.current);
}

void run(const Launch& launch) {
  check(!launching, launch.text, ": launched from within a kernel");
  const std::lock_guard lock(one_launch_at_a_time);
  read_environment();
  sanitizer::release(&machine.launch_order);
  Quiet quiet;
  const DeviceAccess access;
  begin_launch(launch);
  for (unsigned z = 0; z < launch.grid.z; ++z)
    for (unsigned y = 0; y < launch.grid.y; ++y)
      for (unsigned x = 0; x < launch.grid.x; ++x) {
        blockIdx = {x, y, z};
        begin_block();
        try {
          go_on(pick());
          if (machine.failure.empty() && !machine.thrown) end_block();
        } catch (...) { machine.thrown = std::current_exception(); }
        ++machine.block_number;
        if (machine.failure.empty() && !machine.thrown) continue;
        abandon_fibers();
        abandon_asynchronous();
        end_launch();
        const std::string failure = std::exchange(machine.failure, {});
        if (const auto thrown = std::exchange(machine.thrown, nullptr)) std::rethrow_exception(thrown);
        throw Error(failure);
      }
  end_launch();
  for (const OrderOfBlock& order : machine.order)
    for (unsigned i = 0; i < 2; ++i) sanitizer::acquire(order.ends(i));
}

void fail(std::string what, Caller at) {
  std::string text = report(what, at);
  if (machine.running == &machine.host) throw Error(text);
  machine.failure = std::move(text);
  std::string().swap(what);  // nobody comes back to free it
  leave_launch();
}

void set_schedule(Schedule s) {
  const std::lock_guard lock(one_launch_at_a_time);
  read_environment();
  seed_schedule(s);
}
Schedule schedule() {
  const std::lock_guard lock(one_launch_at_a_time);
  read_environment();
  return machine.schedule;
}
Statistics statistics() { return machine.statistics; }

Schedule schedule_of(std::string_view text) {
  const std::string_view kind = text.substr(0, text.find(':'));
  Schedule s;
  if (kind == "pct") s.kind = Order::warp_priority;
  if (kind == "shuffled") s.kind = Order::shuffled;
  const std::string seed(kind.size() < text.size() ? text.substr(kind.size() + 1) : "0");
  check((s.kind != Order::round_robin || kind == "round_robin") && !seed.empty() &&
            seed.find_first_not_of("0123456789") == seed.npos,
        "QUERN_EMULATOR_SCHEDULE: ", text, " is none of round_robin, shuffled:SEED, pct:SEED");
  s.seed = std::strtoull(seed.c_str(), nullptr, 10);
  return s;
}

}  // namespace quern::inline QUERN_ABI::emulator
