/// Memory for tensors. A freed block is kept and handed out again, so a loop that has seen its longest batch asks the
/// system for nothing more. `pool_stats()` counts.
///
///   auto before = pool_stats().system_allocations;
///   …                                                  // a training step
///   check(pool_stats().system_allocations == before, "the step allocated tensor memory");
#pragma once
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <quern/tensor/device.hpp>

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
struct TouchedRows {
  bool all = true;
  std::vector<std::int32_t> rows;  // each once, in the order first touched
  std::vector<char> seen;          // by row
};

/// The head of every block of tensor memory. The elements follow it, aligned to 64 bytes; or they lie elsewhere and
/// belong to somebody else, see Storage::borrow.
struct alignas(64) Block {
  std::atomic<int> owners = 1;
  Device device;
  std::size_t bytes = 0;     // asked for
  std::size_t capacity = 0;  // there, behind the head
  void* elements = this + 1;
  std::string name;                // a parameter's path in its model, for messages
  TouchedRows* touched = nullptr;  // owned
  Block* next = nullptr;           // in the pool's list of free blocks of one size

  void* data() { return elements; }
  bool borrowed() const { return elements != this + 1; }

  /// Forgets the list of touched rows, or begins an empty one.
  void forget_rows() { delete std::exchange(touched, nullptr); }
  void begin_rows() {
    forget_rows();
    touched = new TouchedRows{false, {}, {}};
  }
};

struct PoolStats {
  std::uint64_t system_allocations = 0;  // blocks asked of the system since the program began
  std::uint64_t requests = 0;            // blocks handed out
  std::size_t held_bytes = 0;            // in use and free
  std::size_t live_bytes = 0;            // in use
  std::size_t peak_live_bytes = 0;
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
    ++stats_.requests;
    Block* block = nullptr;
    for (std::size_t c = wanted; c < classes && !block; ++c) {
      if (!free_[c]) continue;
      block = free_[c];
      free_[c] = std::exchange(block->next, nullptr);
    }
    if (!block) block = from_system(wanted);
    block->owners.store(1, std::memory_order_relaxed);
    block->device = device;
    block->bytes = bytes;
    stats_.live_bytes += block->capacity;
    if (stats_.live_bytes > stats_.peak_live_bytes) stats_.peak_live_bytes = stats_.live_bytes;
    guard(block, bytes);
    return block;
  }

  [[gnu::noinline]] void give(Block* block) {
    block->name.clear();
    block->forget_rows();
    block->elements = block + 1;
    std::lock_guard lock(mutex_);
    guard(block, 0);
    stats_.live_bytes -= block->capacity;
    auto& list = free_[class_of(block->capacity)];
    block->next = list;
    list = block;
  }

  /// Returns every free block to the system.
  void trim() {
    std::lock_guard lock(mutex_);
    for (auto& list : free_)
      while (Block* block = list) {
        list = block->next;
        stats_.held_bytes -= block->capacity;
        guard(block, block->capacity);
        block->~Block();
        std::free(block);
      }
  }

  PoolStats stats() {
    std::lock_guard lock(mutex_);
    return stats_;
  }

 private:
  static constexpr std::size_t smallest = 64, classes = 8 * 40;  // the largest is 2^46 bytes

  /// Class sizes are 8, 9, … 15 times a power of two, from 64 bytes on: at most an eighth of a block is unused.
  static std::size_t class_of(std::size_t bytes) {
    if (bytes <= smallest) return 0;
    const std::size_t units = (bytes + 7) / 8;    // ≥ 9
    const int shift = std::bit_width(units) - 4;  // units = mantissa · 2^shift, mantissa 8…15
    const std::size_t mantissa = (units + (std::size_t{1} << shift) - 1) >> shift;  // rounded up, 8…16
    return std::size_t(shift) * 8 + (mantissa - 8);
  }
  static std::size_t size_of(std::size_t c) { return ((c % 8 + 8) << (c / 8)) * 8; }

  Block* from_system(std::size_t c) {
    const std::size_t capacity = size_of(c);
    void* memory = nullptr;
    if (c >= classes || posix_memalign(&memory, 64, sizeof(Block) + capacity) != 0) {
      throw_error(text_of("tensor: no memory for ", capacity, " bytes (", stats_.held_bytes, " bytes are held)"));
    }
    auto* block = new (memory) Block;
    block->capacity = capacity;
    ++stats_.system_allocations;
    stats_.held_bytes += capacity;
    return block;
  }

  /// Tells AddressSanitizer that only the first `bytes` of the block may be touched.
  static void guard([[maybe_unused]] Block* block, [[maybe_unused]] std::size_t bytes) {
#if defined(QUERN_ASAN)
    ASAN_UNPOISON_MEMORY_REGION(block->data(), bytes);
    ASAN_POISON_MEMORY_REGION(static_cast<char*>(block->data()) + bytes, block->capacity - bytes);
#endif
  }

  std::mutex mutex_;
  Block* free_[classes] = {};
  PoolStats stats_;
};

inline PoolStats pool_stats() { return Pool::instance().stats(); }

/// Shared ownership of one block; null for no memory. Kept out of line: every op makes and drops tensors in many
/// places, and in-lining this there would double what a compiler has to optimise.
class Storage {
 public:
  Storage() = default;
  [[gnu::noinline]] Storage(std::size_t bytes, Device device) : block_(Pool::instance().take(bytes, device)) {
#if defined(QUERN_POISON)
    std::memset(block_->data(), 0xff, bytes);
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
    std::memcpy(other.data(), data(), block_->bytes);
    other->name = block_->name;
    if (block_->touched) other->touched = new TouchedRows(*block_->touched);
    return other;
  }

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
