/// What the CPU bodies of lstm and gru share: texts in groups that walk in step, and the product of a group's states
/// with a weight that was packed once for all steps.
///
///   const auto walks = walks_of(offsets, reverse);                         // the longest text first
///   const auto panels = pack_units<float>(weight, 4, V::width);            // once a call
///   multiply_states<4>(alive, h, stride, panels.data(), units, sums);      // once a step and panel
///
/// A group is as many texts as keep their sums in registers. It takes all its steps on one thread, without waiting for
/// the others: its states and sums stay in the nearest cache, and the panels stream by. Every sum is one chain of fma
/// over k in order, so a text's numbers depend neither on its neighbours nor on the threads.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include <quern/base/parallel_for.hpp>
#include <quern/cpu/loops.hpp>
#include <quern/tensor/tensor.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// A text in the order in which it is walked: its rows are first, first + step, …
struct TextWalk {
  std::int64_t first, step, length;
  std::int64_t row(std::int64_t t) const { return first + t * step; }
};

/// The texts that have rows, the longest first: those of one group then end at about the same step.
[[gnu::noinline]] inline std::vector<TextWalk> walks_of(View<const std::int64_t, 1> offsets, bool reverse) {
  std::vector<TextWalk> walks;
  for (std::int64_t b = 0; b + 1 < offsets.extent(0); ++b) {
    const std::int64_t begin = offsets(b), length = offsets(b + 1) - begin;
    if (length > 0) walks.push_back({reverse ? begin + length - 1 : begin, reverse ? -1 : 1, length});
  }
  std::stable_sort(walks.begin(), walks.end(),
                   [](const TextWalk& a, const TextWalk& b) { return a.length > b.length; });
  return walks;
}

/// How many texts walk together: their sums of four vectors fill the registers of AVX-512, of two those of the others.
inline constexpr int texts_together = 6;

/// Calls f(group) on all threads, for groups of texts that walk together.
template <class F>
void for_each_group(const std::vector<TextWalk>& walks, F&& f) {
  parallel_for(std::int64_t(walks.size()), texts_together, [&](std::int64_t begin, std::int64_t end) {
    f(std::span<const TextWalk>(walks.data() + begin, std::size_t(end - begin)));
  });
}

/// No vector is longer.
inline constexpr std::int64_t widest_vector = 16;
/// How many elements of T a vector of this machine has.
template <class T>
std::int64_t vector_width() {
  std::int64_t width = 1;
  simd_for<T>([&]<class V>(V) { width = V::width; });
  return width;
}

/// From one row of states to the next: rows a multiple of 2 KB apart would crowd into few sets of the cache.
constexpr std::int64_t state_stride(std::int64_t columns) { return (columns + 15) / 16 * 16 + 16; }

/// weight [gates · units, units] → for every `width` units a panel [k, gate, unit]: what their gates take from state k.
template <class A, class T>
Tensor<A, 1> pack_units(View<const T, 2> weight, std::int64_t gates, std::int64_t width) {
  const std::int64_t units = weight.extent(1), panels = (units + width - 1) / width, step = gates * width;
  Tensor<A, 1> packed(panels * units * step);  // zeros where a panel has no unit
  parallel_for(panels, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p)
      for (std::int64_t g = 0; g < gates; ++g)
        for (std::int64_t u = p * width; u < std::min(units, (p + 1) * width); ++u) {
          const T* from = weight.row(g * units + u);
          A* to = packed.data() + p * units * step + g * width + (u - p * width);
          for (std::int64_t k = 0; k < units; ++k) to[k * step] = A(from[k]);
        }
  });
  return packed;
}

/// weight [depth, units] → for every `width` units a panel [depth, width].
template <class A, class T>
Tensor<A, 1> pack_columns(View<const T, 2> weight, std::int64_t width) {
  const std::int64_t depth = weight.extent(0), units = weight.extent(1), panels = (units + width - 1) / width;
  Tensor<A, 1> packed(panels * depth * width);
  parallel_for(panels, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p)
      for (std::int64_t k = 0; k < depth; ++k) {
        const T* from = weight.row(k) + p * width;
        A* to = packed.data() + (p * depth + k) * width;
        for (std::int64_t i = 0; i < std::min(width, units - p * width); ++i) to[i] = A(from[i]);
      }
  });
  return packed;
}

/// out [R, NV vectors] = R rows of `a` times a panel [depth, NV vectors]; rows of the panel are `step` apart, of out
/// too.
template <class V, int R, int NV, class A>
QUERN_INLINE void multiply_vectors(const A* a, std::int64_t stride, const A* panel, std::int64_t step,
                                   std::int64_t depth, A* out) {
  V sum[R][NV];
#pragma GCC unroll 6
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) sum[i][j] = V(A(0));
  const A* rows[(R + 2) / 3];  // one pointer for three rows: x86 addresses reach the others
#pragma GCC unroll 2
  for (int i = 0; i < (R + 2) / 3; ++i) rows[i] = a + 3 * i * stride;
#pragma GCC unroll 1
  for (std::int64_t k = depth; k > 0; --k, panel += step) {
    V b[NV];
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) b[j] = V::load(panel + j * V::width);
#pragma GCC unroll 6
    for (int i = 0; i < R; ++i) {
      const V aik(rows[i / 3][i % 3 * stride]);
#pragma GCC unroll 4
      for (int j = 0; j < NV; ++j) sum[i][j] = aik.fma(b[j], sum[i][j]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < (R + 2) / 3; ++i) ++rows[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) sum[i][j].store(out + i * step + j * V::width);
}

/// out [R, NV vectors] = R rows of `a` times a panel [depth, NV vectors]: as many vectors at a time as there are
/// registers for their sums.
template <class V, int R, int NV, class A>
QUERN_INLINE void multiply_panel(const A* a, std::int64_t stride, const A* panel, std::int64_t depth, A* out) {
  constexpr int step = NV * V::width;
  if constexpr (V::width == 16 || NV < 3) {
    multiply_vectors<V, R, NV>(a, stride, panel, step, depth, out);
  } else {
    multiply_vectors<V, R, 2>(a, stride, panel, step, depth, out);
    multiply_vectors<V, R, NV - 2>(a, stride, panel + 2 * V::width, step, depth, out + 2 * V::width);
  }
}

/// The same for the texts of a group that are not over. All rows of `a` can be read; those of texts that are over are
/// multiplied in vain, unless few texts are left: then only two rows are. A function of its own, so that sums have the
/// registers to themselves.
template <int NV, class A>
[[gnu::noinline]] void multiply_states(std::int64_t alive, const A* a, std::int64_t stride, const A* panel,
                                       std::int64_t depth, A* out) {
  simd_for<A>([&]<class V>(V) {
    if (alive > 2)
      multiply_panel<V, texts_together, NV>(a, stride, panel, depth, out);
    else
      multiply_panel<V, 2, NV>(a, stride, panel, depth, out);
  });
}

/// before(row) = y of the row that is walked before it; 0 where a text begins. y and before: [N, H].
template <class T>
void rows_before(View<const T, 2> y, View<const std::int64_t, 1> offsets, bool reverse, View<T, 2> before) {
  const std::int64_t units = y.extent(1), texts = offsets.extent(0) - 1;
  parallel_for(texts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      const std::int64_t first = offsets(b), last = offsets(b + 1) - 1;
      if (last < first) continue;
      std::fill_n(before.row(reverse ? last : first), units, T(0));
      std::copy_n(y.row(reverse ? first + 1 : first), (last - first) * units, before.row(reverse ? first : first + 1));
    }
  });
}

}  // namespace quern::inline QUERN_ABI::cpu
