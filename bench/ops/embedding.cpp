/// Speed of embedding, after its results have been checked: see support/op_bench.hpp.
#include <quern/ops/embedding.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

/// Ids into a table of `rows` rows, some of them twice: 3200 for a large table, 5 for a small one. Drawn once.
const Ids& ids_for(std::int64_t rows) {
  static std::map<std::int64_t, Ids> drawn;
  Ids& ids = drawn[rows];
  if (ids.size() > 0) return ids;
  ids = Ids(rows > 100 ? 3200 : 5);
  for (std::int64_t i = 0; i < ids.size(); ++i)
    ids(i) = std::int32_t(Random(3).below(std::uint64_t(rows), 0, std::uint64_t(i)));
  return ids;
}

const auto op = [](const auto& weight) { return embedding(ids_for(weight.extent(0)), weight); };

const auto naive = [](const Tensor<double, 2>& weight) {
  const auto& ids = ids_for(weight.extent(0));
  Tensor<double, 2> y(ids.size(), weight.extent(1));
  for (std::int64_t i = 0; i < ids.size(); ++i)
    for (std::int64_t e = 0; e < weight.extent(1); ++e) y(i, e) = weight(ids(i), e);
  return y;
};

/// Forward reads and writes N rows; backward reads dy and adds it to as many rows of a gradient that training keeps,
/// and clears those rows for the next step.
bool row(std::int64_t vocabulary, std::int64_t width) {
  const double bytes = 4.0 * 3200 * double(width);
  return bench::add_op(
      {"embedding", text_of("3200 of ", vocabulary, "x", width), {.bytes = 2 * bytes}, {.bytes = 4 * bytes}}, op, naive,
      [] { return std::tuple{bench::uniform_tensor(1, 4, 3)}; },
      [=] { return std::tuple{bench::uniform_tensor(1, vocabulary, width)}; },
      [](const auto& weight) {
        auto dweight = std::make_shared<Tensor<float, 2>>(weight.shape());
        dweight->storage()->begin_rows();
        return [dweight, saved = embedding_forward(ids_for(weight.extent(0)), weight).saved](const auto& dy) {
          embedding_backward_into(*dweight, dy, saved);
          zero(*dweight);
        };
      });
}

const bool registered = row(20000, 300) && row(30522, 768);  // 50 texts of 64 words; BERT's table

}  // namespace
