/// Device memory that begins in the middle of a vector, as that of a user's own array may: kernels then go element by
/// element.
///
///   Unaligned<float, 2> x(Shape{3, 5});          // x.tensor is on the device under test
#pragma once
#include "support/on_device.hpp"

namespace test {

template <class T, int Rank>
struct Unaligned {
  explicit Unaligned(Shape<Rank> shape)
      : memory(Shape<1>{shape.size() + 1}, test_device()),
        tensor(Tensor<T, Rank>::adopt(
            Storage::borrow(memory.data() + 1, std::size_t(shape.size()) * sizeof(T), test_device()), shape)) {}
  /// With the elements of another.
  explicit Unaligned(const Tensor<T, Rank>& x) : Unaligned(x.shape()) {
    copy_bytes(tensor.data(), tensor.device(), x.data(), x.device(), x.bytes());
  }

  Tensor<T, 1> memory;
  Tensor<T, Rank> tensor;
};

}  // namespace test
