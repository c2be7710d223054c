/// The fast kernels of attention against the plain ones: texts that end anywhere in a tile, causal and not, with and
/// without dropout, and rows that begin anywhere.
#include <quern/cuda/attention.hpp>
#include <quern/tensor/packed.hpp>

#include "support/draw.hpp"
#include "support/expect_op.hpp"
#include "support/unaligned.hpp"

using namespace test;

namespace {

const Random random_(11, Purpose::dropout, 2);

template <class T>
struct Inputs {
  Tensor<T, 2> q, k, v, dy;
  static void visit(auto&& f, auto&... m) { f("q", m.q...), f("k", m.k...), f("v", m.v...), f("dy", m.dy...); }
};

template <class T>
struct Results {
  Tensor<T, 2> y, dq, dk, dv;
  Tensor<float, 2> lse;
};

template <class T>
Results<T> run(bool plain, const Inputs<T>& in, const Offsets& offsets, const AttentionOptions& options) {
  const auto fresh = [&] { return Tensor<T, 2>(in.q.shape(), test_device()); };
  Results<T> r{fresh(), fresh(), fresh(), fresh(), Tensor<float, 2>({in.q.extent(0), options.heads}, test_device())};
  const auto forward = plain ? cuda::attention_plain<T> : cuda::attention<T>;
  const auto backward = plain ? cuda::attention_backward_plain<T> : cuda::attention_backward<T>;
  forward(in.q.view(), in.k.view(), in.v.view(), offsets.view(), options, random_, 3, r.y.view(), r.lse.view());
  backward(in.dy.view(), in.q.view(), in.k.view(), in.v.view(), r.y.view(), r.lse.view(), offsets.view(), options,
           random_, 3, r.dq.view(), r.dk.view(), r.dv.view());
  return r;
}

template <class T>
Inputs<T> inputs(Shape<2> shape) {
  const Inputs<double> exact{drawn(shape, 1), drawn(shape, 2), drawn(shape, 3), drawn(shape, 4)};
  return to(cast<T>(exact), test_device());
}

/// |a - b| ≤ bound · |b|, over all elements. bf16: probabilities and their gradients are rounded on the way, as is y.
template <class T, class X>
void expect_alike(const char* what, const Tensor<X, 2>& fast, const Tensor<X, 2>& plain) {
  const auto a = numbers(fast), b = numbers(plain);
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference += (a[i] - b[i]) * (a[i] - b[i]), size += b[i] * b[i];
  const double bound = std::is_same_v<T, float> ? 2e-6 : 6e-3;
  CHECK_MESSAGE(difference <= bound * bound * size, what, ": off by ", std::sqrt(difference / size), " of its norm");
}

template <class T>
void expect_fast_as_plain(const std::vector<std::int64_t>& lengths, std::int64_t D, AttentionOptions options) {
  INFO("D ", D, ", causal ", options.causal, ", dropout ", options.dropout);
  const auto in = inputs<T>(Shape{sum_of(lengths), D * options.heads});
  const auto offsets = on_device(offsets_of(lengths));
  const auto fast = run(false, in, offsets, options), plain = run(true, in, offsets, options);
  expect_alike<float>("lse", fast.lse, plain.lse);
  expect_alike<T>("y", fast.y, plain.y);
  expect_alike<T>("dq", fast.dq, plain.dq);
  expect_alike<T>("dk", fast.dk, plain.dk);
  expect_alike<T>("dv", fast.dv, plain.dv);
}

}  // namespace

TEST_CASE_TEMPLATE("attention in tiles is attention row by row", T, float, bf16) {
  expect_fast_as_plain<T>({5, 0, 64, 1, 16}, 32, {.heads = 2});
  expect_fast_as_plain<T>({70, 3}, 64, {.heads = 2});
  expect_fast_as_plain<T>({37, 2}, 128, {.heads = 1});
  expect_fast_as_plain<T>({131}, 32, {.heads = 1});
}

TEST_CASE_TEMPLATE("attention in tiles, causal and with dropout", T, float, bf16) {
  expect_fast_as_plain<T>({3, 81}, 32, {.heads = 2, .causal = true});
  expect_fast_as_plain<T>({9, 66}, 32, {.heads = 2, .dropout = 0.4});
  expect_fast_as_plain<T>({34}, 64, {.heads = 1, .causal = true, .dropout = 0.2});
  expect_fast_as_plain<T>({35}, 128, {.heads = 1, .causal = true, .dropout = 0.2});
}

TEST_CASE_TEMPLATE("attention of rows that do not begin at multiples of 16 bytes", T, float, bf16) {
  const auto in = inputs<T>(Shape{9, 32});
  const Unaligned<T, 2> q(in.q), dy(in.dy);
  const Inputs<T> moved{q.tensor.share(), in.k.share(), in.v.share(), dy.tensor.share()};
  const auto offsets = on_device(offsets_of({4, 5}));
  const auto there = run(false, moved, offsets, {}), here = run(false, in, offsets, {});
  expect_alike<T>("y", there.y, here.y);
  expect_alike<T>("dk", there.dk, here.dk);
}

TEST_CASE("attention finds the tiles of many texts") {
  std::vector<std::int64_t> lengths(300, 1);
  lengths[7] = 0, lengths[40] = 66, lengths[299] = 5;
  expect_fast_as_plain<bf16>(lengths, 32, {});
}
