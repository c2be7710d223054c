/// Memory for tensors. A freed block is kept and handed out again, so a loop that has seen its longest batch asks the
/// system for nothing more. `pool_stats()` counts.
///
///   auto before = pool_stats().system_allocations;
///   …                                                  // a training step
///   check(pool_stats().system_allocations == before, "the step allocated tensor memory");
#pragma once
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <quern/tensor/device_memory.hpp>

#if defined(__SANITIZE_ADDRESS__)
#define QUERN_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define QUERN_ASAN 1
#endif
#endif
#if defined(QUERN_ASAN)
#include <sanitizer/asan_interface.h>
#endif

namespace quern::inline QUERN_ABI {

/// Which rows of a gradient matrix may be non-zero. A fresh gradient of an embedding is all zero and lists the rows it
/// was given; any other writer sets `all`. Zeroing, clipping, optimizers and sums over machines visit the listed rows.
/// On a GPU the marks stand in its memory, where kernels set and read them, and there is no list.
struct TouchedRows {
  bool all = true;
  std::vector<std::int32_t> rows;  // each once, in the order first touched
  std::vector<char> seen;          // by row
  char* marks = nullptr;           // by row, on the device; owned
  int device = 0;

  TouchedRows() = default;
  TouchedRows(const TouchedRows& o) : all(o.all || o.marks), rows(o.rows), seen(o.seen) {}
  TouchedRows& operator=(const TouchedRows&) = delete;
  ~TouchedRows() {
    if constexpr (has_cuda) {
      if (marks) cuda::release(marks, device);
    }
  }
};

/// The head of every block of tensor memory. The elements follow it, aligned to 64 bytes; or they lie on a GPU; or they
/// lie elsewhere and belong to somebody else, see Storage::borrow.
struct alignas(64) Block {
  std::atomic<int> owners = 1;
  Device device;
  std::size_t bytes = 0;     // asked for
  std::size_t capacity = 0;  // there, behind the head
  void* own = this + 1;      // the block's own memory
  void* elements = own;
  std::string name;                 // a parameter's path in its model, for messages
  TouchedRows* touched = nullptr;   // owned
  Block* next = nullptr;            // in the pool's list of free blocks of one size
  struct PoolSide* side = nullptr;  // what it is given back to

  void* data() { return elements; }
  bool borrowed() const { return elements != own; }

  /// Forgets the list of touched rows, or begins an empty one.
  void forget_rows() { delete std::exchange(touched, nullptr); }
  void begin_rows() {
    forget_rows();
    touched = new TouchedRows;
    touched->all = false;
  }
};

struct PoolStats {
  std::uint64_t system_allocations = 0;  // blocks asked of the system since the program began
  std::uint64_t requests = 0;            // blocks handed out
  std::size_t held_bytes = 0;            // in use and free
  std::size_t live_bytes = 0;            // in use
  std::size_t peak_live_bytes = 0;
};

/// The blocks of one device, or those that a recorded graph keeps to itself.
struct PoolSide {
  static constexpr std::size_t classes = 8 * 40;  // of sizes; the largest is 2^46 bytes
  Block* free[classes] = {};
  PoolStats stats;
  PoolSide* heir = nullptr;  // takes what is given back to this one
  bool of_graph = false;     // whose kernels use the blocks again after they were given back
};

/// Best fit over size classes (eight to each power of two). One lock; never called inside an op's loops.
class Pool {
 public:
  /// Lives as long as the program: tensors in static variables may be destroyed after any pool would be.
  static Pool& instance() {
    static Pool* pool = new Pool;
    return *pool;
  }

  [[gnu::noinline]] Block* take(std::size_t bytes, Device device) {
    check_usable(device, "tensor");
    const std::size_t wanted = class_of(bytes);
    std::lock_guard lock(mutex_);
    PoolSide& side = own_side_ && device.is_cuda() ? *own_side_ : of(device);
    auto& stats = side.stats;
    ++stats.requests;
    Block* block = nullptr;
    for (std::size_t c = wanted; c < classes && !block; ++c) {
      if (!side.free[c]) continue;
      block = side.free[c];
      side.free[c] = std::exchange(block->next, nullptr);
    }
    if (!block) block = from_system(wanted, device, side);
    block->owners.store(1, std::memory_order_relaxed);
    block->bytes = bytes;
    stats.live_bytes += block->capacity;
    if (stats.live_bytes > stats.peak_live_bytes) stats.peak_live_bytes = stats.live_bytes;
    guard(block, side.of_graph ? block->capacity : bytes);
    return block;
  }

  [[gnu::noinline]] void give(Block* block) {
    block->name.clear();
    block->forget_rows();
    block->elements = block->own;
    std::lock_guard lock(mutex_);
    guard(block, block->side->of_graph ? block->capacity : 0);
    block->side->stats.live_bytes -= block->capacity;
    while (block->side->heir) move(block, *block->side->heir);
    auto& list = block->side->free[class_of(block->capacity)];
    block->next = list;
    list = block;
  }

  /// Returns every free block to the system.
  void trim() {
    std::lock_guard lock(mutex_);
    for (auto& side : sides_)
      if (side) trim(*side);
  }

  PoolStats stats(Device device = {}) {
    std::lock_guard lock(mutex_);
    return of(device).stats;
  }

  /// From here on this thread's blocks on GPUs come from `side` (null: from the common ones again). Gives the side that
  /// was in use. A side lives as long as the program.
  PoolSide* use_side(PoolSide* side) { return std::exchange(own_side_, side); }
  PoolSide* make_side() {
    std::lock_guard lock(mutex_);
    graph_sides_.push_back(std::make_unique<PoolSide>());
    graph_sides_.back()->of_graph = true;
    return graph_sides_.back().get();
  }
  /// Hands the free blocks of a side, and those still in use once they are free, to the common side of `device`.
  void dissolve(PoolSide* side, Device device) {
    std::lock_guard lock(mutex_);
    side->heir = &of(device);
    for (std::size_t c = 0; c < classes; ++c)
      while (Block* block = side->free[c]) {
        side->free[c] = block->next;
        move(block, *side->heir);
        block->next = std::exchange(side->heir->free[c], block);
      }
  }

 private:
  static constexpr std::size_t smallest = 64, classes = PoolSide::classes, most_devices = 32;

  PoolSide& of(Device device) {
    auto& side = sides_[device.is_cpu() ? 0 : std::size_t(device.index) + 1];
    if (!side) side = std::make_unique<PoolSide>();
    return *side;
  }

  static void move(Block* block, PoolSide& to) {
    block->side->stats.held_bytes -= block->capacity, to.stats.held_bytes += block->capacity;
    block->side = &to;
  }

  static void trim(PoolSide& side) {
    for (auto& list : side.free)
      while (Block* block = list) {
        list = block->next;
        side.stats.held_bytes -= block->capacity;
        guard(block, block->capacity);
        if constexpr (has_cuda) {
          if (block->device.is_cuda()) cuda::release(block->own, block->device.index);
        }
        block->~Block();
        std::free(block);
      }
  }

  /// Class sizes are 8, 9, … 15 times a power of two, from 64 bytes on: at most an eighth of a block is unused.
  static std::size_t class_of(std::size_t bytes) {
    if (bytes <= smallest) return 0;
    const std::size_t units = (bytes + 7) / 8;    // ≥ 9
    const int shift = std::bit_width(units) - 4;  // units = mantissa · 2^shift, mantissa 8…15
    const std::size_t mantissa = (units + (std::size_t{1} << shift) - 1) >> shift;  // rounded up, 8…16
    return std::size_t(shift) * 8 + (mantissa - 8);
  }
  static std::size_t size_of(std::size_t c) { return ((c % 8 + 8) << (c / 8)) * 8; }

  Block* from_system(std::size_t c, Device device, PoolSide& side) {
    auto& stats = side.stats;
    const std::size_t capacity = size_of(c);
    void *memory = nullptr, *on_device = nullptr;
    bool there = c < classes && posix_memalign(&memory, 64, sizeof(Block) + (device.is_cpu() ? capacity : 0)) == 0;
    if constexpr (has_cuda) {
      if (there && device.is_cuda()) {
        on_device = cuda::allocate(capacity, device.index);
        if (!on_device) {  // what is free in other sizes is given back first
          trim(of(device));
          on_device = cuda::allocate(capacity, device.index);
        }
        there = on_device != nullptr;
      }
    }
    if (!there) {
      std::free(memory);
      throw_error(text_of("tensor: no memory for ", capacity, " bytes on ", device, " (", stats.held_bytes,
                          " bytes are held)"));
    }
    auto* block = new (memory) Block;
    if (on_device) block->elements = block->own = on_device;
    block->device = device;
    block->capacity = capacity;
    block->side = &side;
    ++stats.system_allocations;
    stats.held_bytes += capacity;
    return block;
  }

  /// Tells AddressSanitizer that only the first `bytes` of the block may be touched.
  static void guard([[maybe_unused]] Block* block, [[maybe_unused]] std::size_t bytes) {
#if defined(QUERN_ASAN)
    if constexpr (has_cuda) {
      if (block->device.is_cuda() && !cuda::is_emulated()) return;
    }
    ASAN_UNPOISON_MEMORY_REGION(block->data(), bytes);
    ASAN_POISON_MEMORY_REGION(static_cast<char*>(block->data()) + bytes, block->capacity - bytes);
#endif
  }

  std::mutex mutex_;
  std::array<std::unique_ptr<PoolSide>, most_devices + 1> sides_;  // the CPU's, then the GPUs'
  std::vector<std::unique_ptr<PoolSide>> graph_sides_;             // kept: blocks may be given back to one long after
  static inline thread_local PoolSide* own_side_ = nullptr;
};

inline PoolStats pool_stats(Device device = {}) { return Pool::instance().stats(device); }

/// Shared ownership of one block; null for no memory. Kept out of line: every op makes and drops tensors in many
/// places, and in-lining this there would double what a compiler has to optimise.
class Storage {
 public:
  Storage() = default;
  [[gnu::noinline]] Storage(std::size_t bytes, Device device) : block_(Pool::instance().take(bytes, device)) {
#if defined(QUERN_POISON)
    set_bytes(block_->data(), device, 0xff, bytes);
#endif
  }
  Storage(const Storage& other) : block_(other.block_) {
    if (block_) block_->owners.fetch_add(1, std::memory_order_relaxed);
  }
  Storage(Storage&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  Storage& operator=(Storage other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~Storage() {
    if (block_) release();
  }

  /// Memory that somebody else owns: it is used and never freed, and must live until the last Storage over it is gone.
  /// The pool gives the head alone.
  [[gnu::noinline]] static Storage borrow(void* memory, std::size_t bytes, Device device) {
    Storage storage(0, device);
    storage->elements = memory;
    storage->bytes = bytes;
    return storage;
  }

  /// Other memory with the same contents, name and list of touched rows.
  [[gnu::noinline]] Storage copy() const {
    if (!block_) return {};
    Storage other(block_->bytes, block_->device);
    copy_bytes(other.data(), device(), data(), device(), block_->bytes);
    other->name = block_->name;
    if (block_->touched) other->touched = new TouchedRows(*block_->touched);
    return other;
  }

  /// Memory on another device with the same contents and name. A copy where that is the same device.
  [[gnu::noinline]] Storage to(Device device) const {
    if (!block_) return {};
    if (device == this->device()) return copy();
    Storage other(block_->bytes, device);
    copy_bytes(other.data(), device, data(), this->device(), block_->bytes);
    other->name = block_->name;
    return other;
  }

  Device device() const { return block_ ? block_->device : Device{}; }
  explicit operator bool() const { return block_ != nullptr; }
  Block* operator->() const { return block_; }
  Block* block() const { return block_; }
  void* data() const { return block_ ? block_->data() : nullptr; }
  friend bool operator==(const Storage&, const Storage&) = default;

 private:
  [[gnu::noinline]] void release() noexcept {
    if (block_->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) Pool::instance().give(block_);
  }

  Block* block_ = nullptr;
};

}  // namespace quern::inline QUERN_ABI
