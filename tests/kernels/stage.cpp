#include <quern/cuda/stage.hpp>

#include <doctest/doctest.h>

#include <vector>

#include "support/draw.hpp"
#include "support/on_device.hpp"

using namespace test;

namespace {
/// Text lengths differ from batch to batch, and so do the numbers.
Batch batch_number(std::uint32_t n) {
  std::vector<std::vector<std::int32_t>> texts;
  std::vector<std::int32_t> labels;
  for (const auto length : drawn_lengths(1 + n % 4, 7 + 5 * n, n)) {
    const auto ids = drawn_ids(length, 1000, 100 + n);
    texts.emplace_back(ids.data(), ids.data() + ids.size());
    labels.push_back(std::int32_t(n));
  }
  Batch batch = pack(texts, labels);
  if (n % 2) batch.types = drawn_ids(batch.tokens(), 2, 200 + n);  // of pairs
  return batch;
}
void expect_same(const Batch& a, const Batch& b) {
  CHECK(same_bits(a.ids, b.ids));
  CHECK(same_bits(a.offsets, b.offsets));
  CHECK(same_bits(a.labels, b.labels));
  CHECK(same_bits(a.types, b.types));
}
}  // namespace

TEST_CASE("staged batches arrive whole, and stay until two more were staged") {
  BatchStage stage(test_device());
  std::vector<Batch> kept, on_host;
  for (std::uint32_t n = 0; n < 12; ++n) {
    on_host.push_back(batch_number(n));
    kept.push_back(stage(on_host.back()));
    CHECK(kept.back().ids.device() == test_device());
    for (std::size_t i = n < 2 ? 0 : n - 2; i <= n; ++i) expect_same(kept[i], on_host[i]);
  }
}

TEST_CASE("a batch without labels, and one of the longest kind after short ones, are staged too") {
  BatchStage stage(test_device());
  const Batch plain = pack({{1, 2, 3}}), large = batch_number(500);
  expect_same(stage(plain), plain);
  expect_same(stage(large), large);
  const auto before = pool_stats(test_device()).system_allocations;
  for (int i = 0; i < 6; ++i) expect_same(stage(plain), plain);
  for (int i = 0; i < 6; ++i) expect_same(stage(large), large);
  const auto seen = pool_stats(test_device()).system_allocations;
  for (int i = 0; i < 6; ++i) expect_same(stage(large), large);
  CHECK(pool_stats(test_device()).system_allocations == seen);
  CHECK(seen >= before);
}

TEST_CASE("on the CPU a staged batch is the batch itself") {
  BatchStage stage(Device::cpu());
  const Batch batch = batch_number(3);
  CHECK(stage(batch).ids.data() == batch.ids.data());
}
