/// Speed of conv1d, after its results have been checked: see support/op_bench.hpp.
#include <quern/ops/conv1d.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

const auto op = [](const auto& x, const auto& weight, const auto& bias) {
  return conv1d(Packed{keep(x), bench::texts_of(x.extent(0))}, weight, bias).rows;
};

const auto naive = [](const Tensor<double, 2>& x, const Tensor<double, 3>& weight, const Tensor<double, 1>& bias) {
  const auto offsets = bench::texts_of(x.extent(0));
  const std::int64_t width = weight.extent(2), texts = offsets.size() - 1;
  Tensor<double, 2> y(x.extent(0) + texts * (width - 1), weight.extent(0));
  for (std::int64_t b = 0, row = 0; b < texts; ++b)
    for (std::int64_t t = 0; t < offsets(b + 1) - offsets(b) + width - 1; ++t, ++row)
      for (std::int64_t f = 0; f < y.extent(1); ++f) {
        y(row, f) = bias(f);
        for (std::int64_t w = 0; w < width; ++w) {
          const std::int64_t at = offsets(b) + t - (width - 1) + w;
          if (at < offsets(b) || at >= offsets(b + 1)) continue;
          for (std::int64_t e = 0; e < x.extent(1); ++e) y(row, f) += x(at, e) * weight(f, e, w);
        }
      }
  return y;
};

/// 50 texts of 64 words, E 300, 100 filters. Backward multiplies as much for dx and again for dweight.
bool row(std::int64_t width) {
  const double flops = 2.0 * 50 * double((64 + width - 1) * width * 300 * 100);
  return bench::add_op(
      {"conv1d", text_of("50x64x300*100x", width), {.flops = flops}, {.flops = 2 * flops}}, op, naive,
      [] {
        return std::tuple{bench::uniform_tensor(1, 6, 3), bench::uniform_tensor(2, 4, 3, 3),
                          bench::uniform_tensor(3, 4)};
      },
      [=] {
        return std::tuple{bench::uniform_tensor(1, 3200, 300), bench::uniform_tensor(2, 100, 300, width),
                          bench::uniform_tensor(3, 100)};
      },
      [](const auto& x, const auto& weight, const auto& bias) {
        auto offsets = bench::texts_of(x.extent(0));
        return [saved = conv1d_forward(Packed{x.share(), offsets}, weight, bias).saved,
                windows = window_offsets(offsets, weight.extent(2))](const auto& dy) {
          benchmark::DoNotOptimize(conv1d_backward(Packed{dy.share(), windows}, saved));
        };
      });
}

const bool registered = row(3) && row(4) && row(5);

}  // namespace
