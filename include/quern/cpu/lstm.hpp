/// CPU bodies of lstm: the steps, once the inputs' part of the gates is there.
///
///   cpu::lstm(gates, weight_hh, bias_hh, offsets, reverse, cells, y);      // gates [N, 4H]: x W_ihᵀ + b_ih, then i f
///   g o cpu::lstm_backward(dy, gates, cells, weight_hh, offsets, reverse, dgates);
///
/// How texts walk together, says cpu/recurrent.hpp. A product leaves the four gates of a vector of units side by side,
/// and the cell is computed at once. States are kept in the accumulator's type; what is stored is rounded once.
#pragma once
#include <quern/cpu/recurrent.hpp>
#include <quern/cpu/vec_math.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// What the cells of a batch read and write.
template <class T>
struct LstmPlace {
  T* gates;       // [N, 4H]
  const T* bias;  // [4H]
  accumulator_t<T>* cells;
  T* y;  // [N, H]
  std::int64_t units;
};

/// Units u … u + count - 1 of one text at one row; `sums` are the products with the state, gate by gate. c and h are
/// the text's state.
template <class V, class T, class A>
QUERN_INLINE void lstm_cell(const LstmPlace<T>& p, std::int64_t row, std::int64_t u, int count, const A* sums, A* c,
                            A* h) {
  const std::int64_t n = p.units;
  T* gates = p.gates + row * 4 * n + u;
  const auto gate = [&](int g) QUERN_INLINE_LAMBDA {
    return V::load(gates + g * n, count) + (V::load(sums + g * V::width) + V::load(p.bias + g * n + u, count));
  };
  const V i = sigmoid(gate(0)), f = sigmoid(gate(1)), g = tanh(gate(2)), o = sigmoid(gate(3));
  const V cell = f.fma(V::load(c, count), i * g), state = o * tanh(cell);
  i.store(gates, count), f.store(gates + n, count), g.store(gates + 2 * n, count), o.store(gates + 3 * n, count);
  cell.store(c, count), state.store(h, count);
  cell.store(p.cells + row * n + u, count), state.store(p.y + row * n + u, count);
}

template <class T, class A>
void lstm_group(std::span<const TextWalk> group, const A* panels, const LstmPlace<T>& place) {
  const std::int64_t units = place.units, stride = state_stride(units), width = vector_width<T>();
  Tensor<A, 2> states(3 * texts_together, stride);  // zeros: h, the next h, c
  A *h = states.data(), *next = h + texts_together * stride, *c = next + texts_together * stride;
  A sums[texts_together * 4 * widest_vector] = {};
  std::int64_t alive = std::int64_t(group.size());
  for (std::int64_t t = 0; t < group[0].length; ++t, std::swap(h, next)) {
    while (group[std::size_t(alive) - 1].length <= t) --alive;
    const A* panel = panels;
    for (std::int64_t u = 0; u < units; u += width, panel += units * 4 * width) {
      if (t > 0) multiply_states<4>(alive, h, stride, panel, units, sums);  // before, h is 0
      const int count = int(std::min(width, units - u));
      simd_for<T>([&]<class V>(V) {
        for (std::int64_t r = 0; r < alive; ++r)
          lstm_cell<V>(place, group[std::size_t(r)].row(t), u, count, sums + r * 4 * V::width, c + r * stride + u,
                       next + r * stride + u);
      });
    }
  }
}

/// gates [N, 4H] hold x W_ihᵀ + b_ih and come to hold i, f, g, o; weight [4H, H], bias [4H] → cells [N, H], y [N, H].
template <class T>
void lstm(View<T, 2> gates, View<const T, 2> weight, View<const T, 1> bias, View<const std::int64_t, 1> offsets,
          bool reverse, View<accumulator_t<T>, 2> cells, View<T, 2> y) {
  using A = accumulator_t<T>;
  const std::int64_t width = vector_width<T>();
  const auto panels = pack_units<A>(weight, 4, width);
  const LstmPlace<T> place{gates.data, bias.data, cells.data, y.data, y.extent(1)};
  for_each_group(walks_of(offsets, reverse),
                 [&](std::span<const TextWalk> group) { lstm_group(group, panels.data(), place); });
}

template <class T>
struct LstmBackwardPlace {
  const T *dy, *gates;  // [N, H], [N, 4H]
  const accumulator_t<T>* cells;
  T* dgates;  // [N, 4H]
  std::int64_t units;
};

/// Units u … of one text at `row`, which was walked after `before` (-1: at the beginning). dh of later steps comes in
/// `sum`, dc in and out in `dc`; the gradients of the gates, before their functions, go to `flow` [4H] and dgates.
template <class V, class T, class A>
QUERN_INLINE void lstm_cell_backward(const LstmBackwardPlace<T>& p, std::int64_t row, std::int64_t before,
                                     std::int64_t u, int count, const A* sum, A* dc, A* flow) {
  const std::int64_t n = p.units;
  const V one(A(1));
  const T* gates = p.gates + row * 4 * n + u;
  const V i = V::load(gates, count), f = V::load(gates + n, count), g = V::load(gates + 2 * n, count),
          o = V::load(gates + 3 * n, count);
  const V tanh_c = tanh(V::load(p.cells + row * n + u, count));
  const V c_before = before < 0 ? V(A(0)) : V::load(p.cells + before * n + u, count);
  const V dh = V::load(p.dy + row * n + u, count) + V::load(sum);
  const V d = (dh * o).fma(one - tanh_c * tanh_c, V::load(dc, count));
  (d * f).store(dc, count);
  const V d_gates[4] = {d * g * i * (one - i), d * c_before * f * (one - f), d * i * (one - g * g),
                        dh * tanh_c * o * (one - o)};
  for (int k = 0; k < 4; ++k) {
    d_gates[k].store(flow + k * n + u, count);
    d_gates[k].store(p.dgates + row * 4 * n + k * n + u, count);
  }
}

template <class T, class A>
void lstm_backward_group(std::span<const TextWalk> group, const A* panels, const LstmBackwardPlace<T>& place) {
  const std::int64_t units = place.units, stride = state_stride(4 * units), width = vector_width<T>();
  Tensor<A, 2> flows(2 * texts_together, stride), cells(texts_together, units);  // zeros: a text adds nothing before
  A *flow = flows.data(), *later = flow + texts_together * stride;               // it has begun
  A sums[texts_together * 4 * widest_vector] = {};
  std::int64_t alive = 0;
  for (std::int64_t t = group[0].length - 1; t >= 0; --t, std::swap(flow, later)) {
    while (alive < std::int64_t(group.size()) && group[std::size_t(alive)].length > t) ++alive;
    const A* panel = panels;
    for (std::int64_t u = 0; u < units; u += 4 * width, panel += 4 * units * 4 * width) {
      if (t + 1 < group[0].length) multiply_states<4>(alive, later, stride, panel, 4 * units, sums);
      const std::int64_t end = std::min(units, u + 4 * width);
      simd_for<T>([&]<class V>(V) {
        for (std::int64_t r = 0; r < alive; ++r) {
          const TextWalk& text = group[std::size_t(r)];
          const std::int64_t row = text.row(t), before = t > 0 ? text.row(t - 1) : -1;
          const A* sum = sums + r * 4 * V::width;
          for_each_vector<V>(end - u, [&](std::int64_t i, int count) QUERN_INLINE_LAMBDA {
            lstm_cell_backward<V>(place, row, before, u + i, count, sum + i, cells.data() + r * units + u + i,
                                  flow + r * stride);
          });
        }
      });
    }
  }
}

/// dy [N, H] → dgates [N, 4H]: of the gates before their functions.
template <class T>
void lstm_backward(View<const T, 2> dy, View<const T, 2> gates, View<const accumulator_t<T>, 2> cells,
                   View<const T, 2> weight, View<const std::int64_t, 1> offsets, bool reverse, View<T, 2> dgates) {
  using A = accumulator_t<T>;
  const std::int64_t width = vector_width<T>();
  const auto panels = pack_columns<A>(weight, 4 * width);
  const LstmBackwardPlace<T> place{dy.data, gates.data, cells.data, dgates.data, dy.extent(1)};
  for_each_group(walks_of(offsets, reverse),
                 [&](std::span<const TextWalk> group) { lstm_backward_group(group, panels.data(), place); });
}

}  // namespace quern::inline QUERN_ABI::cpu
