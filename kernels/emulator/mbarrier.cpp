/// Barriers in shared memory that count arrivals and bytes.
#include <cstring>

#include "kernels/emulator/atomics.hpp"
#include "kernels/emulator/machine.hpp"

namespace quern::inline QUERN_ABI::emulator {

namespace {

/// Marks an initialised barrier's place. Whoever writes over it is found out.
constexpr std::uint64_t mark = 0xB7B7'6D62'6172'0000;

BarrierState* find(const MBarrier& barrier) {
  for (unsigned i = 0; i < machine.async.barrier_count; ++i)
    if (machine.async.barriers[i].at == &barrier) return &machine.async.barriers[i];
  return nullptr;
}

const OrderOfGenerations& order(const BarrierState& b) { return b.order[machine.block_number % 2]; }

void step(BarrierState& b) {
  if (b.pending != 0 || b.bytes != 0) return;
  ++b.phase;
  b.pending = b.count;
  for (unsigned w = 0; w < machine.warps; ++w) machine.ready.word[w] |= b.waiting.word[w];
  b.waiting = {};
}

std::string name_of(const BarrierState& b) {
  return text_of("mbarrier at byte ", reinterpret_cast<const char*>(b.at) - machine.shared, " of shared memory");
}

}  // namespace

BarrierState& state_of(const MBarrier& barrier, const char* what, Caller at) {
  BarrierState* found = find(barrier);
  if (!found) {
    shared_offset(&barrier, sizeof barrier, what, at);
    fail(text_of(what, ": the mbarrier has not been initialised"), at);
  }
  if (barrier.word != (mark | std::uint64_t(found - machine.async.barriers.data())))
    fail(text_of(what, ": something else was written over the mbarrier"), at);
  return *found;
}

void mbarrier_init(MBarrier& barrier, unsigned count, Caller at) {
  sanitizer::writes(&barrier, sizeof barrier);
  Quiet quiet;
  if (shared_offset(&barrier, sizeof barrier, "mbarrier.init", at) % 8)
    fail("mbarrier.init: the barrier does not begin at a multiple of 8 bytes", at);
  if (count == 0 || count >= 1u << 20) fail(text_of("mbarrier.init: a count of ", count, ", of 1 to 1048575"), at);
  if (find(barrier)) fail("mbarrier.init: it is initialised already; mbarrier.inval comes first", at);
  if (machine.async.barrier_count == machine.async.barriers.size()) fail("mbarrier.init: more than 64 in a block", at);
  const unsigned i = machine.async.barrier_count++;
  BarrierState& b = machine.async.barriers[i];
  b.at = &barrier, b.count = b.pending = count, b.phase = 0, b.bytes = 0, b.fenced = false, b.waiting = {};
  barrier.word = mark | i;
}

void mbarrier_invalidate(MBarrier& barrier, Caller at) {
  Quiet quiet;
  state_of(barrier, "mbarrier.inval", at).at = nullptr;
  barrier.word = ~std::uint64_t{0};
}

void mbarrier_arrive(MBarrier& barrier, unsigned expected_bytes, Caller at) {
  Quiet quiet;
  BarrierState& b = state_of(barrier, "mbarrier.arrive", at);
  sanitizer::release(order(b)(b.phase));
  b.bytes += expected_bytes;
  if (b.bytes >= 1 << 20) fail(text_of("mbarrier: ", b.bytes, " bytes expected, of 1048575 at most"), at);
  if (b.pending == 0) fail(text_of("mbarrier: more than ", b.count, " arrivals in one phase"), at);
  --b.pending;
  machine.spins = 0;
  step(b);
}

void complete_bytes(MBarrier& barrier, unsigned bytes) {
  BarrierState& b = state_of(barrier, "TMA load", {});
  sanitizer::release(order(b)(b.phase));
  b.bytes -= bytes;
  step(b);
}

bool mbarrier_try_wait(MBarrier& barrier, unsigned parity, Caller at) {
  Quiet quiet;
  const BarrierState& b = state_of(barrier, "mbarrier.try_wait", at);
  if (b.phase % 2 == parity % 2) {
    let_others_run();
    return false;
  }
  sanitizer::acquire(order(b)(parity));
  return true;
}

void mbarrier_wait(MBarrier& barrier, unsigned parity, Caller at) {
  Quiet quiet;
  BarrierState& b = state_of(barrier, "mbarrier.try_wait", at);
  while (b.phase % 2 == parity % 2) {
    b.waiting.set(machine.current);
    wait(parity % 2 ? "mbarrier.try_wait, parity 1" : "mbarrier.try_wait, parity 0", at);
  }
  sanitizer::acquire(order(b)(parity));
}

void fence_mbarrier_init() {
  Quiet quiet;
  for (unsigned i = 0; i < machine.async.barrier_count; ++i) machine.async.barriers[i].fenced = true;
}

std::string barriers_report() {
  std::string text;
  for (unsigned i = 0; i < machine.async.barrier_count; ++i) {
    const BarrierState& b = machine.async.barriers[i];
    if (b.at)
      text += text_of("\n  ", name_of(b), ": phase ", b.phase, ", ", b.pending, " of ", b.count, " arrivals and ",
                      b.bytes, " bytes to come");
  }
  return text;
}

void end_barriers() {
  for (unsigned i = 0; i < machine.async.barrier_count; ++i) {
    const BarrierState& b = machine.async.barriers[i];
    if (b.at && (b.pending != b.count || b.bytes))
      fail(text_of("the block ends within a phase of the ", name_of(b),
                   ": the number of arrivals does not fit its count"));
  }
}

}  // namespace quern::inline QUERN_ABI::emulator
