/// Initial values of parameters, addressed by the seed and the parameter's place in its model: adding a layer does not
/// change what the others begin with.
///
///   uniform(weight, 0.25, Random(seed, Purpose::initial), 7);          // parameter number 7
///   kaiming_normal(weight, random, 7);  w.fill(0.1f);                  // before relu; a constant
///   initialise(model, seed);                                           // every module by its own rule
///
/// The numbers are the same for any number of threads.
#pragma once
#include <algorithm>
#include <cmath>

#include <quern/base/function_ref.hpp>
#include <quern/base/parallel_for.hpp>
#include <quern/tensor/random.hpp>
#include <quern/tensor/walk.hpp>

namespace quern::inline QUERN_ABI {

namespace detail {
/// w[i] = value(i) on all threads; value depends on i alone.
template <class T>
void draw(T* w, std::int64_t n, FunctionRef<double(std::uint64_t)> value) {
  parallel_for(n, 1 << 14, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) w[i] = T(value(std::uint64_t(i)));
  });
}

template <class T>
[[gnu::noinline]] void draw_uniform(T* w, std::int64_t n, double bound, const Random& random, std::uint32_t op) {
  draw(w, n, [&](std::uint64_t i) { return (2.0 * random.uniform(op, i) - 1.0) * bound; });
}

/// The x with erf(x) = y for |y| up to 0.96, by four steps of Halley's method from the tangent at 0.
inline double inverse_erf(double y) {
  constexpr double slope = 1.1283791670955126;  // 2 / √π
  double x = y / slope;
  for (int i = 0; i < 4; ++i) {
    const double newton = (std::erf(x) - y) / (slope * std::exp(-x * x));
    x -= newton / (1 + x * newton);
  }
  return x;
}
}  // namespace detail

/// Uniform in [-bound, bound).
template <class T, int Rank>
void uniform(Tensor<T, Rank>& w, double bound, const Random& random, std::uint32_t op) {
  detail::draw_uniform(w.data(), w.size(), bound, random, op);
}

/// Normal with the given standard deviation.
template <class T, int Rank>
void normal(Tensor<T, Rank>& w, double deviation, const Random& random, std::uint32_t op) {
  detail::draw(w.data(), w.size(), [&](std::uint64_t i) { return random.normal(op, i) * deviation; });
}

/// Normal with this standard deviation, but nothing beyond two deviations from 0: what a normal variable is, given that
/// it lies there; its own deviation is 0.88 of that asked for. PyTorch's trunc_normal_(w, 0, s, -2 s, 2 s), which by
/// default cuts at ±2 whatever s is.
template <class T, int Rank>
void truncated_normal(Tensor<T, Rank>& w, double deviation, const Random& random, std::uint32_t op) {
  const double inside = std::erf(std::sqrt(2.0));  // P(|x| < 2 deviations)
  detail::draw(w.data(), w.size(), [&](std::uint64_t i) {
    const double u = (double(random.bits(op, i)) + 0.5) * 0x1p-31 - 1;  // in (-1, 1)
    return detail::inverse_erf(u * inside) * std::sqrt(2.0) * deviation;
  });
}

/// What an output sums over, and what an input reaches: [out, in, …] with the product of all further axes in both.
struct Fans {
  double in = 0, out = 0;
};
template <class T, int Rank>
requires(Rank >= 2) Fans fans(const Tensor<T, Rank>& w) {
  double field = 1;
  for (int axis = 2; axis < Rank; ++axis) field *= double(w.extent(axis));
  return {double(w.extent(1)) * field, double(w.extent(0)) * field};
}
enum class Fan { in, out };

/// By how much the weights before an activation are scaled up so that the spread of signals is kept: √2 for relu, √(2 /
/// (1 + slope²)) for leaky relu, 5/3 for tanh, 1 without an activation and for sigmoid (PyTorch's calculate_gain).
inline double relu_gain(double negative_slope = 0) { return std::sqrt(2 / (1 + negative_slope * negative_slope)); }
inline constexpr double tanh_gain = 5.0 / 3;

/// He et al. 2015: standard deviation gain / √fan. `Fan::in` keeps the spread of signals, `Fan::out` that of gradients.
template <class T, int Rank>
void kaiming_normal(Tensor<T, Rank>& w, const Random& random, std::uint32_t op, double gain = relu_gain(),
                    Fan fan = Fan::in) {
  const double n = fan == Fan::in ? fans(w).in : fans(w).out;
  normal(w, gain / std::sqrt(std::max(n, 1.0)), random, op);
}
/// The same deviation, uniform: in ±gain √(3 / fan).
template <class T, int Rank>
void kaiming_uniform(Tensor<T, Rank>& w, const Random& random, std::uint32_t op, double gain = relu_gain(),
                     Fan fan = Fan::in) {
  const double n = fan == Fan::in ? fans(w).in : fans(w).out;
  uniform(w, gain * std::sqrt(3 / std::max(n, 1.0)), random, op);
}

/// Glorot & Bengio 2010: standard deviation gain · √(2 / (fan in + fan out)).
template <class T, int Rank>
void xavier_normal(Tensor<T, Rank>& w, const Random& random, std::uint32_t op, double gain = 1) {
  normal(w, gain * std::sqrt(2 / std::max(fans(w).in + fans(w).out, 1.0)), random, op);
}
/// The same deviation, uniform: in ±gain √(6 / (fan in + fan out)).
template <class T, int Rank>
void xavier_uniform(Tensor<T, Rank>& w, const Random& random, std::uint32_t op, double gain = 1) {
  uniform(w, gain * std::sqrt(6 / std::max(fans(w).in + fans(w).out, 1.0)), random, op);
}

/// Uniform in ±1/√fan_in, what PyTorch gives its Linear and Conv1d layers (Kaiming uniform with a = √5: He et al.
/// 2015).
template <class T, int Rank>
void fan_in_uniform(Tensor<T, Rank>& w, std::int64_t fan_in, const Random& random, std::uint32_t op) {
  uniform(w, fan_in > 0 ? 1 / std::sqrt(double(fan_in)) : 0, random, op);
}

namespace detail {
/// Calls initialise(random, op) of every module that has it; op counts modules, two numbers for each.
template <class M>
[[gnu::cold]] void initialise_modules(M& m, const Random& random, std::uint32_t& op) {
  if constexpr (requires { m.initialise(random, op); }) {
    m.initialise(random, op);
    op += 2;
  } else if constexpr (Visitable<M>) {
    M::visit([&](const char*, auto& child) { initialise_modules(child, random, op); }, m);
  } else if constexpr (Optional<M>) {
    if (m) initialise_modules(*m, random, op);
  } else if constexpr (Sequence<M> && !is_setting<M>) {
    for (auto& child : m) initialise_modules(child, random, op);
  }
}
}  // namespace detail

/// Gives every module its initial values and every parameter its name.
template <class M>
[[gnu::cold]] void initialise(M& model, std::uint64_t seed) {
  std::uint32_t op = 0;
  detail::initialise_modules(model, Random(seed, Purpose::initial), op);
  name_parameters(model);
}

}  // namespace quern::inline QUERN_ABI
