/// dropout, four elements a block of random numbers, against one that draws for each element by itself.
#include <quern/ops/dropout.hpp>

#include "support/draw.hpp"
#include "support/unaligned.hpp"

#include <doctest/doctest.h>

using namespace test;

TEST_CASE_TEMPLATE("dropout: a thread for eight elements drops what one for each drops", T, float, bf16) {
  const Random random(11, Purpose::dropout, 5);
  for (auto shape : {Shape{0, 5}, Shape{1, 1}, Shape{1, 7}, Shape{1, 8}, Shape{3, 3}, Shape{7, 13}, Shape{5, 1024}}) {
    Tensor<T, 2> host(shape);
    const auto d = drawn(shape, 1);
    for (std::int64_t i = 0; i < d.size(); ++i) host.data()[i] = T(d.data()[i]);
    const auto x = on_device(host);
    const Unaligned<T, 2> odd(host);
    auto fast = empty_like(x), slow = empty_like(x), of_odd = empty_like(x);
    cuda::dropout<T>(x.view(), fast.view(), 0.3, random, 9);
    cuda::dropout_slow<T>(x.view(), slow.view(), 0.3, random, 9);
    cuda::dropout<T>(odd.tensor.view(), of_odd.view(), 0.3, random, 9);
    CHECK(same_bits(fast, slow));
    CHECK(same_bits(of_odd, slow));
  }
}
