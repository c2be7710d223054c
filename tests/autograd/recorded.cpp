#include <quern/autograd/recorded.hpp>
#include <quern/cpu/eigen.hpp>

#include <doctest/doctest.h>

#include <quern/autograd/tape.hpp>

#include "support/draw.hpp"

using namespace test;

static_assert(is_recorded<Tensor<Recorded<float>, 2>>);
static_assert(!is_recorded<Tensor<float, 2>>);
static_assert(AnyRecorded<Tensor<float, 1>, Tensor<Recorded<float>, 2>>);
static_assert(!AnyRecorded<Tensor<float, 1>, Tensor<double, 2>>);

TEST_CASE("a recorded tensor is a place: copies alias, and outlive the first") {
  const auto x = drawn(Shape{2, 3}, 1);
  Tensor<double, 2> dx(2, 3);
  Tape tape;
  Tensor<Recorded<double>, 2> copy;
  CHECK(copy.size() == 0);
  CHECK(copy.slot() == -1);
  CHECK_FALSE(wants_gradient(copy));
  {
    const auto r = tape.watch(x, dx);
    copy = r;
    CHECK(copy.slot() == r.slot());
  }
  CHECK(copy.tape() == &tape);
  CHECK(wants_gradient(copy));
  CHECK(copy.value().data() == x.data());
  CHECK(value(copy).data() == x.data());
  CHECK(value(x).data() == x.data());
  CHECK(keep(x).data() == x.data());
  CHECK(keep(copy).value().data() == x.data());
  CHECK_FALSE(wants_gradient(x));
  CHECK(copy.shape() == x.shape());
  CHECK(copy.extent(1) == 3);
  CHECK(copy.size() == 6);
  CHECK(copy.device() == Device::cpu());
}
