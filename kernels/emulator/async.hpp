/// What goes on while threads run: asynchronous copies and products that are waited for later. For the emulator's
/// files.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/emulator/pipeline.hpp"

namespace quern::inline QUERN_ABI::emulator {

/// One bit a thread.
struct Bits {
  std::array<std::uint32_t, 32> word{};
  bool has(unsigned i) const { return word[i / 32] >> i % 32 & 1; }
  void set(unsigned i) { word[i / 32] |= 1u << i % 32; }
  void clear(unsigned i) { word[i / 32] &= ~(1u << i % 32); }
};

/// Addresses that stand for order in TSan's eyes. Neighbouring blocks have different ones, and so have neighbouring
/// generations of a barrier: who is late for one must not be ordered after those who are at the next already.
struct OrderOfGenerations {
  char generation[2];
  const void* operator()(unsigned g) const { return &generation[g % 2]; }
};

/// A cp.async on its way. It is late: the bytes arrive when the thread waits for their group.
struct Copy {
  char* to;
  const char* from;
  unsigned bytes, given, group;  // `given` bytes come from `from`, the rest becomes 0
};

/// A wgmma on its way: what it adds to or puts into the thread's registers once its group is waited for.
struct Product {
  float* registers;
  unsigned count, group;
  std::array<float, 128> values;
};

/// What one thread has begun and not waited for.
struct ThreadCopies {
  std::vector<Copy> copies;
  unsigned copy_groups = 0;  // committed ones
  unsigned store_groups = 0, stores = 0;
  std::vector<Product> products, settled;  // settled: what registers held when their group was waited for
  unsigned product_groups = 0;
  bool products_fenced = false;
};

/// A copy by the engine beside the threads (TMA), in any order with others.
struct Transfer {
  bool store;
  TensorMap map;
  char* shared;
  MBarrier* barrier;  // of a load
  int column, row;
  unsigned thread, group;    // of a store
  std::vector<char> issued;  // of a store: what stood in shared memory, which must stay until it has been read
};

/// The true state of an mbarrier; in shared memory stands a word that only marks its place.
struct BarrierState {
  MBarrier* at = nullptr;
  unsigned count = 0, pending = 0, phase = 0;
  std::int64_t bytes = 0;  // still to come
  bool fenced = false;     // known to the copy engine
  Bits waiting;
  OrderOfGenerations order[2];
};

/// What the tensor cores of one warpgroup read, until it has been waited for.
struct Operands {
  std::uint64_t a, b, hash;
  unsigned n, group;
};

struct Asynchronous {
  std::vector<Transfer> transfers;
  std::array<BarrierState, 64> barriers;
  unsigned barrier_count = 0;
  std::array<std::vector<Operands>, 8> operands;  // of each warpgroup

  // What the asynchronous proxy knows of shared memory: as it was at the last proxy fence, with its own writes.
  std::vector<char> known;
  bool knows = false;

  void* tsan[2] = {};  // the engine, as a thread of even and of odd blocks
  bool pending() const { return !transfers.empty(); }
};

void begin_asynchronous();
void end_asynchronous();
void abandon_asynchronous();
void complete_one_copy();
void end_thread_copies();
std::string asynchronous_report();
std::string barriers_report();
void end_barriers();
void complete_bytes(MBarrier& barrier, unsigned bytes);
BarrierState& state_of(const MBarrier& barrier, const char* what, Caller at);

/// Where it lies in the block's shared memory; fails where `bytes` there are not all inside.
std::uint32_t shared_offset(const void* at, std::size_t bytes, const char* what, Caller caller);
/// Fails where a thread wrote to these bytes and no proxy fence came after.
void check_known(const char* shared, std::size_t bytes, const char* what, Caller at);
std::uint32_t swizzled(std::uint32_t offset);

}  // namespace quern::inline QUERN_ABI::emulator
