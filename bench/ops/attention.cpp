/// Speed of attention, after its results have been checked: see support/op_bench.hpp. Beside PyTorch: bench/run.sh
/// --attention.
#include <quern/ops/attention.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

auto packed(const auto& x) { return Packed{keep(x), bench::texts_of(x.extent(0))}; }

const auto op = [](const auto& q, const auto& k, const auto& v) {
  const std::int64_t heads = std::max<std::int64_t>(1, q.extent(1) / 32);
  return attention(packed(q), packed(k), packed(v), {.heads = heads}).rows;
};

const auto naive = [](const Tensor<double, 2>& q, const Tensor<double, 2>& k, const Tensor<double, 2>& v) {
  const auto offsets = bench::texts_of(q.extent(0));
  const std::int64_t D = q.extent(1);  // one head
  auto y = Tensor<double, 2>(q.shape());
  for (std::int64_t b = 0; b + 1 < offsets.size(); ++b)
    for (std::int64_t i = offsets(b); i < offsets(b + 1); ++i) {
      std::vector<double> p;
      double sum = 0;
      for (std::int64_t j = offsets(b); j < offsets(b + 1); ++j) {
        double score = 0;
        for (std::int64_t c = 0; c < D; ++c) score += q(i, c) * k(j, c);
        p.push_back(std::exp(score / std::sqrt(double(D))));
        sum += p.back();
      }
      for (std::int64_t j = offsets(b); j < offsets(b + 1); ++j)
        for (std::int64_t c = 0; c < D; ++c) y(i, c) += p[std::size_t(j - offsets(b))] / sum * v(j, c);
    }
  return y;
};

/// Texts of 64 rows, heads of 32 columns. Two products forward, five backward.
bool row(std::int64_t rows, std::int64_t columns) {
  const double flops = 2.0 * double(rows * 64 * columns);
  const auto three = [](std::int64_t n, std::int64_t c) {
    return std::tuple{bench::uniform_tensor(1, n, c), bench::uniform_tensor(2, n, c), bench::uniform_tensor(3, n, c)};
  };
  return bench::add_op(
      {"attention", text_of(rows, "x", columns), {.flops = 2 * flops}, {.flops = 5 * flops}}, op, naive,
      [=] { return three(6, 5); }, [=] { return three(rows, columns); },
      [](const auto& q, const auto& k, const auto& v) {
        auto f = attention_forward(packed(q), packed(k), packed(v), {.heads = q.extent(1) / 32});
        return [q = q.share(), k = k.share(), v = v.share(), f = std::move(f)](const auto& dy) {
          benchmark::DoNotOptimize(attention_backward(dy, q, k, v, f.y.rows, f.saved));
        };
      });
}

const bool registered = row(2048, 384);

}  // namespace
