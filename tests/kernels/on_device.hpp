/// Arrays on the device under test, and kernels that are one lambda: for tests of primitives, on the emulator and on a
/// GPU.
#pragma once
#include <doctest/doctest.h>

#include <quern/cuda/runtime.hpp>
#include <vector>

#include "kernels/launch.cuh"

namespace test {

using namespace quern;
using namespace quern::kernels;

/// A vector's copy on the device.
template <class T>
class OnDevice {
 public:
  explicit OnDevice(const std::vector<T>& x) : size_(x.size()) {
    data_ = static_cast<T*>(cuda::allocate(bytes() + 16, 0));
    REQUIRE(data_ != nullptr);
    if (size_) cuda::copy_to_device(data_, x.data(), bytes(), 0);
  }
  ~OnDevice() { cuda::release(data_, 0); }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

  T* data() { return data_; }
  std::vector<T> back() const {
    std::vector<T> x(size_);
    if (size_) cuda::copy_to_host(x.data(), data_, bytes(), 0);
    return x;
  }

 private:
  std::size_t bytes() const { return size_ * sizeof(T); }
  T* data_;
  std::size_t size_;
};

/// Numbers that a double-checked sum is not blind to: from -1 to 1, with all bits of a float in use.
inline std::vector<float> numbers(std::size_t n, unsigned seed) {
  std::vector<float> x(n);
  for (float& v : x) {
    seed = seed * 1664525u + 1013904223u;
    v = float(seed >> 8) / float(1 << 23) - 1;
  }
  return x;
}

inline bool has_hopper() { return cuda::devices().front().major == 9; }

}  // namespace test
