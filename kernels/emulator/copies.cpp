/// Asynchronous copies: cp.async of each thread, and the copy engine's transfers.
#include <algorithm>
#include <cstring>

#include "kernels/emulator/machine.hpp"

namespace quern::inline QUERN_ABI::emulator {

namespace {

Asynchronous& async() { return machine.async; }

std::size_t box_bytes(const TensorMap& map) { return std::size_t(map.box_rows) * map.box_columns * map.element_bytes; }

std::uint32_t row_pitch(const TensorMap& map) { return map.swizzle ? 128 : map.box_columns * map.element_bytes; }

/// f(where in global memory, or null outside of the matrix; where in shared memory) for 16 bytes or one element each.
template <class F>
void for_each_element(const Transfer& t, F&& f) {
  const TensorMap& map = t.map;
  const std::uint32_t tile = std::uint32_t(t.shared - machine.shared);
  for (std::uint32_t r = 0; r < map.box_rows; ++r)
    for (std::uint32_t c = 0; c < map.box_columns; ++c) {
      const std::int64_t row = t.row + std::int64_t(r), column = t.column + std::int64_t(c);
      const bool inside =
          row >= 0 && column >= 0 && std::uint64_t(row) < map.rows && std::uint64_t(column) < map.columns;
      std::uint32_t offset = tile + r * row_pitch(map) + c * map.element_bytes;
      if (map.swizzle) offset = swizzled(offset);
      f(inside ? map.base + (std::uint64_t(row) * map.columns + std::uint64_t(column)) * map.element_bytes : nullptr,
        machine.shared + offset, map.element_bytes);
    }
}

void load(const Transfer& t) {
  for_each_element(t, [&](const char* global, char* shared, std::uint32_t bytes) {
    if (global) sanitizer::loud_reads(global, bytes);
    sanitizer::loud_writes(shared, bytes);
    global ? std::memcpy(shared, global, bytes) : std::memset(shared, 0, bytes);
    std::memcpy(async().known.data() + (shared - machine.shared), shared, bytes);
  });
  complete_bytes(*t.barrier, unsigned(box_bytes(t.map)));
}

void store(const Transfer& t) {
  std::size_t i = 0;
  for_each_element(t, [&](char* global, const char* shared, std::uint32_t bytes) {
    sanitizer::loud_reads(shared, bytes);
    if (global) sanitizer::loud_writes(global, bytes);
    if (std::memcmp(shared, t.issued.data() + i, bytes) != 0)
      fail(text_of("TMA store: shared memory was written to before the store had read it (thread ", t.thread, ")"));
    if (global) std::memcpy(global, shared, bytes);
    i += bytes;
  });
}

void complete(std::size_t which) {
  const Transfer t = std::move(async().transfers[which]);
  async().transfers.erase(async().transfers.begin() + std::ptrdiff_t(which));
  ++machine.statistics.asynchronous_copies;
  const void* order = &machine.order_of_block().engine;
#ifdef QUERN_TSAN
  void*& engine = async().tsan[machine.block_number % 2];
  void* here = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(engine, 1);
#endif
  {
    Quiet quiet;  // the engine's own
    sanitizer::acquire(order);
    t.store ? store(t) : load(t);
    sanitizer::release(&machine.order_of_block().stores);
  }
#ifdef QUERN_TSAN
  __tsan_switch_to_fiber(here, 1);
#endif
  if (t.store) --machine.thread[t.thread].copies.stores;
}

void learn() {  // nothing had been written when the block began
  if (async().knows) return;
  async().knows = true;
  async().known.assign(machine.launch->shared, char(0xff));
}

void check_tile(const TensorMap& map, const void* shared, const char* what, Caller at) {
  const std::uint32_t alignment = map.swizzle ? 1024 : 128;
  if (shared_offset(shared, std::size_t(map.box_rows) * row_pitch(map), what, at) % alignment)
    fail(text_of(what, ": the tile does not begin at a multiple of ", alignment, " bytes"), at);
}

}  // namespace

std::uint32_t swizzled(std::uint32_t offset) { return offset ^ (offset >> 7 & 7) << 4; }

std::uint32_t shared_offset(const void* at, std::size_t bytes, const char* what, Caller caller) {
  const std::ptrdiff_t offset = static_cast<const char*>(at) - machine.shared;
  if (offset < 0 || std::size_t(offset) + bytes > machine.launch->shared)
    fail(text_of(what, ": the address is not in the block's shared memory"), caller);
  return std::uint32_t(offset);
}

void cp_async(void* to, const void* from, unsigned bytes, unsigned given, Caller at) {
  {
    Quiet quiet;
    if (shared_offset(to, bytes, "cp.async", at) % bytes)
      fail(text_of("cp.async: its destination is not a multiple of ", bytes, " bytes"), at);
    if (given > bytes || (given && reinterpret_cast<std::uintptr_t>(from) % bytes))
      fail(text_of("cp.async: its source is not a multiple of ", bytes, " bytes"), at);
  }
  sanitizer::reads(from, given);
  sanitizer::writes(to, bytes);
  Quiet quiet;
  std::memset(to, 0xff, bytes);  // poison, which stays until the copy is waited for
  ThreadCopies& mine = machine.me().copies;
  mine.copies.push_back({static_cast<char*>(to), static_cast<const char*>(from), bytes, given, mine.copy_groups});
}

void cp_async_commit() {
  Quiet quiet;
  ++machine.me().copies.copy_groups;
}

void cp_async_wait(unsigned groups_left, bool uncommitted_too) {
  Quiet quiet;
  ThreadCopies& mine = machine.me().copies;
  auto done = mine.copies.begin();
  for (; done != mine.copies.end(); ++done) {
    if (!uncommitted_too && done->group + groups_left >= mine.copy_groups) break;
    sanitizer::loud_reads(done->from, done->given);
    sanitizer::loud_writes(done->to, done->bytes);
    std::memset(done->to, 0, done->bytes);
    std::memcpy(done->to, done->from, done->given);
    ++machine.statistics.asynchronous_copies;
  }
  mine.copies.erase(mine.copies.begin(), done);
}

void tma_load(void* to, const TensorMap& map, MBarrier& barrier, int column, int row, Caller at) {
  Quiet quiet;
  check_tile(map, to, "TMA load", at);
  if (!state_of(barrier, "TMA load", at).fenced)
    fail("TMA load: no fence.proxy.async or fence.mbarrier_init between mbarrier.init and its use by the copy engine",
         at);
  learn();
  sanitizer::release(&machine.order_of_block().engine);
  async().transfers.push_back({false, map, static_cast<char*>(to), &barrier, column, row, 0, 0, {}});
}

void tma_store(const TensorMap& map, const void* from, int column, int row, Caller at) {
  Quiet quiet;
  check_tile(map, from, "TMA store", at);
  learn();
  ThreadCopies& mine = machine.me().copies;
  Transfer t{
      true, map, static_cast<char*>(const_cast<void*>(from)), nullptr, column, row, machine.current, mine.store_groups,
      {}};
  for_each_element(t, [&](const char*, const char* shared, std::uint32_t bytes) {
    check_known(shared, bytes, "TMA store", at);
    t.issued.insert(t.issued.end(), shared, shared + bytes);
  });
  sanitizer::release(&machine.order_of_block().engine);
  async().transfers.push_back(std::move(t));
  ++mine.stores;
}

void tma_store_commit() {
  Quiet quiet;
  ++machine.me().copies.store_groups;
}

/// Late as ever: what has to be over by now is done now. Only a full wait tells the thread that global memory is
/// written.
void tma_store_wait(unsigned groups_left, bool reads_only) {
  Quiet quiet;
  auto& transfers = async().transfers;
  for (std::size_t i = 0; i < transfers.size();) {
    const Transfer& t = transfers[i];
    if (t.store && t.thread == machine.current && t.group + groups_left < machine.me().copies.store_groups)
      complete(i);
    else
      ++i;
  }
  if (!reads_only) sanitizer::acquire(&machine.order_of_block().stores);
}

void fence_proxy_async() {
  Quiet quiet;
  learn();
  std::memcpy(async().known.data(), machine.shared, async().known.size());
  fence_mbarrier_init();
}

void check_known(const char* shared, std::size_t bytes, const char* what, Caller at) {
  learn();
  if (std::memcmp(shared, async().known.data() + (shared - machine.shared), bytes) == 0) return;
  fail(text_of(what, ": reads shared memory that threads have written to without a fence.proxy.async after it (byte ",
               shared - machine.shared, ")"),
       at);
}

void complete_one_copy() {
  if (machine.returned_count == machine.threads)
    fail("all threads have returned while asynchronous copies are on their way");
  const bool in_order = machine.schedule.kind == Order::round_robin;
  complete(in_order ? 0 : machine.draw() % async().transfers.size());
}

void begin_asynchronous() {
  async().knows = false;
  async().barrier_count = 0;
#ifdef QUERN_TSAN
  if (void*& engine = async().tsan[machine.block_number % 2]; !engine) engine = __tsan_create_fiber(0);
#endif
}

void end_asynchronous() { end_barriers(); }

void abandon_asynchronous() {
  async().transfers.clear();
  for (auto& operands : async().operands) operands.clear();
  for (Thread& thread : machine.thread) thread.copies = {};
}

void end_thread_copies() {
  ThreadCopies& mine = machine.me().copies;
  if (!mine.copies.empty()) fail(text_of("a thread returns with ", mine.copies.size(), " cp.async not waited for"));
  if (mine.stores) fail(text_of("a thread returns with ", mine.stores, " TMA stores not waited for"));
  if (!mine.products.empty()) fail(text_of("a thread returns with ", mine.products.size(), " wgmma not waited for"));
  mine.copy_groups = mine.store_groups = mine.product_groups = 0;
  mine.products_fenced = false;
  mine.settled.clear();
}

std::string asynchronous_report() {
  std::string text = barriers_report();
  if (async().pending()) text += text_of("\n  ", async().transfers.size(), " TMA copies on their way");
  return text;
}

}  // namespace quern::inline QUERN_ABI::emulator
