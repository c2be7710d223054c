/// Speed of conv1d_relu_max_over_time, after its results have been checked: see support/op_bench.hpp.
#include <quern/ops/conv1d_relu_max_over_time.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

const auto op = [](const auto& x, const auto& weight, const auto& bias) {
  return conv1d_relu_max_over_time(Packed{keep(x), bench::texts_of(x.extent(0))}, weight, bias);
};

const auto naive = [](const Tensor<double, 2>& x, const Tensor<double, 3>& weight, const Tensor<double, 1>& bias) {
  const auto offsets = bench::texts_of(x.extent(0));
  const std::int64_t width = weight.extent(2);
  Tensor<double, 2> y(offsets.size() - 1, weight.extent(0));  // relu: no value is below 0
  for (std::int64_t b = 0; b < y.extent(0); ++b)
    for (std::int64_t f = 0; f < y.extent(1); ++f)
      for (std::int64_t t = offsets(b) - (width - 1); t < offsets(b + 1); ++t) {
        double z = bias(f);
        for (std::int64_t w = 0; w < width; ++w)
          for (std::int64_t e = 0; e < x.extent(1); ++e)
            if (t + w >= offsets(b) && t + w < offsets(b + 1)) z += x(t + w, e) * weight(f, e, w);
        y(b, f) = std::max(y(b, f), z);
      }
  return y;
};

/// 50 texts of 64 words, E 300, 100 filters. Backward visits one window for each text and filter, for dx and dweight.
bool row(std::int64_t width) {
  const double window = 2.0 * 100 * 300 * double(width) * 50;
  return bench::add_op(
      {"conv1d_relu_max_over_time",
       text_of("50x64x300*100x", width),
       {.flops = window * double(64 + width - 1)},
       {.flops = 2 * window}},
      op, naive,
      [] {
        return std::tuple{bench::uniform_tensor(1, 6, 3), bench::uniform_tensor(2, 4, 3, 3),
                          bench::uniform_tensor(3, 4)};
      },
      [=] {
        return std::tuple{bench::uniform_tensor(1, 3200, 300), bench::uniform_tensor(2, 100, 300, width),
                          bench::uniform_tensor(3, 100)};
      },
      [](const auto& x, const auto& weight, const auto& bias) {
        const Packed packed{x.share(), bench::texts_of(x.extent(0))};
        return [saved = conv1d_relu_max_over_time_forward(packed, weight, bias).saved](const auto& dy) {
          benchmark::DoNotOptimize(conv1d_relu_max_over_time_backward(dy, saved));
        };
      });
}

const bool registered = row(3) && row(4) && row(5);

}  // namespace
