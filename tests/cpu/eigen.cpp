#include <quern/cpu/eigen.hpp>

#include <doctest/doctest.h>

#include "support/expect_invalid.hpp"

using namespace test;

namespace {
using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
}  // namespace

TEST_CASE("a tensor and a view as Eigen matrices") {
  Tensor<float, 2> x = Tensor<float, 2>::of({2, 3}, {1, 2, 3, 4, 5, 6});
  auto m = cpu::eigen_map(x);
  CHECK(m.rows() == 2);
  CHECK(m.cols() == 3);
  CHECK(m(1, 0) == 4);
  m *= 2;
  CHECK(x(1, 2) == 12);
  cpu::eigen_map(x.view()).row(0).setZero();
  CHECK(x(0, 1) == 0);
  CHECK(x(1, 0) == 8);
  auto row = Tensor<float, 1>::of({3}, {1, 0, 2});
  cpu::eigen_vector(row) *= 3;
  CHECK(row(2) == 6);
  const auto& fixed = x;
  static_assert(std::is_same_v<decltype(cpu::eigen_map(fixed)), Eigen::Map<const cpu::EigenMatrix<float>>>);
  CHECK((cpu::eigen_map(fixed) * cpu::eigen_vector(row))(1) == 3 * 8 + 6 * 12);
}

TEST_CASE("a row-major Eigen matrix, array, map or vector as a tensor") {
  RowMajor m(2, 3);
  m << 1, 2, 3, 4, 5, 6;
  auto x = borrow(m);
  CHECK(x.data() == m.data());
  CHECK(x.shape() == Shape{2, 3});
  CHECK(x(1, 0) == 4);
  x(0, 2) = 30;
  CHECK(m(0, 2) == 30);

  Eigen::VectorXf v = Eigen::VectorXf::LinSpaced(4, 0, 3);
  CHECK(borrow(v).shape() == Shape{4});
  CHECK(borrow(v)(3) == 3);
  Eigen::Array<std::int32_t, 2, 2, Eigen::RowMajor> labels;
  labels << 1, 2, 3, 4;
  CHECK(borrow(labels)(1, 0) == 3);
  auto top = m.topRows(1);  // whole rows follow each other
  CHECK(borrow(top)(0, 1) == 2);

  const RowMajor& fixed = m;
  static_assert(std::is_same_v<decltype(borrow(fixed)), const Tensor<float, 2>>);
  CHECK(borrow(fixed).data() == m.data());
}

TEST_CASE("a part of a matrix whose rows do not follow each other is refused") {
  RowMajor m(3, 4);
  auto left = m.leftCols(2);
  expect_invalid([&] { (void)borrow(left); }, {"borrow: the Eigen matrix is a part of a larger one"});
  auto column = m.col(1);
  expect_invalid([&] { (void)borrow(column); }, {"borrow: the Eigen matrix is a part of a larger one"});
}
