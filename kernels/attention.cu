#include "kernels/attention_tensor_cores_backward.cuh"
#include "kernels/attention_tiles.cuh"

#include <quern/cuda/attention.hpp>
#include <quern/cuda/runtime.hpp>
#include <quern/tensor/tensor.hpp>

#include <cmath>

namespace quern::inline QUERN_ABI::cuda {
namespace {

kernels::AttentionShape shape_of(std::int64_t rows, std::int64_t columns, std::int64_t texts,
                                 const AttentionOptions& options) {
  const std::int64_t width = columns / options.heads;
  return {rows, int(texts), int(options.heads), int(width), float(1 / std::sqrt(double(width))), options.causal};
}
kernels::AttentionMask mask_of(const AttentionOptions& options, const Random& random, std::uint32_t op) {
  const double p = options.dropout;
  return {{random.stream(op), std::uint32_t(p * 0x1p32), float(1 / (1 - p))}, p > 0};
}

/// Calls f with the number of columns of a head, where the fast kernels have it; gives whether it did.
template <class F>
bool with_width(std::int64_t width, F f) {
  if (width == 32) return f(std::integral_constant<int, 32>{}), true;
  if (width == 64) return f(std::integral_constant<int, 64>{}), true;
  if (width == 128) return f(std::integral_constant<int, 128>{}), true;
  return false;
}
/// And with whether anything is dropped.
template <class F>
bool with_kernel(const kernels::AttentionShape& shape, const kernels::AttentionMask& mask, F f) {
  return with_width(shape.width,
                    [&](auto width) { mask.drops ? f(width, std::true_type{}) : f(width, std::false_type{}); });
}

/// The fast kernels for a type: their tiles, threads and shared memory.
template <class T, int D, bool drops>
struct FastAttention;
template <int D, bool drops>
struct FastAttention<bf16, D, drops> {
  static constexpr int tile = kernels::attention_tile;
  static constexpr unsigned threads = kernels::attention_threads;
  static constexpr auto forward = kernels::attention_tensor_cores<D, drops>;
  static constexpr auto backward_queries = kernels::attention_queries_on_tensor_cores<D, drops>;
  static constexpr auto backward_keys = kernels::attention_keys_on_tensor_cores<D, drops>;
  static constexpr std::size_t forward_shared = sizeof(kernels::AttentionForwardShared<D>);
  static constexpr std::size_t queries_shared = sizeof(kernels::AttentionQueriesShared<D>);
  static constexpr std::size_t keys_shared = sizeof(kernels::AttentionKeysShared<D>);
};
template <int D, bool drops>
struct FastAttention<float, D, drops> {
  using Tile = kernels::FloatTile<D>;
  static constexpr int tile = Tile::rows;
  static constexpr unsigned threads = Tile::threads;
  static constexpr auto forward = kernels::attention_in_tiles<D, drops>;
  static constexpr auto backward_queries = kernels::attention_queries_in_tiles<D, drops>;
  static constexpr auto backward_keys = kernels::attention_keys_in_tiles<D, drops>;
  static constexpr std::size_t forward_shared = sizeof(kernels::AttentionTilesShared<D, 3>);
  static constexpr std::size_t queries_shared = sizeof(kernels::AttentionTilesShared<D, 4>);
  static constexpr std::size_t keys_shared = sizeof(kernels::AttentionTilesShared<D, 4>);
};

template <class Kernels>
kernels::LaunchShape launch_shape(const kernels::AttentionShape& shape, std::size_t shared) {
  return {.grid = {unsigned(shape.rows / Kernels::tile + shape.texts), unsigned(shape.heads)},
          .block = {Kernels::threads},
          .shared = shared};
}

/// Σ_c dy y of each row and head. By itself, for nvcc 13 loses braces inside a generic lambda.
template <int D, class T>
Tensor<float, 2> delta_of(View<const T, 2> dy, View<const T, 2> y, const kernels::AttentionShape& shape) {
  auto delta = Tensor<float, 2>::empty({shape.rows, shape.heads}, Device::cuda(current_device()));
  const std::int64_t items = shape.rows * shape.heads, threads = items * (D / 8);
  kernels::launch("attention_delta", kernels::attention_delta<D, T>,
                  {.grid = {unsigned((threads + 255) / 256)}, .block = {256}}, dy.data, y.data, delta.data(), items);
  return delta;
}

}  // namespace

template <class T>
void attention_plain(View<const T, 2> q, View<const T, 2> k, View<const T, 2> v, View<const std::int64_t, 1> offsets,
                     const AttentionOptions& options, const Random& random, std::uint32_t op, View<T, 2> y,
                     View<float, 2> lse) {
  kernels::launch("attention_plain", kernels::attention_plain<T>,
                  {.grid = {unsigned(q.extent(0)), unsigned(options.heads)}, .block = {kernels::warp_size}}, q.data,
                  k.data, v.data, offsets.data, y.data, lse.data,
                  shape_of(q.extent(0), q.extent(1), offsets.extent(0) - 1, options), mask_of(options, random, op));
}
template <class T>
void attention_backward_plain(View<const T, 2> dy, View<const T, 2> q, View<const T, 2> k, View<const T, 2> v,
                              View<const T, 2> y, View<const float, 2> lse, View<const std::int64_t, 1> offsets,
                              const AttentionOptions& options, const Random& random, std::uint32_t op, View<T, 2> dq,
                              View<T, 2> dk, View<T, 2> dv) {
  kernels::launch("attention_backward_plain", kernels::attention_backward_plain<T>,
                  {.grid = {unsigned(q.extent(0)), unsigned(options.heads)}, .block = {kernels::warp_size}}, dy.data,
                  q.data, k.data, v.data, y.data, lse.data, offsets.data, dq.data, dk.data, dv.data,
                  shape_of(q.extent(0), q.extent(1), offsets.extent(0) - 1, options), mask_of(options, random, op));
}

template <class T>
void attention(View<const T, 2> q, View<const T, 2> k, View<const T, 2> v, View<const std::int64_t, 1> offsets,
               const AttentionOptions& options, const Random& random, std::uint32_t op, View<T, 2> y,
               View<float, 2> lse) {
  using namespace kernels;
  const auto shape = shape_of(q.extent(0), q.extent(1), offsets.extent(0) - 1, options);
  const auto mask = mask_of(options, random, op);
  const bool done =
      starts_at_16_bytes(q.data, k.data, v.data, y.data) && with_kernel(shape, mask, [&](auto width, auto drops) {
        using Kernels = FastAttention<T, width.value, drops.value>;
        launch("attention", Kernels::forward, launch_shape<Kernels>(shape, Kernels::forward_shared), q.data, k.data,
               v.data, offsets.data, y.data, lse.data, shape, mask);
      });
  if (!done) attention_plain(q, k, v, offsets, options, random, op, y, lse);
}
template <class T>
void attention_backward(View<const T, 2> dy, View<const T, 2> q, View<const T, 2> k, View<const T, 2> v,
                        View<const T, 2> y, View<const float, 2> lse, View<const std::int64_t, 1> offsets,
                        const AttentionOptions& options, const Random& random, std::uint32_t op, View<T, 2> dq,
                        View<T, 2> dk, View<T, 2> dv) {
  using namespace kernels;
  const auto shape = shape_of(q.extent(0), q.extent(1), offsets.extent(0) - 1, options);
  const auto mask = mask_of(options, random, op);
  const auto fast = [&](auto width, auto drops) {
    using Kernels = FastAttention<T, width.value, drops.value>;
    const Tensor<float, 2> delta = delta_of<width.value>(dy, y, shape);
    launch("attention_backward_queries", Kernels::backward_queries,
           launch_shape<Kernels>(shape, Kernels::queries_shared), dy.data, q.data, k.data, v.data, lse.data,
           delta.data(), offsets.data, dq.data, shape, mask);
    launch("attention_backward_keys", Kernels::backward_keys, launch_shape<Kernels>(shape, Kernels::keys_shared),
           dy.data, q.data, k.data, v.data, lse.data, delta.data(), offsets.data, dk.data, dv.data, shape, mask);
  };
  if (!starts_at_16_bytes(dy.data, q.data, k.data, v.data, y.data, dq.data, dk.data, dv.data) ||
      !with_kernel(shape, mask, fast))
    attention_backward_plain(dy, q, k, v, y, lse, offsets, options, random, op, dq, dk, dv);
}

#define QUERN_FORWARD(T)                                                                                      \
  View<const T, 2>, View<const T, 2>, View<const T, 2>, View<const std::int64_t, 1>, const AttentionOptions&, \
      const Random&, std::uint32_t, View<T, 2>, View<float, 2>
#define QUERN_BACKWARD(T)                                                                                         \
  View<const T, 2>, View<const T, 2>, View<const T, 2>, View<const T, 2>, View<const T, 2>, View<const float, 2>, \
      View<const std::int64_t, 1>, const AttentionOptions&, const Random&, std::uint32_t, View<T, 2>, View<T, 2>, \
      View<T, 2>
#define QUERN_INSTANTIATE(T)                           \
  template void attention(QUERN_FORWARD(T));           \
  template void attention_plain(QUERN_FORWARD(T));     \
  template void attention_backward(QUERN_BACKWARD(T)); \
  template void attention_backward_plain(QUERN_BACKWARD(T));
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
