/// concat: tensors side by side along the last axis.
///
///   y = [x_1, x_2, …],   dx_i = the columns of dy that x_i became
///
///   auto h = concat(parts);                                       // parts: vector of [B, C_i] → [B, Σ C_i]
///   auto h = concat(windows, [&](auto& w) { return f(w); });      // the same, of f of each element
#pragma once
#include <vector>

#include <quern/autograd/tape.hpp>
#include <quern/cpu/concat.hpp>
#include <quern/cuda/concat.hpp>
#include <quern/ops/dispatch.hpp>

namespace quern::inline QUERN_ABI {

/// The width of each part.
struct ConcatSaved {
  std::vector<std::int64_t> widths;
};
template <class T>
struct ConcatForward {
  Tensor<T, 2> y;
  ConcatSaved saved;
};

namespace detail {
/// The device of the parts that are not empty; that of the first where all are.
template <class T>
Device device_of_parts(const std::vector<Tensor<T, 2>>& parts) {
  const Tensor<T, 2>* main = &parts[0];
  for (const auto& p : parts)
    if (main->size() == 0) main = &p;
  for (const auto& p : parts) common_device("concat", *main, p);
  return main->device();
}

/// y = the parts side by side.
template <class T>
void concat_into(const std::vector<Tensor<T, 2>>& parts, Tensor<T, 2>& y) {
  if constexpr (has_kernels<T>) {
    if (y.device().is_cuda()) {
      std::vector<View<const T, 2>> views;
      for (const auto& p : parts) views.push_back(p.view());
      return cuda::concat(views, y.view());
    }
  }
  std::int64_t column = 0;
  for (const auto& p : parts) {
    cpu::copy_columns(p.view(), y.view(), column);
    column += p.extent(1);
  }
}
}  // namespace detail

template <Number T>
ConcatForward<T> concat_forward(const std::vector<Tensor<T, 2>>& parts, Caller at = Caller::here()) {
  require(!parts.empty(), "concat: no parts (", at, ")");
  ConcatSaved saved;
  std::int64_t width = 0;
  for (const auto& p : parts) {
    require(p.extent(0) == parts[0].extent(0), "concat: ", described("a part", p), ", ",
            described("the first", parts[0]), "; they must have equally many rows (", at, ")");
    saved.widths.push_back(p.extent(1));
    width += p.extent(1);
  }
  auto y = Tensor<T, 2>::empty({parts[0].extent(0), width}, detail::device_of_parts(parts));
  detail::concat_into(parts, y);
  return {std::move(y), std::move(saved)};
}

template <Number T>
Tensor<T, 2> concat(const std::vector<Tensor<T, 2>>& parts, Caller at = Caller::here()) {
  return concat_forward(parts, at).y;
}

/// dy [B, Σ C_i] → the gradient of each part.
template <Number T>
std::vector<Tensor<T, 2>> concat_backward(const Tensor<T, 2>& dy, const ConcatSaved& saved) {
  const Device device = common_device("concat_backward", dy);
  std::vector<Tensor<T, 2>> parts;
  for (auto width : saved.widths) parts.push_back(Tensor<T, 2>::empty({dy.extent(0), width}, device));
  if constexpr (has_kernels<T>) {
    if (device.is_cuda()) {
      std::vector<View<T, 2>> views;
      for (auto& p : parts) views.push_back(p.view());
      cuda::concat_backward(dy.view(), views);
      return parts;
    }
  }
  std::int64_t column = 0;
  for (auto& p : parts) {
    cpu::take_columns(dy.view(), p.view(), column);
    column += p.extent(1);
  }
  return parts;
}

template <class T>
Tensor<Recorded<T>, 2> concat(const std::vector<Tensor<Recorded<T>, 2>>& parts, Caller at = Caller::here()) {
  std::vector<Tensor<T, 2>> values;
  for (const auto& p : parts) values.push_back(p.value().share());
  auto [y, saved] = concat_forward(values, at);
  auto backward = [parts, saved = std::move(saved)](Tape& tape, const Tensor<T, 2>& dy) {
    auto gradients = concat_backward(dy, saved);
    for (std::size_t i = 0; i < parts.size(); ++i) tape.add(parts[i], std::move(gradients[i]));
  };
  return Tape::record("concat", std::move(y), std::move(backward), parts);
}

/// concat of f(element) for each element of a sequence.
template <class Sequence, class F>
requires requires(const Sequence& s, F& f) { f(*s.begin()); }
auto concat(const Sequence& sequence, F&& f, Caller at = Caller::here()) {
  std::vector<std::remove_cvref_t<decltype(f(*sequence.begin()))>> parts;
  for (const auto& element : sequence) parts.push_back(f(element));
  return concat(parts, at);
}

}  // namespace quern::inline QUERN_ABI
