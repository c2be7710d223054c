/// layer_norm over x + dropout(residual), by the kernels of layer_norm: here is where rows come from and where their
/// gradients go. Neither the sum nor the mask is stored: the backward pass adds again and draws again, and a thread
/// keeps the mask of its elements, at most 32, in one register.
#pragma once
#include <quern/tensor/philox.hpp>

#include "kernels/layer_norm.cuh"

namespace quern::inline QUERN_ABI::kernels {

/// The dropout of the residual. Element i stays where its 32 random bits are at least `threshold`.
struct ResidualDropout {
  RandomStream stream;
  std::uint32_t threshold;
  float scale;  // 1/(1-p), of those that stay
  bool drops;   // p > 0

  /// A bit for each of the W elements from `element` on: whether it stays. A block of Philox is four elements.
  template <int W>
  __device__ __forceinline__ unsigned kept(std::int64_t element) const {
    if (!drops) return ~0u >> (32 - W);
    if constexpr (W % 4 != 0) {
      static_assert(W == 1);
      const PhiloxBlock block = stream.block(std::uint64_t(element) / 4);
      const std::uint32_t first = element & 1 ? block.x[1] : block.x[0], second = element & 1 ? block.x[3] : block.x[2];
      return (element & 2 ? second : first) >= threshold;  // no index: arrays with one do not stay in registers
    } else {
      unsigned bits = 0;
      for (int b = 0; b < W; b += 4) {
        const PhiloxBlock block = stream.block(std::uint64_t(element + b) / 4);
        for (int j = 0; j < 4; ++j) bits |= unsigned(block.x[j] >= threshold) << (b + j);
      }
      return bits;
    }
  }
};

/// Rows of x + dropout(residual).
template <class T>
struct ResidualInput {
  View<const T, 2> x, residual;
  ResidualDropout dropout;

  /// This thread's part of row r, and a bit for each of its elements: whether it stays.
  template <class Plan>
  __device__ __forceinline__ unsigned load(const typename Plan::Team& team, std::int64_t r,
                                           float (&v)[Plan::elements]) const {
    static_assert(Plan::elements <= 32);
    constexpr int w = Plan::width;
    const int n = int(x.extent(1));
    unsigned mask = 0;
    load_row<Plan>(team, x.row(r), n, v, 0);
    for_each_pack<Plan>(team, n, [&](int i, int c) {
      float added[w];
      load_floats<w>(residual.row(r) + c, added);
      const unsigned bits = dropout.kept<w>(r * n + c);
      for (int j = 0; j < w; ++j) v[i + j] += bits >> j & 1 ? added[j] * dropout.scale : 0.f;
      mask |= bits << i;
    });
    return mask;
  }
  __device__ __forceinline__ float operator()(std::int64_t r, std::int64_t c) const {
    return float(x(r, c)) + (dropout.kept<1>(r * x.extent(1) + c) ? float(residual(r, c)) * dropout.scale : 0.f);
  }
};

/// dx = ds, dresidual = ds · m / (1-p). Where nothing is dropped the two are one, and one is stored.
template <class T>
struct ResidualOutput {
  View<T, 2> dx, dresidual;
  ResidualDropout dropout;

  template <class Plan>
  __device__ __forceinline__ void store(const typename Plan::Team& team, std::int64_t r, float (&v)[Plan::elements],
                                        unsigned mask) const {
    const int n = int(dx.extent(1));
    store_row<Plan>(team, dx.row(r), n, v);
    if (!dropout.drops) return;
    for (int i = 0; i < Plan::elements; ++i) v[i] = mask >> i & 1 ? v[i] * dropout.scale : 0.f;
    store_row<Plan>(team, dresidual.row(r), n, v);
  }
  __device__ __forceinline__ void operator()(std::int64_t r, std::int64_t c, float v) const {
    dx(r, c) = T(v);
    if (dropout.drops) dresidual(r, c) = T(dropout.kept<1>(r * dx.extent(1) + c) ? v * dropout.scale : 0.f);
  }
};

}  // namespace quern::inline QUERN_ABI::kernels
