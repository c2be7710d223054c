/// CPU bodies of gru: the steps, once the inputs' part of the gates is there. As cpu/lstm.hpp, with three gates.
///
///   cpu::gru(gates, weight_hh, bias_hh, offsets, reverse, hidden, y);      // gates [N, 3H]: x W_ihᵀ + b_ih, then r z
///   n cpu::gru_backward(dy, gates, hidden, y, weight_hh, offsets, reverse, dinput, dhidden);
#pragma once
#include <quern/cpu/recurrent.hpp>
#include <quern/cpu/vec_math.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// What the cells of a batch read and write.
template <class T>
struct GruPlace {
  T* gates;       // [N, 3H]
  const T* bias;  // [3H]
  T *hidden, *y;  // [N, H]
  std::int64_t units;
};

/// Units u … u + count - 1 of one text at one row; `sums` are the products with the state `h`, gate by gate.
template <class V, class T, class A>
QUERN_INLINE void gru_cell(const GruPlace<T>& p, std::int64_t row, std::int64_t u, int count, const A* sums, const A* h,
                           A* next) {
  const std::int64_t n = p.units;
  T* gates = p.gates + row * 3 * n + u;
  const auto of_state = [&](int g) QUERN_INLINE_LAMBDA {
    return V::load(sums + g * V::width) + V::load(p.bias + g * n + u, count);
  };
  const V r = sigmoid(V::load(gates, count) + of_state(0)), z = sigmoid(V::load(gates + n, count) + of_state(1));
  const V q = of_state(2), candidate = tanh(r.fma(q, V::load(gates + 2 * n, count)));
  const V state = z.fma(V::load(h, count) - candidate, candidate);  // (1 - z) n + z h
  r.store(gates, count), z.store(gates + n, count), candidate.store(gates + 2 * n, count);
  q.store(p.hidden + row * n + u, count);
  state.store(next, count), state.store(p.y + row * n + u, count);
}

template <class T, class A>
void gru_group(std::span<const TextWalk> group, const A* panels, const GruPlace<T>& place) {
  const std::int64_t units = place.units, stride = state_stride(units), width = vector_width<T>();
  Tensor<A, 2> states(2 * texts_together, stride);  // zeros: h, the next h
  A *h = states.data(), *next = h + texts_together * stride;
  A sums[texts_together * 3 * widest_vector] = {};
  std::int64_t alive = std::int64_t(group.size());
  for (std::int64_t t = 0; t < group[0].length; ++t, std::swap(h, next)) {
    while (group[std::size_t(alive) - 1].length <= t) --alive;
    const A* panel = panels;
    for (std::int64_t u = 0; u < units; u += width, panel += units * 3 * width) {
      if (t > 0) multiply_states<3>(alive, h, stride, panel, units, sums);  // before, h is 0
      const int count = int(std::min(width, units - u));
      simd_for<T>([&]<class V>(V) {
        for (std::int64_t r = 0; r < alive; ++r)
          gru_cell<V>(place, group[std::size_t(r)].row(t), u, count, sums + r * 3 * V::width, h + r * stride + u,
                      next + r * stride + u);
      });
    }
  }
}

/// gates [N, 3H] hold x W_ihᵀ + b_ih and come to hold r, z, n; weight [3H, H], bias [3H] → hidden [N, H], the product
/// that r multiplies, and y [N, H].
template <class T>
void gru(View<T, 2> gates, View<const T, 2> weight, View<const T, 1> bias, View<const std::int64_t, 1> offsets,
         bool reverse, View<T, 2> hidden, View<T, 2> y) {
  using A = accumulator_t<T>;
  const std::int64_t width = vector_width<T>();
  const auto panels = pack_units<A>(weight, 3, width);
  const GruPlace<T> place{gates.data, bias.data, hidden.data, y.data, y.extent(1)};
  for_each_group(walks_of(offsets, reverse),
                 [&](std::span<const TextWalk> group) { gru_group(group, panels.data(), place); });
}

template <class T>
struct GruBackwardPlace {
  const T *dy, *gates, *hidden, *y;  // [N, H], [N, 3H], [N, H], [N, H]
  T *dinput, *dhidden;               // [N, 3H]
  std::int64_t units;
};

/// Units u … of one text at `row`, which was walked after `before` (-1: at the beginning). What later steps' gates give
/// to dh comes in `sum`, what their states give in `dh`, where this step's goes too.
template <class V, class T, class A>
QUERN_INLINE void gru_cell_backward(const GruBackwardPlace<T>& p, std::int64_t row, std::int64_t before, std::int64_t u,
                                    int count, const A* sum, A* dh, A* flow) {
  const std::int64_t n = p.units;
  const V one(A(1));
  const T* gates = p.gates + row * 3 * n + u;
  const V r = V::load(gates, count), z = V::load(gates + n, count), candidate = V::load(gates + 2 * n, count);
  const V q = V::load(p.hidden + row * n + u, count);
  const V h_before = before < 0 ? V(A(0)) : V::load(p.y + before * n + u, count);
  const V d = V::load(p.dy + row * n + u, count) + (V::load(sum) + V::load(dh, count));
  (d * z).store(dh, count);
  const V dn = d * (one - z) * (one - candidate * candidate);
  const V dr = dn * q * r * (one - r), dz = d * (h_before - candidate) * z * (one - z), dq = dn * r;
  T *input = p.dinput + row * 3 * n + u, *hidden = p.dhidden + row * 3 * n + u;
  dr.store(input, count), dz.store(input + n, count), dn.store(input + 2 * n, count);
  dr.store(hidden, count), dz.store(hidden + n, count), dq.store(hidden + 2 * n, count);
  dr.store(flow + u, count), dz.store(flow + n + u, count), dq.store(flow + 2 * n + u, count);
}

template <class T, class A>
void gru_backward_group(std::span<const TextWalk> group, const A* panels, const GruBackwardPlace<T>& place) {
  const std::int64_t units = place.units, stride = state_stride(3 * units), width = vector_width<T>();
  Tensor<A, 2> flows(2 * texts_together, stride), states(texts_together, units);  // zeros: a text adds nothing before
  A *flow = flows.data(), *later = flow + texts_together * stride;                // it has begun
  A sums[texts_together * 4 * widest_vector] = {};
  std::int64_t alive = 0;
  for (std::int64_t t = group[0].length - 1; t >= 0; --t, std::swap(flow, later)) {
    while (alive < std::int64_t(group.size()) && group[std::size_t(alive)].length > t) ++alive;
    const A* panel = panels;
    for (std::int64_t u = 0; u < units; u += 4 * width, panel += 3 * units * 4 * width) {
      if (t + 1 < group[0].length) multiply_states<4>(alive, later, stride, panel, 3 * units, sums);
      const std::int64_t end = std::min(units, u + 4 * width);
      simd_for<T>([&]<class V>(V) {
        for (std::int64_t r = 0; r < alive; ++r) {
          const TextWalk& text = group[std::size_t(r)];
          const std::int64_t row = text.row(t), before = t > 0 ? text.row(t - 1) : -1;
          const A* sum = sums + r * 4 * V::width;
          for_each_vector<V>(end - u, [&](std::int64_t i, int count) QUERN_INLINE_LAMBDA {
            gru_cell_backward<V>(place, row, before, u + i, count, sum + i, states.data() + r * units + u + i,
                                 flow + r * stride);
          });
        }
      });
    }
  }
}

/// dy [N, H] → dinput and dhidden [N, 3H]: of the inputs' and of the states' part of the gates, before their functions.
/// They differ in the part of n alone, which r multiplies.
template <class T>
void gru_backward(View<const T, 2> dy, View<const T, 2> gates, View<const T, 2> hidden, View<const T, 2> y,
                  View<const T, 2> weight, View<const std::int64_t, 1> offsets, bool reverse, View<T, 2> dinput,
                  View<T, 2> dhidden) {
  using A = accumulator_t<T>;
  const std::int64_t width = vector_width<T>();
  const auto panels = pack_columns<A>(weight, 4 * width);
  const GruBackwardPlace<T> place{dy.data, gates.data, hidden.data, y.data, dinput.data, dhidden.data, dy.extent(1)};
  for_each_group(walks_of(offsets, reverse),
                 [&](std::span<const TextWalk> group) { gru_backward_group(group, panels.data(), place); });
}

}  // namespace quern::inline QUERN_ABI::cpu
