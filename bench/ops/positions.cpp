/// Speed of positions, after its results have been checked: see support/op_bench.hpp. Here the first row of every text
/// is taken by embedding, and the sinusoids are added to the rows.
#include <cmath>

#include <quern/ops/add.hpp>
#include <quern/ops/embedding.hpp>
#include <quern/ops/positions.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

const auto first = [](const auto& x) { return embedding(first_rows(bench::texts_of(x.extent(0)), x.extent(0)), x); };
const auto naive_first = [](const Tensor<double, 2>& x) {
  const auto offsets = bench::texts_of(x.extent(0));
  Tensor<double, 2> y(offsets.size() - 1, x.extent(1));
  for (std::int64_t b = 0; b < y.extent(0); ++b)
    for (std::int64_t c = 0; c < y.extent(1); ++c) y(b, c) = x(offsets(b), c);
  return y;
};

/// Forward and backward read and write a row a text; backward clears the rest.
bool row_of_first(std::int64_t rows, std::int64_t columns) {
  const double bytes = 4.0 * double(columns), texts = double(bench::texts_of(rows).size() - 1);
  return bench::add_op(
      {"positions",
       text_of("first rows of ", rows, "x", columns),
       {.bytes = 2 * bytes * texts},
       {.bytes = bytes * (2 * texts + double(rows))}},
      first, naive_first, [] { return std::tuple{bench::uniform_tensor(1, 6, 5)}; },
      [=] { return std::tuple{bench::uniform_tensor(1, rows, columns)}; },
      [](const auto& x) {
        return [saved = embedding_forward(first_rows(bench::texts_of(x.extent(0)), x.extent(0)), x).saved](
                   const auto& dy) { benchmark::DoNotOptimize(embedding_backward(dy, saved)); };
      });
}

const auto places = [](const auto& x) {
  using T = typename std::remove_cvref_t<decltype(value(x))>::Element;
  return add(x, sinusoidal_positions<T>(bench::texts_of(x.extent(0)), x.extent(0), x.extent(1)));
};
const auto naive_places = [](const Tensor<double, 2>& x) {
  const auto offsets = bench::texts_of(x.extent(0));
  Tensor<double, 2> y(x.extent(0), x.extent(1));
  for (std::int64_t b = 0; b + 1 < offsets.size(); ++b)
    for (std::int64_t i = offsets(b); i < offsets(b + 1); ++i)
      for (std::int64_t c = 0; c < x.extent(1); ++c) {
        const double angle = double(i - offsets(b)) * std::pow(10000.0, -double(c / 2 * 2) / double(x.extent(1)));
        y(i, c) = x(i, c) + (c % 2 ? std::cos(angle) : std::sin(angle));
      }
  return y;
};

bool row_of_places(std::int64_t rows, std::int64_t columns) {
  const double bytes = 4.0 * double(rows * columns);
  return bench::add_op(
      {"positions", text_of("sinusoids ", rows, "x", columns), {.bytes = 4 * bytes}, {}}, places, naive_places,
      [] { return std::tuple{bench::uniform_tensor(1, 6, 5)}; },
      [=] { return std::tuple{bench::uniform_tensor(1, rows, columns)}; },
      [](const auto&) { return [](const auto& dy) { benchmark::DoNotOptimize(add_backward(dy)); }; });
}

const bool registered = row_of_first(4096, 768) && row_of_places(3200, 128);

}  // namespace
