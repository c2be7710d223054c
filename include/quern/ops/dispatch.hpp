/// What every op does at its door: check devices and shapes, with one form of message.
///
///   const Device device = common_device("add", a, b);
///   require_same_shape("add", described("a", a), described("b", b));
#pragma once
#include <quern/tensor/tensor.hpp>

namespace quern::inline QUERN_ABI {

/// The device all arguments are on. Empty tensors are anywhere.
template <class First, class... Rest>
Device common_device(const char* op, const First& first, const Rest&... rest) {
  const Device device = first.device();
  (require(rest.size() == 0 || first.size() == 0 || rest.device() == device, op,
           ": the arguments are on different devices, ", device, " and ", rest.device(), "; move one with to(device)"),
   ...);
  check_usable(device, op);
  return device;
}

template <class T, int R, int S>
void require_same_shape(const char* op, const Described<T, R>& a, const Described<T, S>& b, Caller at = {}) {
  bool same = false;
  if constexpr (R == S) same = a.tensor.shape() == b.tensor.shape();
  if (same) return;
  throw_invalid(at.line ? text_of(op, ": ", a, ", ", b, "; the shapes must be equal (", at, ")")
                        : text_of(op, ": ", a, ", ", b, "; the shapes must be equal"));
}

}  // namespace quern::inline QUERN_ABI
