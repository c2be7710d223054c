/// Speed of concat, after its results have been checked: see support/op_bench.hpp.
#include <quern/ops/concat.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

const auto op = [](const auto&... x) {
  std::vector<std::common_type_t<std::remove_cvref_t<decltype(x)>...>> parts;
  (parts.push_back(keep(x)), ...);
  return concat(parts);
};

const auto naive = [](const Tensor<double, 2>& a, const Tensor<double, 2>& b, const Tensor<double, 2>& c) {
  const std::int64_t first = a.extent(1), second = first + b.extent(1);
  Tensor<double, 2> y(a.extent(0), second + c.extent(1));
  for (std::int64_t r = 0; r < y.extent(0); ++r)
    for (std::int64_t i = 0; i < y.extent(1); ++i)
      y(r, i) = i < first ? a(r, i) : i < second ? b(r, i - first) : c(r, i - second);
  return y;
};

/// Three parts of `columns` each, read and written.
bool row(std::int64_t rows, std::int64_t columns) {
  const double bytes = 2 * 4.0 * double(rows * columns * 3);
  auto three = [](std::int64_t r, std::int64_t a, std::int64_t b, std::int64_t c) {
    return std::tuple{bench::uniform_tensor(1, r, a), bench::uniform_tensor(2, r, b), bench::uniform_tensor(3, r, c)};
  };
  return bench::add_op(
      {"concat", text_of(rows, "x3x", columns), {.bytes = bytes}, {.bytes = bytes}}, op, naive,
      [=] { return three(3, 2, 1, 4); }, [=] { return three(rows, columns, columns, columns); },
      [](const auto& a, const auto& b, const auto& c) {
        ConcatSaved saved{{a.extent(1), b.extent(1), c.extent(1)}};
        return [saved](const auto& dy) { benchmark::DoNotOptimize(concat_backward(dy, saved)); };
      });
}

const bool registered = row(50, 100) && row(4096, 256);  // the features of 50 texts; wide rows

}  // namespace
