#include <quern/tensor/print.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <vector>

using namespace quern;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

struct Part {
  Tensor<float, 2> weight;
  Tensor<double, 1> bias;
  static void visit(auto&& f, auto&... m) { f("weight", m.weight...), f("bias", m.bias...); }
};
struct Model {
  std::vector<Part> parts;
  double rate = 1;
  static void visit(auto&& f, auto&... m) { f("parts", m.parts...), f("rate", m.rate...); }
};

Tensor<float, 1> row(std::initializer_list<float> values) {
  return Tensor<float, 1>::of({std::int64_t(values.size())}, values);
}

}  // namespace

TEST_CASE("a tensor as text: shape, type, and elements in aligned columns") {
  CHECK(text_of(Tensor<float, 2>::of({2, 3}, {1.5, 2.25, -3, 0, 4, 10})) ==
        "[2, 3] float cpu\n"
        "[[ 1.5000,  2.2500, -3.0000],\n"
        " [ 0.0000,  4.0000, 10.0000]]");
  CHECK(text_of(Tensor<std::int64_t, 3>::of({2, 2, 2}, {1, -20, 3, 4, 5, 6, 7, 9007199254740993})) ==
        "[2, 2, 2] int64 cpu\n"
        "[[[               1,              -20],\n"
        "  [               3,                4]],\n"
        "\n"
        " [[               5,                6],\n"
        "  [               7, 9007199254740993]]]");
  CHECK(text_of(Tensor<double, 0>::of(Shape<0>{}, {0.25})) == "[] double cpu\n0.2500");
  CHECK(text_of(Tensor<float, 2>(0, 3)) == "[0, 3] float cpu\n[]");
  CHECK(text_of(Tensor<float, 2>(2, 0)) == "[2, 0] float cpu\n[[],\n []]");
  CHECK(text_of("x: ", row({1}).view()) == "x: [1] float cpu\n[1.]");
}

TEST_CASE("one format for all elements, after the largest and the smallest") {
  CHECK(text_of(row({1, -200, 0})) == "[3] float cpu\n[   1., -200.,    0.]");
  CHECK(text_of(row({1e-5f, 1})) == "[2] float cpu\n[1.0000e-05, 1.0000e+00]");
  CHECK(text_of(row({0.5f, 1000})) == "[2] float cpu\n[5.0000e-01, 1.0000e+03]");
  CHECK(text_of(row({2e8f})) == "[1] float cpu\n[2.0000e+08]");
  CHECK(text_of(row({std::nanf(""), infinity, -infinity, 0.5f})) == "[4] float cpu\n[   nan,    inf,   -inf, 0.5000]");
  CHECK(printed(row({0.123456f, 1}), {.precision = 2}) == "[2] float cpu\n[0.12, 1.00]");
}

TEST_CASE("a large tensor is shown in part, a long row in several lines") {
  Tensor<float, 2> x(200, 10);
  x(0, 9) = 7, x(3, 3) = 12345, x(199, 0) = -1;  // the middle one is not shown and does not widen the others
  CHECK(text_of(x) ==
        "[200, 10] float cpu\n"
        "[[ 0.,  0.,  0., …,  0.,  0.,  7.],\n"
        " [ 0.,  0.,  0., …,  0.,  0.,  0.],\n"
        " [ 0.,  0.,  0., …,  0.,  0.,  0.],\n"
        " …,\n"
        " [ 0.,  0.,  0., …,  0.,  0.,  0.],\n"
        " [ 0.,  0.,  0., …,  0.,  0.,  0.],\n"
        " [-1.,  0.,  0., …,  0.,  0.,  0.]]");
  CHECK(printed(Tensor<float, 1>(5), {.threshold = 4, .edge = 1}) == "[5] float cpu\n[0., …, 0.]");
  CHECK(printed(Tensor<float, 1>(5), {.threshold = 5, .edge = 1}) == "[5] float cpu\n[0., 0., 0., 0., 0.]");
  CHECK(printed(Tensor<float, 2>(2, 5), {.width = 10}) ==
        "[2, 5] float cpu\n[[0., 0.,\n  0., 0.,\n  0.],\n [0., 0.,\n  0., 0.,\n  0.]]");
}

TEST_CASE("the summary of a model names every tensor, and adds up") {
  Model model;
  model.parts.resize(2);
  model.parts[0] = {Tensor<float, 2>(20, 300), Tensor<double, 1>(20)};
  model.parts[1].bias = Tensor<double, 1>(2);
  name_parameters(model);
  CHECK(summary(model) ==
        "name            shape      type    elements  bytes\n"
        "parts.0.weight  [20, 300]  float       6000  24000\n"
        "parts.0.bias    [20]       double        20    160\n"
        "parts.1.weight  [0, 0]     float          0      0\n"
        "parts.1.bias    [2]        double         2     16\n"
        "total                                  6022  24176\n");
  CHECK(text_of(model.parts[1].bias) == "parts.1.bias [2] double cpu\n[0., 0.]");
}
