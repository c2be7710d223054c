/// Speed of matmul, after its results have been checked: see support/op_bench.hpp.
#include <quern/ops/matmul.hpp>

#include "support/op_bench.hpp"

namespace {

using namespace quern;

template <Transpose ta, Transpose tb>
struct Op {
  auto operator()(const auto& a, const auto& b) const { return matmul(a, b, ta, tb); }
};

template <Transpose ta, Transpose tb>
struct Naive {
  auto operator()(const Tensor<double, 2>& a, const Tensor<double, 2>& b) const {
    constexpr bool a_turned = ta == Transpose::yes, b_turned = tb == Transpose::yes;
    Tensor<double, 2> y(a.extent(a_turned), b.extent(!b_turned));
    for (std::int64_t i = 0; i < y.extent(0); ++i)
      for (std::int64_t j = 0; j < y.extent(1); ++j)
        for (std::int64_t k = 0; k < a.extent(!a_turned); ++k)
          y(i, j) += (a_turned ? a(k, i) : a(i, k)) * (b_turned ? b(j, k) : b(k, j));
    return y;
  }
};

/// [M, K] [K, N], either operand stored transposed. Backward is two products of the same size.
template <Transpose ta, Transpose tb>
bool row(const char* form, std::int64_t M, std::int64_t K, std::int64_t N) {
  const double flops = 2.0 * double(M) * double(K) * double(N);
  auto inputs = [](std::int64_t m, std::int64_t k, std::int64_t n) {
    return std::tuple{ta == Transpose::no ? bench::uniform_tensor(1, m, k) : bench::uniform_tensor(1, k, m),
                      tb == Transpose::no ? bench::uniform_tensor(2, k, n) : bench::uniform_tensor(2, n, k)};
  };
  return bench::add_op(
      {"matmul", text_of(form, "/", M, "x", K, "x", N), {.flops = flops}, {.flops = 2 * flops}}, Op<ta, tb>{},
      Naive<ta, tb>{}, [=] { return inputs(3, 5, 4); }, [=] { return inputs(M, K, N); },
      [](const auto& a, const auto& b) {
        return [&, saved = matmul_forward(a, b, ta, tb).saved](const auto& dy) {
          benchmark::DoNotOptimize(matmul_backward(dy, a, b, saved));
        };
      });
}

constexpr auto no = Transpose::no, yes = Transpose::yes;
const bool registered = row<no, no>("nn", 1024, 1024, 1024) && row<no, yes>("nt", 2048, 384, 1536) &&
                        row<yes, no>("tn", 1536, 2048, 384) && row<no, yes>("nt", 128, 64, 128);  // BERT's, one head's

}  // namespace
