#include <quern/tensor/tensor.hpp>

#include <doctest/doctest.h>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"

using namespace test;

TEST_CASE("a tensor has its extents, zeros, and elements in row-major order") {
  Tensor<float, 3> x(2, 3, 4);
  CHECK(x.shape() == Shape{2, 3, 4});
  CHECK(x.extent(1) == 3);
  CHECK(x.size() == 24);
  CHECK(x.bytes() == 96);
  CHECK(x.device() == Device::cpu());
  CHECK(std::uintptr_t(x.data()) % 64 == 0);
  for (auto v : x.span()) CHECK(v == 0);
  x(1, 2, 3) = 5;
  CHECK(x.data()[23] == 5);
  CHECK(x.view()(1, 2, 3) == 5);
  CHECK(x.rows().extent(0) == 6);
  CHECK(x.rows().extent(1) == 4);
  CHECK(x.rows()(5, 3) == 5);
  CHECK(x.rows().row(5)[3] == 5);
  x.fill(7);
  for (auto v : x.span()) CHECK(v == 7);
}

TEST_CASE("memory that is used again is zeroed") {
  for (int i = 0; i < 3; ++i) {
    Tensor<double, 2> x(10, 10);
    for (auto v : x.span()) CHECK(v == 0);
    x.fill(3);
  }
}

TEST_CASE("an empty tensor has no memory; one with a zero extent has no elements") {
  const Tensor<float, 2> none;
  CHECK(none.size() == 0);
  CHECK(none.shape() == Shape{0, 0});
  CHECK(none.data() == nullptr);
  CHECK_FALSE(bool(none.storage()));
  CHECK(Tensor<float, 2>(none).size() == 0);
  CHECK(none.share().size() == 0);
  const Tensor<float, 2> flat(3, 0);
  CHECK(flat.size() == 0);
  CHECK(flat.shape() == Shape{3, 0});
  CHECK(same_bits(flat, Tensor<float, 2>(flat)));
  CHECK_FALSE(same_bits(flat, none));
}

TEST_CASE("rank 0 is one element") {
  const auto x = Tensor<float, 0>::of(Shape<0>{}, {3});
  CHECK(x.size() == 1);
  CHECK(x.item() == 3);
  CHECK(x.rows().size() == 1);
  CHECK(Tensor<float, 0>{}.size() == 0);
}

TEST_CASE("a copy copies, a move moves, share aliases") {
  Tensor<float, 2> x(2, 3);
  x(0, 0) = 1;
  x.storage()->name = "x";
  auto copy = x;
  CHECK(copy.data() != x.data());
  CHECK(same_bits(copy, x));
  CHECK(std::string(copy.name()) == "x");
  copy(0, 0) = 2;
  CHECK(x(0, 0) == 1);
  CHECK_FALSE(same_bits(copy, x));

  auto alias = x.share();
  CHECK(alias.data() == x.data());
  CHECK(x.storage()->owners == 2);
  alias(0, 0) = 4;
  CHECK(x(0, 0) == 4);
  auto row = x.share(Shape{6});
  CHECK(row(3) == x(1, 0));
  CHECK(x.storage()->owners == 3);

  const auto* memory = x.data();
  const auto moved = std::move(x);
  CHECK(moved.data() == memory);
  CHECK(x.size() == 0);
  CHECK(x.shape() == Shape{0, 0});
  CHECK(moved.storage()->owners == 3);

  Tensor<float, 2> assigned(9, 9);
  assigned = moved;
  CHECK(assigned.data() != memory);
  CHECK(same_bits(assigned, moved));
  assigned = moved.share();
  CHECK(assigned.data() == memory);
  assigned = *&assigned;
  CHECK(same_bits(assigned, moved));
}

TEST_CASE("a copy knows the rows its original knew to be touched") {
  Tensor<float, 2> x(2, 3);
  x.storage()->begin_rows();
  x.storage()->touched->rows = {1};
  const auto copy = x;
  REQUIRE(bool(copy.storage()->touched));
  CHECK(copy.storage()->touched != x.storage()->touched);
  CHECK(copy.storage()->touched->rows == std::vector<std::int32_t>{1});
}

TEST_CASE("same_bits sees the sign of zero and every other bit") {
  const auto zero = Tensor<float, 1>::of({1}, {0.0f}), minus = Tensor<float, 1>::of({1}, {-0.0f});
  CHECK(zero(0) == minus(0));
  CHECK_FALSE(same_bits(zero, minus));
  CHECK_FALSE(same_bits(Tensor<float, 2>(2, 3), Tensor<float, 2>(3, 2)));
}

TEST_CASE("tensors refuse what does not fit") {
  auto message = [](auto&& f) { return message_of<InvalidArgument>(f); };
  expect_message(message([] { Tensor<float, 2>(3, -1); }), {"tensor: an extent is negative: [3, -1]"});
  expect_message(message([] {
                   (void)Tensor<float, 2>::of({2, 2}, {1, 2, 3});
                 }),
                 {"tensor: shape [2, 2] wants 4 values, got 3"});
  expect_message(message([] {
                   (void)Tensor<float, 2>(2, 3).share(Shape{4, 2});
                 }),
                 {"share: [4, 2] has 8 elements, the tensor [2, 3] has 6"});
  expect_message(message([] { (void)Tensor<float, 2>(2, 3).item(); }), {"item: expected one element", "[2, 3]"});
  expect_message(message([] { (void)Tensor<double, 1>::adopt(Tensor<float, 1>(3).storage(), {3}); }),
                 {"tensor: [3] does not fit into 12 bytes"});
}

TEST_CASE("a device this program has no part for is refused, never replaced by the CPU") {
#if !defined(QUERN_CUDA)
  expect_message(message_of<Error>([] { Tensor<float, 1>({3}, Device::cuda(1)); }), {"cuda:1", "quern::cuda"});
#endif
  CHECK(text_of(Device::cpu()) == "cpu");
  CHECK(Device::cuda(0) != Device::cuda(1));
}

TEST_CASE("described names the role, the parameter, the shape, the type and the device") {
  Tensor<double, 2> x(2, 3);
  CHECK(text_of(described("weight", x)) == "weight is [2, 3] double cpu");
  x.storage()->name = "out.weight";
  CHECK(text_of(described("weight", x)) == "weight (out.weight) is [2, 3] double cpu");
  CHECK(text_of(described("ids", Tensor<std::int32_t, 1>(4))) == "ids is [4] int32 cpu");
  CHECK(text_of(described("offsets", Offsets(4))) == "offsets is [4] int64 cpu");
}

TEST_CASE("shapes and views") {
  constexpr Shape s{3, 4};
  static_assert(s.size() == 12 && s.last() == 4 && s[0] == 3);
  static_assert(Shape<0>{}.size() == 1);
  CHECK(text_of(s, Shape<0>{}) == "[3, 4][]");
  CHECK(Shape{3, 4} != Shape{4, 3});
  float data[6] = {0, 1, 2, 3, 4, 5};
  const View<float, 2> v{data, {2, 3}};
  const View<const float, 2> c = v;
  CHECK(c(1, 2) == 5);
  CHECK(c.row(1) == data + 3);
  CHECK(c.size() == 6);
  CHECK(c.extent(1) == 3);
  const View<float, 0> scalar{data, {}};
  CHECK(scalar.size() == 1);
  CHECK(scalar() == 0);
}

TEST_CASE("extents whose product is too large are refused, not wrapped") {
  const std::int64_t huge = std::int64_t{1} << 33;
  CHECK_THROWS_WITH_AS((Tensor<float, 2>(huge, huge)), "shape: the product of the extents is above 2^56",
                       InvalidArgument);
  CHECK_THROWS_AS((Tensor<float, 3>(huge, std::int64_t{1} << 20, 16)), InvalidArgument);
}
