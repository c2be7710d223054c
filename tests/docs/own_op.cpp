/// The code of docs/adding_an_op.md and of the architecture's part on recomputation; see snippets.cpp.
#include <doctest/doctest.h>

#include <quern/cpu/eigen.hpp>
#include <quern/quern.hpp>

using namespace quern;

namespace {

// snippet: own-op
const auto square_forward = [](const auto& x) {  // y = x²; backward needs x
  auto y = empty_like(x);
  for (std::int64_t i = 0; i < x.size(); ++i) y.data()[i] = x.data()[i] * x.data()[i];
  return std::pair{std::move(y), x.share()};
};
const auto square_backward = [](const auto& dy, const auto& x) {  // dx = 2 x dy
  auto dx = empty_like(x);
  for (std::int64_t i = 0; i < x.size(); ++i) dx.data()[i] = 2 * x.data()[i] * dy.data()[i];
  return dx;
};
auto square(const auto& x) { return custom_op("square", square_forward, square_backward, x); }
// end

template <class T = float>
struct Layer {
  nn::Linear<T> linear{3, 3};
  static void visit(auto&& f, auto&... m) { f("linear", m.linear...); }
  auto operator()(const auto& x) const { return square(linear(x)); }
};

}  // namespace

TEST_CASE("the op of the page is one, and can be computed twice") {
  Layer<> layer;
  initialise(layer, 1);
  const auto x = Tensor<double, 2>::of({1, 3}, {1, 2, 3});
  for (bool twice : {false, true}) {
    const auto report = gradcheck(cast<double>(layer), [&](const auto& block) {
      if (!twice) return sum(block(block(x)));
      // snippet: checkpoint
      auto h = checkpoint(block, x);  // block(x), of which x alone is kept
      // end
      return sum(checkpoint(block, h));
    });
    CHECK_MESSAGE(report.ok(), report.text());
  }
}
