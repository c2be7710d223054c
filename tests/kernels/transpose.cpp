/// transpose by tiles in shared memory against one element a thread.
#include <quern/ops/transpose.hpp>

#include "support/draw.hpp"
#include "support/unaligned.hpp"

#include <doctest/doctest.h>

using namespace test;

TEST_CASE_TEMPLATE("transpose: tiles give what single elements give", T, float, bf16) {
  for (auto shape : {Shape{0, 3, 2}, Shape{2, 0, 3}, Shape{1, 1, 1}, Shape{1, 5, 1}, Shape{3, 2, 7}, Shape{2, 32, 32},
                     Shape{1, 64, 128}, Shape{2, 33, 65}, Shape{3, 66, 34}, Shape{1, 100, 1}, Shape{2, 31, 130}}) {
    INFO(text_of(shape));
    Tensor<T, 3> host(shape);
    const auto d = drawn(shape, 1);
    for (std::int64_t i = 0; i < d.size(); ++i) host.data()[i] = T(d.data()[i]);
    const auto x = on_device(host);
    const Unaligned<T, 3> odd(host);
    auto fast = Tensor<T, 3>({shape[0], shape[2], shape[1]}, test_device()), slow = fast, of_odd = fast;
    cuda::transpose<T>(x.view(), fast.view());
    cuda::transpose_slow<T>(x.view(), slow.view());
    cuda::transpose<T>(odd.tensor.view(), of_odd.view());
    CHECK(same_bits(fast, slow));
    CHECK(same_bits(of_odd, slow));
  }
}
