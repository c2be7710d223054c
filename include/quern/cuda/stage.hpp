/// Batches on their way to a GPU: copied from pinned memory by a stream of their own, while the kernels of the steps
/// before still compute.
///
///   BatchStage stage(device);
///   for (const Batch& on_host : batches(texts, 50, seed)) {
///     const Batch batch = stage(on_host);              // on the device; nobody waits
///     …
///   }
///
/// A staged batch may be used until two more have been staged.
#pragma once
#include <algorithm>
#include <cstring>

#include <quern/cuda/runtime.hpp>
#include <quern/tensor/packed.hpp>

namespace quern::inline QUERN_ABI {

namespace cuda {
/// Memory of the host that the GPU can read by itself.
void* allocate_pinned(std::size_t bytes);
void release_pinned(void* memory) noexcept;

/// A mark in the order of a stream's work.
struct Event;
Event* make_event();
void destroy_event(Event* event) noexcept;
enum class Stream { compute, copy };
void record(Event* event, Stream stream);
/// What `stream` is given from here on begins after the event.
void wait_for(Event* event, Stream stream);
/// The host waits.
void wait_for(Event* event);
/// On the copy stream; `from` is pinned and must stay as it is until an event recorded after this has passed.
void copy_beside(void* to, const void* from, std::size_t bytes);
}  // namespace cuda

class BatchStage {
 public:
  explicit BatchStage(Device device) : device_(device) {}
  BatchStage(const BatchStage&) = delete;
  BatchStage& operator=(const BatchStage&) = delete;

  /// The batch on the device. On the CPU it is the batch itself, sharing its memory.
  Batch operator()(const Batch& batch) {
    if constexpr (has_cuda) {
      if (device_.is_cuda()) return staged(batch);
    }
    return {batch.ids.share(), batch.offsets.share(), batch.labels.share(), batch.types.share()};
  }

 private:
  /// One of three batches in turn: its memory on both sides, and when they may be written again.
  struct Slot {
    Slot() = default;
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    ~Slot() {
      if constexpr (has_cuda) {
        if (!copied) return;
        try {
          cuda::wait_for(copied);
        } catch (const Error&) {}  // of a device that is lost: what was thrown there says why
        cuda::destroy_event(copied), cuda::destroy_event(used);
        if (pinned) cuda::release_pinned(pinned);
      }
    }
    cuda::Event *copied = nullptr, *used = nullptr;
    char* pinned = nullptr;
    std::size_t capacity = 0;
    Tensor<std::int64_t, 1> words;  // on the device: offsets, ids, labels, types, each beginning at a multiple of 64
  };

  static std::size_t rounded(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

  Batch staged(const Batch& batch) {
    Slot &slot = slots_[next_ % 3], &last_used = slots_[(next_ + 1) % 3];  // the batch before the one before
    if (next_ > 1) cuda::record(last_used.used, cuda::Stream::compute);  // whoever may use it has been launched by now
    ++next_;
    if (!slot.copied) slot.copied = cuda::make_event(), slot.used = cuda::make_event();
    const std::size_t sizes[] = {batch.offsets.bytes(), batch.ids.bytes(), batch.labels.bytes(), batch.types.bytes()};
    std::size_t at[5] = {};
    for (int i = 0; i < 4; ++i) at[i + 1] = at[i] + rounded(sizes[i]);
    const std::size_t bytes = at[4];
    cuda::wait_for(slot.copied);  // the host's memory is free again: three batches ago
    if (bytes > slot.capacity) grow(slot, bytes);
    const void* from[] = {batch.offsets.data(), batch.ids.data(), batch.labels.data(), batch.types.data()};
    for (int i = 0; i < 4; ++i)
      if (sizes[i]) std::memcpy(slot.pinned + at[i], from[i], sizes[i]);
    cuda::wait_for(slot.used, cuda::Stream::copy);
    cuda::copy_beside(slot.words.data(), slot.pinned, bytes);
    cuda::record(slot.copied, cuda::Stream::copy);
    cuda::wait_for(slot.copied, cuda::Stream::compute);
    char* device = reinterpret_cast<char*>(slot.words.data());
    return {over<std::int32_t>(device + at[1], batch.ids.shape()), over<std::int64_t>(device, batch.offsets.shape()),
            over<std::int32_t>(device + at[2], batch.labels.shape()),
            over<std::int32_t>(device + at[3], batch.types.shape())};
  }

  /// Fresh memory may still be read by kernels that were launched before: the copy waits for those.
  void grow(Slot& slot, std::size_t bytes) {
    slot.capacity = std::max(bytes, 2 * slot.capacity);
    if (slot.pinned) cuda::release_pinned(slot.pinned);
    slot.pinned = static_cast<char*>(cuda::allocate_pinned(slot.capacity));
    slot.words = Tensor<std::int64_t, 1>::empty({std::int64_t(slot.capacity / 8)}, device_);
    cuda::record(slot.used, cuda::Stream::compute);
  }

  template <class T>
  Tensor<T, 1> over(void* memory, Shape<1> shape) const {
    return Tensor<T, 1>::adopt(Storage::borrow(memory, std::size_t(shape.size()) * sizeof(T), device_), shape);
  }

  Device device_;
  std::size_t next_ = 0;
  Slot slots_[3];
};

}  // namespace quern::inline QUERN_ABI
