/// Initial values of parameters, addressed by the seed and the parameter's place in its model: adding a layer does not
/// change what the others begin with.
///
///   uniform(weight, 0.25, Random(seed, Purpose::initial), 7);          // parameter number 7
///   initialise(model, seed);                                           // every module by its own rule
#pragma once
#include <cmath>

#include <quern/tensor/random.hpp>
#include <quern/tensor/walk.hpp>

namespace quern::inline QUERN_ABI {

/// Uniform in [-bound, bound).
template <class T, int Rank>
void uniform(Tensor<T, Rank>& w, double bound, const Random& random, std::uint32_t op) {
  for (std::int64_t i = 0; i < w.size(); ++i)
    w.data()[i] = T((2.0 * random.uniform(op, std::uint64_t(i)) - 1.0) * bound);
}

/// Normal with the given standard deviation.
template <class T, int Rank>
void normal(Tensor<T, Rank>& w, double deviation, const Random& random, std::uint32_t op) {
  for (std::int64_t i = 0; i < w.size(); ++i) w.data()[i] = T(random.normal(op, std::uint64_t(i)) * deviation);
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
void initialise_modules(M& m, const Random& random, std::uint32_t& op) {
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
void initialise(M& model, std::uint64_t seed) {
  std::uint32_t op = 0;
  detail::initialise_modules(model, Random(seed, Purpose::initial), op);
  name_parameters(model);
}

}  // namespace quern::inline QUERN_ABI
