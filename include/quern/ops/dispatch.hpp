/// What every op does at its door: check devices and shapes, with one form of message, and choose the device's body.
///
///   const Device device = common_device("add", a, b);
///   require_same_shape("add", described("a", a), described("b", b));
///   QUERN_RUN(T, device, add(a.rows(), b.rows(), y.rows()));
#pragma once
#include <quern/autograd/recorded.hpp>
#include <quern/tensor/tensor.hpp>

namespace quern::inline QUERN_ABI {

/// `cuda::body(…)` where the tensors are on a GPU, else `cpu::body(…)`: the two have the same arguments. T is the
/// element type; without kernels for it the first is not compiled, and `common_device` has refused it.
#define QUERN_RUN(T, device, ...)   \
  do {                              \
    if constexpr (has_kernels<T>) { \
      if ((device).is_cuda()) {     \
        cuda::__VA_ARGS__;          \
        break;                      \
      }                             \
    }                               \
    cpu::__VA_ARGS__;               \
  } while (false)

namespace detail {
[[gnu::noinline]] inline void require_device(const char* op, Device first, Device other) {
  require(first == other, op, ": the arguments are on different devices, ", first, " and ", other,
          "; move one with to(device)");
}

[[noreturn, gnu::cold, gnu::noinline]] inline void throw_unequal(const char* op, const std::string& a,
                                                                 const std::string& b, Caller at) {
  throw_invalid(at.line ? text_of(op, ": ", a, ", ", b, "; the shapes must be equal (", at, ")")
                        : text_of(op, ": ", a, ", ", b, "; the shapes must be equal"));
}

template <class T, int Rank>
void require_kernels(const char* op, const Tensor<T, Rank>& x) {
  if constexpr (Number<T> && !has_kernels<T>)
    require(x.device().is_cpu(), op, ": there are no kernels for ", dtype_name<T>,
            "; cast<float>(…) or cast<bf16>(…), ", "or compute on the CPU");
}
}  // namespace detail

/// The device all arguments are on. Empty tensors are anywhere.
template <class First, class... Rest>
Device common_device(const char* op, const First& first, const Rest&... rest) {
  const Device device = first.device();
  (detail::require_device(op, device, rest.size() == 0 || first.size() == 0 ? device : rest.device()), ...);
  check_usable(device, op);
  detail::require_kernels(op, first);
  (detail::require_kernels(op, rest), ...);
  return device;
}

template <class T, int R, int S>
void require_same_shape(const char* op, const Described<T, R>& a, const Described<T, S>& b, Caller at = {}) {
  bool same = false;
  if constexpr (R == S) same = a.tensor.shape() == b.tensor.shape();
  if (!same) detail::throw_unequal(op, text_of(a), text_of(b), at);
}

}  // namespace quern::inline QUERN_ABI
