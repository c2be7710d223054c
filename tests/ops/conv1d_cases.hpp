/// Inputs, shapes, the naive formula and the errors that conv1d and its fused form share.
///
///   const Convolution c{{3, 1, 7}, 17, 9, 4};       // lengths of the texts, columns, filters, width
///   c.inputs(); c.windows(c.inputs());              // [Σ (length + width - 1), filters]
#pragma once
#include <quern/ops/conv1d.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/expect_op.hpp"

using namespace test;

template <class T>
struct ConvInputs {
  Tensor<T, 2> x;
  Tensor<T, 3> weight;
  Tensor<T, 1> bias;
  static void visit(auto&& f, auto&... m) { f("x", m.x...), f("weight", m.weight...), f("bias", m.bias...); }
};

/// The inputs in T, on the device under test; double has no kernels and stays on the CPU.
template <class T>
auto under_test(const auto& inputs) {
  return to(cast<T>(inputs), std::is_same_v<T, double> ? Device::cpu() : test_device());
}
template <class T>
Tensor<T, 2> gradient(Shape<2> shape, const std::vector<double>& weights, Device device) {
  auto dy = Tensor<T, 2>::empty(shape);
  for (std::int64_t i = 0; i < dy.size(); ++i) dy.data()[i] = T(weights[std::size_t(i)]);
  return dy.to(device);
}

struct Convolution {
  std::vector<std::int64_t> lengths;
  std::int64_t columns, filters, width;
  bool bias = true;

  ConvInputs<double> inputs() const {
    return {drawn(Shape{sum_of(lengths), columns}, 1), drawn(Shape{filters, columns, width}, 2),
            drawn_bias(bias ? filters : 0, 3)};
  }
  std::int64_t terms() const { return columns * width; }
  std::int64_t backward_terms() const {
    return std::max(sum_of(lengths) + std::int64_t(lengths.size()) * (width - 1), filters * width);
  }

  /// z(t, f) = b(f) + Σ_{w,e} x(t - (width-1) + w, e) weight(f, e, w), text by text.
  std::vector<double> windows(const ConvInputs<double>& in) const {
    std::vector<double> z;
    std::int64_t first = 0;
    for (auto rows : lengths) {
      for (std::int64_t t = 0; t < rows + width - 1; ++t)
        for (std::int64_t f = 0; f < filters; ++f) z.push_back(window(in, first, rows, t, f));
      first += rows;
    }
    return z;
  }

 private:
  double window(const ConvInputs<double>& in, std::int64_t first, std::int64_t rows, std::int64_t t,
                std::int64_t f) const {
    double sum = bias ? in.bias(f) : 0;
    for (std::int64_t w = 0; w < width; ++w) {
      const std::int64_t row = t - (width - 1) + w;
      if (row < 0 || row >= rows) continue;
      for (std::int64_t e = 0; e < columns; ++e) sum += in.x(first + row, e) * in.weight(f, e, w);
    }
    return sum;
  }
};

inline const std::vector<Convolution> small_convolutions = {
    {{}, 3, 2, 3},        {{1}, 1, 1, 1},        {{1}, 1, 1, 4},     {{1, 1, 1}, 3, 2, 3},     {{4}, 3, 2, 2, false},
    {{3, 1, 7}, 2, 9, 1}, {{3, 1, 7}, 17, 9, 4}, {{2, 5}, 5, 33, 2}, {{6, 1}, 1, 3, 5, false},
};

/// What both ops refuse; `call(x, weight, bias, at)` runs the op, plain or recorded.
void expect_conv_errors(const std::string& name, auto&& call) {
  const auto offsets = offsets_of({2, 3});
  ConvInputs<float> in{Tensor<float, 2>(5, 3), Tensor<float, 3>(2, 3, 4), Tensor<float, 1>(2)};
  name_parameters(in);
  const auto at = Caller::here();
  auto message = [&](const auto& x, const auto& weight, const auto& bias) {
    return message_of<InvalidArgument>([&] { call(x, weight, bias, at); });
  };
  const Packed<float> x{in.x, offsets}, narrow{Tensor<float, 2>(5, 2), offsets};
  const std::string place = "(" + text_of(at) + ")";
  expect_message(message(narrow, in.weight, in.bias),
                 {name + ": ", "weight (weight) is [2, 3, 4] float", "x is [5, 2] float", "3 columns", place});
  expect_message(message(x, in.weight, Tensor<float, 1>(3)), {name + ": ", "bias is [3] float", "expected 2", place});
  expect_message(message(x, Tensor<float, 3>(2, 3, 0), in.bias), {name + ": ", "[2, 3, 0]", "width", place});
  expect_message(message(Packed<float>{in.x, offsets_of({2, 2})}, in.weight, in.bias), {name + ": offsets [3]", place});
  Tape tape;
  auto grads = zeros_like(in);
  const auto r = tape.watch(in, grads);
  expect_message(message(narrow, r.weight, r.bias), {name + ": ", "weight (weight) is [2, 3, 4] float", place});
  expect_message(message(Packed{r.x, offsets_of({2, 2})}, in.weight, in.bias), {name + ": offsets [3]", place});
}
