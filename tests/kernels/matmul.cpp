/// Each rung of the ladder of matmul, and the chooser: against the product in double, and one against the other.
#include <quern/ops/matmul.hpp>

#include <cmath>
#include <limits>

#include "kernels/matmul_plan.hpp"
#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/on_device.hpp"

using namespace test;
using cuda::MatmulEpilogue;
using cuda::MatmulFunction;
using cuda::MatmulVariant;

namespace {

template <class T>
Tensor<T, 2> rounded_to(const Tensor<double, 2>& x) {
  auto y = Tensor<T, 2>::empty(x.shape());
  for (std::int64_t i = 0; i < x.size(); ++i) y.data()[i] = T(x.data()[i]);
  return y;
}

/// A matrix on the device that begins `shift` elements after a multiple of 256 bytes.
template <class T>
struct Shifted {
  Tensor<T, 1> memory;
  View<T, 2> view;

  Shifted(const Tensor<T, 2>& x, std::int64_t shift)
      : memory(Tensor<T, 1>::empty(Shape<1>{x.size() + shift}, test_device())) {
    view = {memory.data() + shift, {x.extent(0), x.extent(1)}};
    copy_bytes(view.data, test_device(), x.data(), Device::cpu(), x.bytes());
  }
  std::vector<double> numbers() const {
    auto host = Tensor<T, 1>::empty(Shape<1>{view.size()});
    copy_bytes(host.data(), Device::cpu(), view.data, test_device(), host.bytes());
    return {host.data(), host.data() + host.size()};
  }
};

constexpr Transpose both[] = {Transpose::no, Transpose::yes};
/// Of extents that no tile divides, that all do, of one, and of none.
const std::array<std::int64_t, 3> sizes[] = {{1, 1, 1},      {5, 7, 9},      {17, 1, 33},  {0, 3, 2},
                                             {3, 0, 2},      {3, 2, 0},      {33, 40, 24}, {64, 64, 64},
                                             {130, 70, 100}, {129, 200, 72}, {64, 8, 264}};

/// One product: its operands as stored, and what is right.
template <class T>
struct Problem {
  std::int64_t m, n, k;
  Transpose ta, tb;
  Tensor<T, 2> a, b, bias, residual;

  Problem(std::int64_t m, std::int64_t n, std::int64_t k, Transpose ta, Transpose tb)
      : m(m),
        n(n),
        k(k),
        ta(ta),
        tb(tb),
        a(rounded_to<T>(drawn(ta == Transpose::no ? Shape{m, k} : Shape{k, m}, 1))),
        b(rounded_to<T>(drawn(tb == Transpose::no ? Shape{k, n} : Shape{n, k}, 2))),
        bias(rounded_to<T>(drawn(Shape{std::int64_t{1}, n}, 3))),
        residual(rounded_to<T>(drawn(Shape{m, n}, 4))) {}

  double sum(std::int64_t i, std::int64_t j) const {
    double sum = 0;
    for (std::int64_t l = 0; l < k; ++l)
      sum += double(ta == Transpose::no ? a(i, l) : a(l, i)) * double(tb == Transpose::no ? b(l, j) : b(j, l));
    return sum;
  }
  /// Computed by `variant` from operands that are shifted by so many elements.
  std::vector<double> run(MatmulVariant variant, bool with_epilogue, MatmulFunction function, int parts,
                          std::int64_t shift, cuda::MatmulTile tile = {}) const {
    const Shifted<T> da(a, shift), db(b, shift), dbias(bias, shift), dresidual(residual, shift);
    const Shifted<T> y(Tensor<T, 2>(m, n), shift);
    MatmulEpilogue<T> epilogue{.function = function};
    if (with_epilogue) epilogue.bias = dbias.view.data, epilogue.residual = dresidual.view.data;
    (void)cuda::matmul_variant<T>(variant, da.view, ta, db.view, tb, y.view, epilogue, parts, tile);
    return y.numbers();
  }
  void expect(MatmulVariant variant, bool with_epilogue = false, MatmulFunction function = MatmulFunction::none,
              int parts = 0, std::int64_t shift = 0, cuda::MatmulTile tile = {}) const {
    INFO(int(variant), " ", m, " ", n, " ", k, " ", int(ta), " ", int(tb), " parts ", parts, " shift ", shift);
    const auto y = run(variant, with_epilogue, function, parts, shift, tile);
    const double unit = variant == MatmulVariant::tf32 ? 0x1p-10 : 0x1p-23,
                 rounding = sizeof(T) == 2 ? 0x1p-8 : 0x1p-23;
    double worst = 0;
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < n; ++j) {
        double z = sum(i, j) + (with_epilogue ? double(bias(0, j)) : 0);
        if (function == MatmulFunction::relu) z = std::max(z, 0.0);
        if (function == MatmulFunction::gelu) z *= 0.5 * std::erfc(-z * std::sqrt(0.5));
        if (with_epilogue) z += double(residual(i, j));
        const double bound = 8 * unit * std::sqrt(double(k + 4)) + rounding * (std::abs(z) + 0.01);
        worst = std::max(worst, std::abs(y[std::size_t(i * n + j)] - z) / bound);
        if (y[std::size_t(i * n + j)] != y[std::size_t(i * n + j)]) worst = INFINITY;
      }
    CHECK(worst <= 1);
  }
};

template <class T>
std::vector<MatmulVariant> rungs() {
  using V = MatmulVariant;
  if constexpr (std::is_same_v<T, float>) return {V::naive, V::tiled, V::register_blocked};
  return {V::naive, V::tiled, V::tensor_cores};
}

}  // namespace

TEST_CASE_TEMPLATE("every rung computes every product, whatever is transposed and wherever it lies", T, float, bf16) {
  for (auto ta : both)
    for (auto tb : both)
      for (auto [m, n, k] : sizes) {
        const Problem<T> p(m, n, k, ta, tb);
        for (auto v : rungs<T>())
          for (std::int64_t shift : {0, 1}) p.expect(v, false, MatmulFunction::none, 0, shift);
        p.expect(rungs<T>().back(), true, MatmulFunction::relu);
        p.expect(rungs<T>().back(), true, MatmulFunction::gelu, 0, 1);
      }
}

TEST_CASE_TEMPLATE("the pipelined rungs, where rows are whole 8 or 16 bytes", T, float, bf16) {
  constexpr auto variant = std::is_same_v<T, float> ? MatmulVariant::tf32 : MatmulVariant::pipelined;
  for (auto ta : both)
    for (auto tb : both) {
      for (auto [m, n, k] :
           {std::array<std::int64_t, 3>{8, 8, 8}, {64, 64, 64}, {136, 72, 104}, {200, 264, 40}, {8, 8, 264}})
        for (std::int64_t shift : {0, 8})
          Problem<T>(m, n, k, ta, tb).expect(variant, true, MatmulFunction::relu, 0, shift);
      for (auto [m, n, k] : {std::array<std::int64_t, 3>{4, 12, 20}, {132, 76, 100}}) {
        const Problem<T> p(m, n, k, ta, tb);
        for (std::int64_t shift : {0, 4}) p.expect(variant, true, MatmulFunction::none, 0, shift);
        p.expect(variant, false, MatmulFunction::gelu);
      }
    }
}

TEST_CASE("every tile there is") {
  const auto expect = [](const auto& p, MatmulVariant v, std::initializer_list<cuda::MatmulTile> tiles) {
    for (auto tile : tiles) {
      INFO(tile.rows, " x ", tile.columns);
      p.expect(v, true, MatmulFunction::relu, 1, 0, tile);
    }
  };
  for (auto ta : both)
    for (auto tb : both) {
      expect(Problem<float>(260, 200, 36, ta, tb), MatmulVariant::register_blocked, {{128, 128}, {64, 64}});
      expect(Problem<float>(200, 260, 36, ta, tb), MatmulVariant::tf32, {{128, 128}, {64, 64}});
      const Problem<bf16> p(264, 200, 168, ta, tb);
      expect(p, MatmulVariant::pipelined, {{128, 128}, {64, 64}});
      if (ta == Transpose::no || tb == Transpose::no)
        expect(p, MatmulVariant::pipelined, {{128, 192}, {192, 96}, {128, 96}});
    }
  expect(Problem<bf16>(300, 264, 392, Transpose::no, Transpose::yes), MatmulVariant::hopper,
         {{128, 128}, {128, 192}, {128, 256}, {128, 96}});
}

TEST_CASE("hopper: K along the lines of both operands, whole and in parts") {
  for (auto [m, n, k] :
       {std::array<std::int64_t, 3>{8, 8, 8}, {1, 3, 72}, {130, 100, 64}, {300, 400, 136}, {64, 256, 392}}) {
    const Problem<bf16> p(m, n, k, Transpose::no, Transpose::yes);
    p.expect(MatmulVariant::hopper);
    p.expect(MatmulVariant::hopper, true, MatmulFunction::gelu, 0, 8);
    for (int parts : {1, 2, 3}) p.expect(MatmulVariant::hopper, true, MatmulFunction::relu, parts);
  }
  Problem<bf16>(0, 5, 8, Transpose::no, Transpose::yes).expect(MatmulVariant::hopper);
}

TEST_CASE("naive, tiled and register_blocked add in the order of K: they have the same bits") {
  for (auto [m, n, k] : sizes) {
    const Problem<float> p(m, n, k, Transpose::no, Transpose::yes);
    const auto naive = p.run(MatmulVariant::naive, true, MatmulFunction::relu, 1, 0);
    CHECK(p.run(MatmulVariant::tiled, true, MatmulFunction::relu, 1, 0) == naive);
    CHECK(p.run(MatmulVariant::register_blocked, true, MatmulFunction::relu, 1, 0) == naive);
    CHECK(p.run(MatmulVariant::register_blocked, true, MatmulFunction::relu, 1, 1) == naive);
  }
}

TEST_CASE("tensor_cores and pipelined have the same bits, however their operands lie") {
  for (auto ta : both) {
    const Problem<bf16> p(136, 72, 104, ta, Transpose::yes);
    const auto simple = p.run(MatmulVariant::tensor_cores, true, MatmulFunction::relu, 1, 1);
    CHECK(p.run(MatmulVariant::pipelined, true, MatmulFunction::relu, 1, 0) == simple);
  }
}

TEST_CASE_TEMPLATE("a product whose K is cut into parts", T, float, bf16) {
  const auto variant = std::is_same_v<T, float> ? MatmulVariant::register_blocked : MatmulVariant::pipelined;
  for (auto [m, n, k] : {std::array<std::int64_t, 3>{24, 40, 600}, {72, 8, 96}, {16, 16, 8}})
    for (int parts : {1, 2, 3, 7}) {
      const Problem<T> p(m, n, k, Transpose::yes, Transpose::no);
      p.expect(variant, true, MatmulFunction::relu, parts);
      CHECK(p.run(variant, true, MatmulFunction::relu, parts, 0) ==
            p.run(variant, true, MatmulFunction::relu, parts, 0));
    }
  Problem<T>(9, 7, 300, Transpose::no, Transpose::no).expect(rungs<T>().back(), true, MatmulFunction::none, 4);
}

TEST_CASE_TEMPLATE("NaN and infinity stay in their rows and columns, and relu keeps NaN", T, float, bf16) {
  Problem<T> p(70, 33, 40, Transpose::no, Transpose::no);
  p.a(3, 5) = T(std::numeric_limits<float>::quiet_NaN());
  p.b(7, 2) = T(std::numeric_limits<float>::infinity());
  for (auto v : rungs<T>()) {
    const auto y = p.run(v, false, MatmulFunction::relu, 1, 0);
    for (std::int64_t i = 0; i < p.m; ++i)
      for (std::int64_t j = 0; j < p.n; ++j) {
        const double z = y[std::size_t(i * p.n + j)];
        if (i == 3) {
          CHECK(std::isnan(z));
        } else {
          CHECK((j == 2 ? std::isinf(z) || z == 0 : std::isfinite(z)));
        }
      }
  }
}

TEST_CASE("the choice of a kernel says why") {
  const auto choice = [](const auto& p, MatmulVariant v) {
    using T = std::remove_cvref_t<decltype(p.a(0, 0))>;
    const Shifted<T> a(p.a, 0), b(p.b, 0), y(Tensor<T, 2>(p.m, p.n), 0);
    return cuda::matmul_variant<T>(v, a.view, p.ta, b.view, p.tb, y.view).text();
  };
  const Problem<float> exact(20, 8, 12, Transpose::no, Transpose::no), odd(20, 8, 13, Transpose::no, Transpose::no);
  CHECK(choice(exact, MatmulVariant::register_blocked) ==
        "register_blocked, tiles of 64 x 64, K in 1 part: products of floats are exact");
  CHECK(choice(exact, MatmulVariant::tf32).starts_with("tf32, tiles of 64 x 64"));
  const auto refusal = [&](const auto& p, MatmulVariant v) {
    return message_of<InvalidArgument>([&] { (void)choice(p, v); });
  };
  expect_message(refusal(odd, MatmulVariant::tf32),
                 {"matmul_variant: tf32 cannot compute this product", "no multiple of 16 bytes"});
  expect_message(refusal(exact, MatmulVariant::pipelined), {"matmul_variant: pipelined is for bf16"});
  const Problem<bf16> narrow(9, 8, 13, Transpose::no, Transpose::no);
  CHECK(choice(narrow, MatmulVariant::tensor_cores).starts_with("tensor_cores, tiles of 64 x 64"));
  const Problem<bf16> turned(16, 16, 16, Transpose::yes, Transpose::no);
  expect_message(refusal(turned, MatmulVariant::hopper), {"matmul_variant: hopper cannot compute this product"});
  expect_message(refusal(narrow, MatmulVariant::pipelined),
                 {"matmul_variant: pipelined cannot compute this product", "no multiple of 8 bytes"});
}

TEST_CASE("floats are exact until tf32 is allowed by name") {
  const auto a = on_device(rounded_to<float>(drawn(Shape{40, 64}, 1)));
  const auto b = on_device(rounded_to<float>(drawn(Shape{64, 24}, 2)));
  const auto exact = matmul(a, b);
  cuda::use_float_products(cuda::FloatProducts::tf32);
  const auto rounded = matmul(a, b);
  cuda::use_float_products(cuda::FloatProducts::exact);
  CHECK(!same_bits(exact, rounded));
  CHECK(same_bits(exact, matmul(a, b)));
}

TEST_CASE("the chooser keeps the waves of BERT's products full") {
  using kernels::plan_matmul;
  const kernels::TileOption tiles[] = {
      {128, 128, 1.7}, {128, 192, 1.75}, {192, 96, 1.6}, {128, 96, 1.5}, {64, 64, 1.0}};
  struct Row {
    std::int64_t m, n, k;
    double least;
  };
  for (const Row& row :
       {Row{4096, 768, 768, 0.9}, Row{4096, 2304, 768, 0.9}, Row{768, 768, 4096, 0.8}, Row{3072, 768, 4096, 0.9},
        Row{3072, 1024, 4096, 0.9}, Row{4096, 384, 384, 0.8}, Row{384, 384, 4096, 0.6}, Row{16384, 768, 768, 0.9}}) {
    const auto plan = plan_matmul(row.m, row.n, row.k, tiles, 132, {});
    INFO(row.m, " ", row.n, " ", row.k, ": tile ", plan.option, ", parts ", plan.parts, ", ", plan.efficiency);
    CHECK(plan.efficiency >= row.least);
    CHECK(plan.parts * plan.depth_of_part >= row.k);
    CHECK((plan.parts - 1) * plan.depth_of_part < row.k);
  }
  CHECK(plan_matmul(384, 384, 4096, tiles, 132, {}).parts > 1);
  CHECK(plan_matmul(384, 384, 4096, tiles, 132, {.parts = 1}).parts == 1);
  CHECK(plan_matmul(4096, 4096, 64, tiles, 132, {}).parts == 1);
  CHECK(plan_matmul(5, 7, 0, tiles, 132, {}).parts == 1);
}

TEST_CASE("the chooser leaves out tiles that the GPU has no shared memory for") {
  const kernels::TileOption tiles[] = {{128, 192, 1.75, 100 << 10}, {64, 64, 1.0, 40 << 10}};
  const auto option = [&](std::size_t shared) {
    return kernels::plan_matmul(4096, 2304, 768, tiles, 80, {.shared = shared}).option;
  };
  CHECK(option(163 << 10) == 0);
  CHECK(option(99 << 10) == 1);  // sm_86, sm_89
}
