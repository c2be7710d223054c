/// What examples 01, 02 and 05 share: the data, the net, and printing. One ring of points lies inside another; a line
/// cannot part them, a hidden layer can.
#pragma once
#include <cmath>
#include <cstdio>
#include <quern/quern.hpp>

struct Points {
  quern::Tensor<float, 2> x;             // [B, 2]
  quern::Tensor<std::int32_t, 1> label;  // [B]: 0 the inner ring, 1 the outer
};

inline Points two_rings(std::int64_t n) {
  const quern::Random random(7);
  Points p{quern::Tensor<float, 2>(n, 2), quern::Tensor<std::int32_t, 1>(n)};
  for (std::int64_t i = 0; i < n; ++i) {
    const double angle = 6.283185307179586 * random.uniform(0, i),
                 radius = (i % 2 ? 2.0 : 1.0) + 0.2 * random.normal(1, i);
    p.x(i, 0) = float(radius * std::cos(angle));
    p.x(i, 1) = float(radius * std::sin(angle));
    p.label(i) = std::int32_t(i % 2);
  }
  return p;
}

/// Two linear layers with a ReLU between them.
template <class T = float>
struct Net {
  quern::nn::Linear<T> hidden{2, 16}, out{16, 2};
  static void visit(auto&& f, auto&... m) { f("hidden", m.hidden...), f("out", m.out...); }

  auto operator()(const auto& x) const {  // [B, 2] → [B, 2]
    return out(linear(x, hidden.weight, hidden.bias, quern::Activation::relu));
  }
};

/// Every parameter, exactly.
inline void print_bits(const Net<>& net) {
  quern::walk_tensors(
      [](const quern::Path& path, const auto& w) {
        for (std::int64_t i = 0; i < w.size(); ++i)
          std::printf("%s[%d] %a\n", path.text().c_str(), int(i), w.data()[i]);
      },
      net);
}
