#include <algorithm>
#include <bit>

#include <quern/cuda/embedding.hpp>
#include <quern/cuda/runtime.hpp>
#include <quern/tensor/pool.hpp>

#include "kernels/embedding.cuh"
#include "kernels/sort.cuh"

namespace quern::inline QUERN_ABI::cuda {
namespace {

constexpr unsigned parts(std::int64_t n, std::int64_t size) { return unsigned((n + size - 1) / size); }

template <class Word>
void gather(View<const std::int32_t, 1> ids, const void* weight, std::int64_t vocabulary, std::size_t row_bytes,
            void* y) {
  const auto words = unsigned(row_bytes / sizeof(Word));
  const unsigned rows = words >= 1024 ? 1 : 1024 / words;  // of a block: about four words a thread
  kernels::launch("embedding", kernels::gather_rows<Word>, {.grid = {parts(ids.size(), rows)}, .block = {256}},
                  ids.data, ids.size(), rows, static_cast<const Word*>(weight), vocabulary, words,
                  static_cast<Word*>(y), fault());
}

/// Room for `n` elements from the pool. It may be given back as soon as the kernels that use it are launched: whoever
/// gets it next comes after them in the stream.
template <class T>
struct Room {
  Storage memory;
  T* data;
  explicit Room(std::int64_t n)
      : memory(std::size_t(n) * sizeof(T), Device::cuda(current_device())), data(static_cast<T*>(memory.data())) {}
};

/// The bytes that a thread can load at once from rows of `row_bytes` bytes at these addresses: 16, 8, 4 or 2.
std::size_t word_bytes(std::size_t row_bytes, auto*... p) {
  for (std::size_t word = 16; word > 2; word /= 2)
    if (row_bytes % word == 0 && ((reinterpret_cast<std::uintptr_t>(p) % word == 0) && ...)) return word;
  return 2;
}

template <class T, int N>
void sum_sorted(const kernels::SortedIds& sorted, View<const T, 2> dy, View<T, 2> dweight, char* marks) {
  const std::int64_t packs = dy.extent(1) / N;
  const unsigned tiles = parts(sorted.n, kernels::segment_tile);
  const unsigned threads = packs >= 128 ? 128 : parts(packs, 32) * 32;
  const kernels::LaunchShape shape{.grid = {tiles, parts(packs, threads)}, .block = {threads}};
  auto with_shared = shape;
  with_shared.shared = sizeof(kernels::SegmentShared);
  const Room<float> partial(std::int64_t(tiles) * 2 * dy.extent(1));
  kernels::launch("embedding_backward: segments", kernels::sum_segments<T, N>, with_shared, sorted, dy, dweight, marks,
                  partial.data);
  kernels::launch("embedding_backward: partials", kernels::add_partials<T, N>, shape, sorted, dweight, marks,
                  static_cast<const float*>(partial.data));
}

}  // namespace

template <class T>
void embedding(View<const std::int32_t, 1> ids, View<const T, 2> weight, View<T, 2> y) {
  const std::size_t row = std::size_t(weight.extent(1)) * sizeof(T);
  if (row == 0) return;
  switch (word_bytes(row, weight.data, y.data)) {
    case 16:
      return gather<uint4>(ids, weight.data, weight.extent(0), row, y.data);
    case 8:
      return gather<uint2>(ids, weight.data, weight.extent(0), row, y.data);
    case 4:
      return gather<std::uint32_t>(ids, weight.data, weight.extent(0), row, y.data);
    default:
      return gather<std::uint16_t>(ids, weight.data, weight.extent(0), row, y.data);
  }
}

void sort_ids(View<const std::int32_t, 1> ids, std::int32_t vocabulary, std::int32_t* sorted, std::int32_t* positions) {
  using Id = std::int32_t;
  const int bits = std::max(1, int(std::bit_width(std::uint32_t(vocabulary))));
  const auto n = unsigned(ids.size());
  const unsigned tiles = parts(n, kernels::sort_tile_size);
  if (tiles == 0) return;
  kernels::SortPass<Id> pass{ids.data, nullptr, sorted, positions, n, 0, vocabulary};
  if (tiles == 1) {
    return kernels::launch(
        "sort_tile", kernels::sort_tile<Id>,
        {.grid = {1}, .block = {kernels::sort_threads}, .shared = sizeof(kernels::SortTileShared<Id>)}, pass, bits);
  }
  const Room<std::int32_t> other(2 * std::int64_t(n));
  const Room<unsigned> counts(std::int64_t(tiles) * kernels::digits);
  std::int32_t* to[2][2] = {{sorted, positions}, {other.data, other.data + n}};
  const int passes = (bits + 7) / 8;
  for (int k = 0; k < passes; ++k) {
    pass.shift = 8 * k;
    pass.sorted_ids = to[(passes - 1 - k) % 2][0], pass.sorted_positions = to[(passes - 1 - k) % 2][1];
    kernels::launch("count_digits", kernels::count_digits<Id>,
                    {.grid = {tiles}, .block = {kernels::sort_threads}, .shared = sizeof(kernels::CountShared)}, pass,
                    counts.data);
    kernels::launch("prefix_of_counts", kernels::prefix_of_counts<unsigned>,
                    {.grid = {1}, .block = {1024}, .shared = sizeof(kernels::PrefixShared)}, counts.data,
                    tiles * kernels::digits);
    kernels::launch("scatter_ids", kernels::scatter_ids<Id>,
                    {.grid = {tiles}, .block = {kernels::sort_threads}, .shared = sizeof(kernels::RankShared)}, pass,
                    static_cast<const unsigned*>(counts.data));
    pass.ids = pass.sorted_ids, pass.positions = pass.sorted_positions;
  }
}

template <class T>
void embedding_backward(View<const T, 2> dy, View<const std::int32_t, 1> ids, View<T, 2> dweight, char* marks) {
  if (ids.size() == 0 || dy.extent(1) == 0) return;
  require(ids.size() <= INT32_MAX && dweight.extent(0) < INT32_MAX, "embedding_backward: ", ids.size(), " ids of ",
          dweight.extent(0), " rows are too many for 32 bits");
  const auto vocabulary = std::int32_t(dweight.extent(0));
  const Room<std::int32_t> sorted(2 * ids.size());
  std::int32_t* const positions = sorted.data + ids.size();
  sort_ids(ids, vocabulary, sorted.data, positions);
  const kernels::SortedIds list{sorted.data, positions, ids.size(), vocabulary};
  constexpr int most = kernels::pack_width<T>;
  const int n = int(word_bytes(std::size_t(dy.extent(1)) * sizeof(T), dy.data, dweight.data) / sizeof(T));
  if (n == most) return sum_sorted<T, most>(list, dy, dweight, marks);
  if (n == most / 2) return sum_sorted<T, most / 2>(list, dy, dweight, marks);
  sum_sorted<T, 1>(list, dy, dweight, marks);
}

template <class T>
void embedding_backward_naive(View<const T, 2> dy, View<const std::int32_t, 1> ids, View<T, 2> dweight, char* marks) {
  kernels::launch("embedding_backward_naive", kernels::sum_rows_naive<T>,
                  {.grid = {unsigned(dweight.extent(0))}, .block = {128}}, ids.data, dy, dweight, marks);
}

#define QUERN_INSTANTIATE(T)                                                                          \
  template void embedding(View<const std::int32_t, 1>, View<const T, 2>, View<T, 2>);                 \
  template void embedding_backward(View<const T, 2>, View<const std::int32_t, 1>, View<T, 2>, char*); \
  template void embedding_backward_naive(View<const T, 2>, View<const std::int32_t, 1>, View<T, 2>, char*);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
