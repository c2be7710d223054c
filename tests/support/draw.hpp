/// Test inputs: numbers that float holds exactly, so that float and double begin alike.
///
///   auto x = drawn(Shape{3, 4}, 1);              // uniform in [-1, 1), stream 1
///   auto x = drawn_off_zero(Shape{3, 4}, 1);     // 0.05 ≤ |x| < 1.05: away from the kink of relu
#pragma once
#include <cmath>
#include <vector>

#include <quern/tensor/packed.hpp>
#include <quern/tensor/random.hpp>

namespace test {
using namespace quern;

template <int Rank>
Tensor<double, Rank> drawn(Shape<Rank> shape, std::uint32_t stream) {
  auto x = Tensor<double, Rank>::empty(shape);
  const Random random(20260101);
  for (std::int64_t i = 0; i < x.size(); ++i) x.data()[i] = double(2 * random.uniform(stream, std::uint64_t(i)) - 1);
  return x;
}

template <int Rank>
Tensor<double, Rank> drawn_off_zero(Shape<Rank> shape, std::uint32_t stream) {
  auto x = drawn(shape, stream);
  for (auto& v : x.span()) v = double(float(v + (v < 0 ? -0.05 : 0.05)));
  return x;
}

/// Biases in [0, 1): where relu follows, not everything is cut off.
inline Tensor<double, 1> drawn_bias(std::int64_t n, std::uint32_t stream) {
  auto bias = drawn(Shape{n}, stream);
  for (auto& v : bias.span()) v = std::abs(v);
  return bias;
}

/// Ids below `most`.
inline Tensor<std::int32_t, 1> drawn_ids(std::int64_t n, std::int64_t most, std::uint32_t stream) {
  auto ids = Tensor<std::int32_t, 1>::empty(Shape<1>{n});
  const Random random(20260102);
  for (std::int64_t i = 0; i < n; ++i)
    ids(i) = std::int32_t(random.below(std::uint64_t(most), stream, std::uint64_t(i)));
  return ids;
}

/// The offsets of texts of these lengths.
inline Offsets offsets_of(const std::vector<std::int64_t>& lengths) {
  Offsets offsets(lengths.size() + 1);
  for (std::size_t b = 0; b < lengths.size(); ++b) offsets(b + 1) = offsets(b) + lengths[b];
  return offsets;
}

/// `texts` lengths from 1 to `longest`.
inline std::vector<std::int64_t> drawn_lengths(std::size_t texts, std::int64_t longest, std::uint32_t stream) {
  const auto ids = drawn_ids(std::int64_t(texts), longest, stream);
  std::vector<std::int64_t> lengths;
  for (auto n : ids.span()) lengths.push_back(n + 1);
  return lengths;
}

inline std::int64_t sum_of(const std::vector<std::int64_t>& lengths) {
  std::int64_t n = 0;
  for (auto l : lengths) n += l;
  return n;
}

}  // namespace test
