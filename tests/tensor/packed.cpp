#include <quern/tensor/packed.hpp>

#include <doctest/doctest.h>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"

using namespace test;

TEST_CASE("pack puts texts one after another") {
  const Batch batch = pack({{4, 8, 15}, {16}}, {1, 0});
  CHECK(batch.texts() == 2);
  CHECK(batch.tokens() == 4);
  CHECK(same_bits(batch.ids, Tensor<std::int32_t, 1>::of({4}, {4, 8, 15, 16})));
  CHECK(same_bits(batch.offsets, Offsets::of({3}, {0, 3, 4})));
  CHECK(same_bits(batch.labels, Tensor<std::int32_t, 1>::of({2}, {1, 0})));
  CHECK(pack({{1}}).labels.size() == 0);
  CHECK(pack({}).texts() == 0);
  CHECK(pack({}).tokens() == 0);
}

TEST_CASE("a batch of pairs says which text a token belongs to") {
  const Batch batch = pack({{4, 8, 15}, {16}}, {}, {{0, 0, 1}, {1}});
  CHECK(same_bits(batch.types, Tensor<std::int32_t, 1>::of({4}, {0, 0, 1, 1})));
  CHECK(same_bits(to(batch, Device::cpu()).types, batch.types));
  CHECK(pack({{1}}).types.size() == 0);
  expect_message(message_of<InvalidArgument>([] { (void)pack({{1}, {2}}, {}, {{0}}); }),
                 {"pack: 2 texts, but token types of 1"});
  expect_message(message_of<InvalidArgument>([] { (void)pack({{1}, {2, 3}}, {}, {{0}, {0}}); }),
                 {"pack: text 1 has 2 tokens, but 1 token types"});
}

TEST_CASE("pack refuses a text without tokens, and labels that do not fit") {
  expect_message(message_of<InvalidArgument>([] { (void)pack({{1}, {}}); }), {"pack: text 1 has no tokens"});
  expect_message(message_of<InvalidArgument>([] { (void)pack({{1}, {2}}, {1}); }), {"pack: 2 texts, but 1 labels"});
}

TEST_CASE("a copy of packed rows copies the rows and shares the offsets") {
  const Packed<float> x{Tensor<float, 2>(3, 2), Offsets::of({3}, {0, 1, 3})};
  CHECK(x.texts() == 2);
  const Packed<float> y{x.rows, x.offsets};
  CHECK(y.rows.data() != x.rows.data());
  CHECK(y.offsets.data() == x.offsets.data());
}

TEST_CASE("check_offsets takes what cuts the rows, empty texts and no texts included") {
  const Caller at = Caller::here();
  check_offsets("op", Offsets::of({4}, {0, 2, 2, 5}), 5, at);
  check_offsets("op", Offsets::of({1}, {0}), 0, at);
  auto message = [&](const Offsets& offsets) {
    return message_of<InvalidArgument>([&] { check_offsets("op", offsets, 5, at); });
  };
  expect_message(message(Offsets{}), {"op: offsets [0]", text_of(at)});
  expect_message(message(Offsets::of({2}, {0, 4})), {"op: offsets [2]", "number of rows, 5"});
  expect_message(message(Offsets::of({2}, {1, 5})), {"must begin with 0"});
  expect_message(message(Offsets::of({5}, {0, 3, 2, 4, 5})), {"op: offsets fall at text 1", text_of(at)});
  CHECK(text_of(at).starts_with("packed.cpp:"));
}
