/// Barriers and warp operations: who has arrived, and when everybody has.
#include "kernels/emulator/collectives.hpp"

#include <bit>
#include <cstring>

#include "kernels/emulator/machine.hpp"

namespace quern::inline QUERN_ABI::emulator {

namespace {

unsigned lanes_there(unsigned warp) {  // those that exist and have not returned
  const unsigned rest = machine.threads - warp * 32;
  return (rest >= 32 ? ~0u : (1u << rest) - 1) & ~machine.returned.word[warp];
}

/// All lanes are there: hands out the results. The lanes that waited go on; the caller is one of those or has returned.
void complete(unsigned warp, int which) {
  Warp& w = machine.warp[warp];
  const Meeting meeting = w.open[which];
  w.open[which] = w.open[--w.count];
  if (meeting.last) meeting.last(w.parts, meeting.arrived);
  ++w.generation[std::countr_zero(meeting.mask)];
  machine.ready.word[warp] |= meeting.arrived & ~machine.returned.word[warp];
}

std::string mask_text(unsigned mask) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", mask);
  return text;
}

/// The meeting of this mask that is open, or a new one.
int join(unsigned warp, const Meeting& mine) {
  Warp& w = machine.warp[warp];
  const unsigned lane = machine.current % 32;
  for (int i = 0; i < w.count; ++i) {
    const Meeting& open = w.open[i];
    if (open.mask == mine.mask) {
      const bool same = open.what == mine.what || std::strcmp(open.what, mine.what) == 0;
      if (!same || (mine.aligned && open.at.line != mine.at.line))
        fail(text_of("lanes of one warp meet at different operations: ", mine.what, " and ", open.what, ", mask ",
                     mask_text(mine.mask)),
             mine.at);
      return i;
    }
    if (open.mask >> lane & 1 && open.arrived & mine.mask)
      fail(text_of("lanes of one warp wait for each other at different masks: ", mine.what, " with ",
                   mask_text(mine.mask), " and ", open.what, " with ", mask_text(open.mask)),
           mine.at);
  }
  w.open[w.count] = mine;
  return w.count++;
}

void divergent(Caller at) { fail("divergent barrier: not every thread of the block reaches this __syncthreads", at); }

void release_barrier(Barrier& b) {
  b.result[b.generation % 2] = b.sum;
  ++b.generation;
  b.sum = 0, b.arrived = 0;
  for (unsigned w = 0; w < machine.warps; ++w) {
    machine.ready.word[w] |= b.waiting.word[w];
    b.waiting.word[w] = 0;
  }
}

}  // namespace

void begin_meetings() {
  for (unsigned w = 0; w < machine.warps; ++w) machine.warp[w].count = 0;
  for (Warpgroup& g : machine.warpgroup) {
    if (g.arrived) g.waiting = {};
    g.arrived = 0;
  }
  for (Barrier& b : machine.barrier) {
    if (b.arrived) b.waiting = {};
    b.arrived = 0, b.sum = 0;
  }
}

void meet_warp(const char* what, unsigned mask, void* part, bool aligned, Caller at,
               void (*last)(void* const* parts, unsigned lanes)) {
  const unsigned warp = machine.current / 32, lane = machine.current % 32, there = lanes_there(warp);
  if (!(mask >> lane & 1)) fail(text_of(what, ": mask ", mask_text(mask), " does not name the calling lane"), at);
  if (aligned && there != ~0u) fail(text_of(what, ": all 32 lanes of the warp must take part"), at);
  Warp& w = machine.warp[warp];
  const int which = join(warp, {what, mask, 0, aligned, at, last});
  w.parts[lane] = part;
  w.open[which].arrived |= 1u << lane;
  if ((mask & there & ~w.open[which].arrived) == 0)
    complete(warp, which);
  else
    wait(what, at);
}

void meet_warpgroup(const char* what, void* part, Caller at, void (*last)(void* const* parts)) {
  const unsigned group = machine.current / 128;
  if ((group + 1) * 128 > machine.threads) fail(text_of(what, ": the threads are not a whole warpgroup of 128"), at);
  for (unsigned w = group * 4; w < group * 4 + 4; ++w)
    if (lanes_there(w) != ~0u) fail(text_of(what, ": all 128 threads of the warpgroup must take part"), at);
  Warpgroup& g = machine.warpgroup[group];
  if (g.arrived == 0)
    g.at = at;
  else if (g.at.line != at.line)
    fail(
        text_of(what, ": threads of one warpgroup stand at different lines, the others at ", g.at.file, ":", g.at.line),
        at);
  g.parts[machine.current % 128] = part;
  if (++g.arrived < 128) {
    g.waiting.set(machine.current);
    return wait(what, at);
  }
  last(g.parts);
  g.arrived = 0;
  for (unsigned w = group * 4; w < group * 4 + 4; ++w) {
    machine.ready.word[w] |= g.waiting.word[w];
    g.waiting.word[w] = 0;
  }
}

void lane_returned(unsigned thread) {
  const unsigned warp = thread / 32;
  if (const Warpgroup& g = machine.warpgroup[thread / 128]; g.arrived)
    fail("wgmma: a thread of the warpgroup has returned instead of taking part", g.at);
  Warp& w = machine.warp[warp];
  for (int i = w.count - 1; i >= 0; --i) {
    const Meeting& open = w.open[i];
    if (!(open.mask >> thread % 32 & 1)) continue;
    if (open.aligned) fail(text_of(open.what, ": a lane of the warp has returned instead of taking part"), open.at);
    if ((open.mask & lanes_there(warp) & ~open.arrived) == 0) complete(warp, i);
  }
  const Barrier& all = machine.barrier[0];
  if (all.arrived && all.arrived + machine.returned_count == machine.threads) divergent(all.at);
}

int meet_block(const char* what, int value, Caller at) {
  Barrier& b = machine.barrier[0];
  unsigned generation;
  const OrderOfBlock& order = machine.order_of_block();
  {
    Quiet quiet;
    if (b.arrived == 0)
      b.what = what, b.at = at;
    else if (b.at.line != at.line || (b.at.file != at.file && std::strcmp(b.at.file, at.file) != 0))
      fail(text_of("divergent barrier: threads of one block wait at two different lines, ", what, " here and ", b.what,
                   " at ", b.at.file, ":", b.at.line),
           at);
    generation = b.generation;
    sanitizer::release(order.barriers[0](generation));
    b.sum += value;
    if (++b.arrived == machine.threads) {
      release_barrier(b);
    } else {
      b.waiting.set(machine.current);
      if (b.arrived + machine.returned_count == machine.threads) divergent(at);
      wait(what, at);
    }
    sanitizer::acquire(order.barriers[0](generation));
    value = b.result[generation % 2];
  }
  return value;
}

void meet_named(int barrier, int threads, bool blocks, Caller at) {
  Quiet quiet;
  const char* what = blocks ? "named barrier" : "named barrier (arrive)";
  if (barrier < 1 || barrier >= int(most_barriers))
    fail(text_of("named barrier ", barrier, ": there are barriers 1 to 15, and 0 is __syncthreads'"), at);
  if (threads <= 0 || threads % 32 || threads > int(machine.warps * 32))
    fail(text_of("named barrier ", barrier, ": ", threads, " threads are not whole warps of the block"), at);
  Barrier& b = machine.barrier[barrier];
  if (b.arrived == 0)
    b.at = at, b.sum = threads;
  else if (b.sum != threads)
    fail(text_of("named barrier ", barrier, ": ", threads, " threads here, ", b.sum, " threads at ", b.at.file, ":",
                 b.at.line),
         at);
  const unsigned generation = b.generation;
  const void* order = machine.order_of_block().barriers[barrier](generation);
  sanitizer::release(order);
  if (++b.arrived == unsigned(threads)) {
    release_barrier(b);
  } else if (blocks) {
    b.waiting.set(machine.current);
    wait(what, at);
  }
  if (blocks) sanitizer::acquire(order);
}

void sync_warp(unsigned mask, Caller at) {
  Quiet quiet;
  const unsigned warp = machine.current / 32, first = unsigned(std::countr_zero(mask | 1u << 31));
  const unsigned generation = machine.warp[warp].generation[first];
  const void* order = machine.order_of_block().warps[warp * 32 + first](generation);
  sanitizer::release(order);
  meet_warp("__syncwarp", mask, nullptr, false, at, nullptr);
  sanitizer::acquire(order);
}

unsigned lane_index() {
  Quiet quiet;
  return machine.current % 32;
}

std::uint64_t shuffle(const char* what, unsigned mask, Shuffle part, Caller at) {
  Quiet quiet;
  struct Exchange {
    Shuffle in;
    std::uint64_t out;
  } exchange{part, ~std::uint64_t{0}};
  meet_warp(what, mask, &exchange, false, at, [](void* const* parts, unsigned lanes) {
    for (unsigned rest = lanes; rest; rest &= rest - 1) {
      auto& to = *static_cast<Exchange*>(parts[std::countr_zero(rest)]);
      if (lanes >> to.in.source & 1) to.out = static_cast<const Exchange*>(parts[to.in.source])->in.value;
    }
  });
  return exchange.out;
}

unsigned ballot(const char* what, unsigned mask, bool predicate, Caller at) {
  Quiet quiet;
  struct Vote {
    bool in;
    unsigned out;
  } vote{predicate, 0};
  meet_warp(what, mask, &vote, false, at, [](void* const* parts, unsigned lanes) {
    unsigned result = 0;
    for (unsigned i = 0; i < 32; ++i)
      if (lanes >> i & 1 && static_cast<const Vote*>(parts[i])->in) result |= 1u << i;
    for (unsigned i = 0; i < 32; ++i)
      if (lanes >> i & 1) static_cast<Vote*>(parts[i])->out = result;
  });
  return vote.out;
}

}  // namespace quern::inline QUERN_ABI::emulator
