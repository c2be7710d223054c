/// The matrix product on the CPU. fp32 uses Quern's own kernels for AVX-512, AVX2 and portable 16-byte vectors, chosen
/// at run time under plain -O2; double uses Eigen, through quern/cpu/eigen.hpp; bf16 is the fp32 product of converted
/// copies, rounded once.
///
///   Matrix<const float> x{data, inputs, 1}, w{weight, 1, inputs};    // rows of x; w transposed by its strides
///   gemm(batch, outputs, inputs, x, w, y, outputs, bias, Activation::relu);    // y = relu(x w^T + bias)
///
/// The bits of a result depend on the instruction set alone: not on the number of threads, and a row's not on the other
/// rows of its batch. Sums over K run in order, in blocks whose borders depend on K alone.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>

#include <quern/base/activation.hpp>
#include <quern/base/error.hpp>
#include <quern/base/parallel_for.hpp>
#include <quern/cpu/convert.hpp>
#include <quern/cpu/gemm_kernel.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// How an operand lies in memory: element (i, j) is data[i * row_stride + j * col_stride]; one of the strides is 1.
/// Rows may overlap: the windows of conv1d are a matrix whose row_stride is less than its columns.
template <class T>
struct Matrix {
  T* data;
  std::int64_t row_stride, col_stride;
};

namespace detail {

/// Memory that grows and is kept for the next call; its contents are not.
class Scratch {
 public:
  template <class T>
  T* get(std::int64_t n) {
    const std::int64_t bytes = std::max<std::int64_t>(64, n * std::int64_t(sizeof(T)));  // never null
    if (bytes > size_) {
      memory_.reset();
      size_ = 0;
      memory_.reset(::operator new(std::size_t(bytes), std::align_val_t(64)));
      size_ = bytes;
    }
    return static_cast<T*>(memory_.get());
  }

 private:
  struct Free {
    void operator()(void* p) const { ::operator delete(p, std::align_val_t(64)); }
  };
  std::unique_ptr<void, Free> memory_;
  std::int64_t size_ = 0;
};

/// One for each purpose, so that a product inside another's chunk does not take its memory.
template <int purpose>
Scratch& scratch() {
  static thread_local Scratch memory;
  return memory;
}

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
constexpr std::int64_t round_up(std::int64_t a, std::int64_t b) { return ceil_div(a, b) * b; }

/// [0, n) in equal parts of at most `most`, their borders multiples of `unit`.
struct Parts {
  std::int64_t n, size, count;
  Parts(std::int64_t n, std::int64_t most, std::int64_t unit)
      : n(n),
        size(std::max<std::int64_t>(unit, round_up(ceil_div(n, std::max<std::int64_t>(1, ceil_div(n, most))), unit))),
        count(std::max<std::int64_t>(1, ceil_div(n, size))) {}
  std::int64_t begin(std::int64_t i) const { return i * size; }
  std::int64_t length(std::int64_t i) const { return std::min(n - i * size, size); }
};

/// The kernels of gemm_kernel.hpp with the vectors of an instruction set: compiled once, for all who call them.
[[gnu::noinline]] inline TileShape tile_of(InstructionSet set) {
  TileShape tile{};
  simd(set, [&]<class V>(V) { tile = tile_shape<V>; });
  return tile;
}
[[gnu::noinline]] inline void multiply_block(InstructionSet set, Block t) {
  if (t.depth == 0) t.a_row = t.a_tile = 0;  // A may be null then, and a null pointer must not be moved
  simd(set, [&]<class V>(V) { multiply_block<V>(t); });
}
[[gnu::noinline]] inline void pack(InstructionSet set, bool of_a, std::int64_t count, std::int64_t depth,
                                   const float* in, std::int64_t along, std::int64_t across, float* out) {
  simd(set, [&]<class V>(V) { pack<V>(of_a, count, depth, in, along, across, out); });
}

/// The arguments of gemm.
template <class T>
struct Product {
  std::int64_t M, N, K;
  Matrix<const T> A, B;
  T* C;
  std::int64_t ldc;
  const T* bias;
  Activation activation;
  bool accumulate;
};

/// The sizes of the blocks, measured: a panel of B, 32 columns x 384, is read from the second-level cache for each
/// chunk of A, 96 x 384, which stays there too; what is packed of B at a time, 2 M floats, fits the third level.
constexpr std::int64_t block_depth = 384, chunk_rows = 96, packed_depth = 8 * block_depth, packed_floats = 1 << 21;

/// Runs the blocks of one task: rows [i, i + rows) x columns [j, j + columns), all depths of `depths`.
struct BlockedProduct {
  InstructionSet set;
  Product<float> p;
  TileShape tile;
  Parts depths;

  explicit BlockedProduct(InstructionSet set, const Product<float>& p)
      : set(set), p(p), tile(tile_of(set)), depths(p.K, block_depth, 8) {}

  /// Few rows do not repay packing B; nor does a B that fits the first-level cache. Packing A repays when many panels
  /// of B read it, or when its rows are a multiple of 2 KB apart and so crowd into few sets of the cache. All ways
  /// compute the same.
  bool packs_b() const { return p.B.col_stride != 1 || (p.M > 2 * tile.rows && p.K * p.N > 4096); }
  bool packs_a() const {
    return p.M >= tile.rows && (p.N > 8 * tile.width || std::max(p.A.row_stride, p.A.col_stride) % 512 == 0);
  }

  /// Packs B[first depth block .. + count, j .. j + columns) so that block d begins at out + begin(d) * padded columns.
  void pack_columns(std::int64_t first, std::int64_t count, std::int64_t j, std::int64_t columns, float* out) const {
    const std::int64_t padded = round_up(columns, tile.width), step = 2 * tile.width;
    const std::int64_t panels = ceil_div(columns, step);
    const std::int64_t grain = std::max<std::int64_t>(1, (1 << 16) / (depths.size * step));
    parallel_for(panels * count, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t t = begin; t < end; ++t) {
        const std::int64_t d = t / panels, jp = t % panels * step, k = depths.begin(first + d);
        const float* b = p.B.data + k * p.B.row_stride + (j + jp) * p.B.col_stride;
        float* to = out + depths.begin(d) * padded + jp * depths.length(first + d);
        pack(set, false, std::min(columns - jp, step), depths.length(first + d), b, p.B.row_stride, p.B.col_stride, to);
      }
    });
  }

  /// C[i .. i + rows, j .. j + columns) with depth block d; `b` is the packed block from column j, or null.
  void multiply(std::int64_t i, std::int64_t rows, std::int64_t j, std::int64_t columns, std::int64_t d,
                const float* b) const {
    const std::int64_t k = depths.begin(d), depth = depths.length(d);
    const bool last = d + 1 == depths.count;
    Block t{rows,
            columns,
            depth,
            p.A.data + i * p.A.row_stride + k * p.A.col_stride,
            p.A.row_stride,
            p.A.col_stride,
            tile.rows * p.A.row_stride,
            b,
            0,
            depth,
            p.C + i * p.ldc + j,
            p.ldc,
            d > 0 || p.accumulate,
            last && p.bias ? p.bias + j : nullptr,
            last ? p.activation : Activation::none};
    if (packs_a()) {
      float* packed = scratch<0>().get<float>(round_up(rows, tile.rows) * depth);
      pack(set, true, rows, depth, t.a, p.A.col_stride, p.A.row_stride, packed);
      t.a = packed, t.a_row = 1, t.a_column = tile.rows, t.a_tile = tile.rows * depth;
    }
    if (!b) { t.b = p.B.data + k * p.B.row_stride + j, t.b_row = p.B.row_stride, t.b_column = 1; }
    multiply_block(set, t);
  }

  /// C[all rows, j .. j + columns): packs B a few depth blocks at a time and cuts C into tasks.
  void run_columns(std::int64_t j, std::int64_t columns, bool pack) const {
    const std::int64_t step = 2 * tile.width, padded = round_up(columns, tile.width);
    const Parts rows(p.M, chunk_rows, tile.rows);
    const std::int64_t per_run = std::max<std::int64_t>(1, packed_depth / depths.size);
    for (std::int64_t d0 = 0; d0 < depths.count; d0 += per_run) {
      const std::int64_t count = std::min(depths.count - d0, per_run);
      float* b = nullptr;
      if (pack) {
        b = scratch<1>().get<float>(depths.size * count * padded);
        pack_columns(d0, count, j, columns, b);
      }
      // A task is at least about 20 us of work; few rows are cut along N as well.
      const std::int64_t tasks = std::clamp<std::int64_t>(p.M * columns * depths.size * count >> 20, 1, 16);
      const Parts across(columns, round_up(ceil_div(columns, std::max<std::int64_t>(1, tasks / rows.count)), step),
                         step);
      const std::int64_t grain = tasks == 1 ? rows.count * across.count : 1;
      parallel_for(rows.count * across.count, grain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t t = begin; t < end; ++t) {
          const std::int64_t r = t / across.count, s = t % across.count, js = across.begin(s);
          for (std::int64_t d = 0; d < count; ++d)
            multiply(rows.begin(r), rows.length(r), j + js, across.length(s), d0 + d,
                     b ? b + depths.begin(d) * padded + js * depths.length(d0 + d) : nullptr);
        }
      });
    }
  }

  void run() const {
    if (packs_b()) {
      const std::int64_t depth = std::min(depths.size * depths.count, packed_depth);
      const Parts wide(p.N, std::max<std::int64_t>(packed_floats / std::max<std::int64_t>(depth, 1), 2 * tile.width),
                       2 * tile.width);
      for (std::int64_t w = 0; w < wide.count; ++w) run_columns(wide.begin(w), wide.length(w), true);
    } else {  // whole vectors are read where they lie, the last columns from a packed panel
      const std::int64_t whole = p.N / tile.width * tile.width;
      if (whole > 0) run_columns(0, whole, false);
      if (whole < p.N) run_columns(whole, p.N - whole, true);
    }
  }
};

/// The product of other number types. Defined in quern/cpu/eigen.hpp: include that for double. It stands apart because
/// its product costs a second or two to compile, which programs that compute in float need not pay.
template <class T>
struct EigenProduct;

/// gemm with the kernels of a given instruction set.
template <class T>
void gemm_with(InstructionSet set, const Product<T>& p);

/// The rows [0, rows) x [0, columns) of a bf16 operand in float, side by side. Rows that overlap in memory (windows of
/// conv1d) overlap in the copy too.
template <class T>
struct WidenedMatrix {
  Tensor<float, 1> memory;
  Matrix<const float> matrix;

  WidenedMatrix(const Matrix<const T>& m, std::int64_t rows, std::int64_t columns) {
    const bool across = m.col_stride == 1;
    const std::int64_t count = across ? rows : columns, length = across ? columns : rows;  // of runs of neighbours
    const std::int64_t step = across ? m.row_stride : m.col_stride, to = std::min(step, length);
    memory = Tensor<float, 1>::empty(Shape<1>{count > 0 ? (count - 1) * to + length : 0});
    matrix = across ? Matrix<const float>{memory.data(), to, 1} : Matrix<const float>{memory.data(), 1, to};
    if (to == step) {
      convert(m.data, memory.data(), memory.size());
    } else if (length > 0) {
      parallel_for(count, row_grain(length), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) convert(m.data + i * step, memory.data() + i * to, length);
      });
    }
  }
};

/// The product of operands that are stored in fewer bits: in float, on copies from the pool, rounded at the end.
template <class T>
void multiply_widened(InstructionSet set, const Product<T>& p) {
  const WidenedMatrix<T> a(p.A, p.M, p.K), b(p.B, p.K, p.N);
  const Widened<T> bias(p.bias, p.bias ? p.N : 0);
  auto c = Tensor<float, 2>::empty({p.M, p.N});
  if (p.accumulate)
    for (std::int64_t i = 0; i < p.M; ++i) convert(p.C + i * p.ldc, c.data() + i * p.N, p.N);
  gemm_with<float>(set, {p.M, p.N, p.K, a.matrix, b.matrix, c.data(), p.N, p.bias ? bias.data() : nullptr, p.activation,
                         p.accumulate});
  parallel_for(p.M, row_grain(p.N), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) convert(c.data() + i * p.N, p.C + i * p.ldc, p.N);
  });
}

template <class T>
void gemm_with(InstructionSet set, const Product<T>& p) {
  require(p.M >= 0 && p.N >= 0 && p.K >= 0, "gemm: sizes must not be negative, got M ", p.M, ", N ", p.N, ", K ", p.K);
  require(p.A.row_stride == 1 || p.A.col_stride == 1, "gemm: one stride of A must be 1, got ", p.A.row_stride, " and ",
          p.A.col_stride);
  require(p.B.row_stride == 1 || p.B.col_stride == 1, "gemm: one stride of B must be 1, got ", p.B.row_stride, " and ",
          p.B.col_stride);
  require(p.ldc >= p.N || p.M <= 1, "gemm: rows of C overlap: ldc is ", p.ldc, ", N is ", p.N);
  if (p.M == 0 || p.N == 0) return;
  if constexpr (std::is_same_v<T, float>) {
    BlockedProduct(set, p).run();
  } else if constexpr (std::is_same_v<T, bf16>) {
    multiply_widened(set, p);
  } else {
    static_cast<void>(set);
    EigenProduct<T>::run(p);  // incomplete? #include <quern/cpu/eigen.hpp>
  }
}

}  // namespace detail

/// C[M, N] = act(A[M, K] B[K, N] + bias[N]), or with `accumulate` C = act(C + A B + bias). C is row-major, its rows
/// `ldc` apart, and must not overlap A or B. `bias` may be null. K = 0 gives bias alone. NaN and infinity propagate.
/// Throws InvalidArgument for negative sizes, an operand without a stride of 1, or ldc < N.
template <class T>
void gemm(std::int64_t M, std::int64_t N, std::int64_t K, Matrix<const T> A, Matrix<const T> B, T* C, std::int64_t ldc,
          const T* bias = nullptr, Activation act = Activation::none, bool accumulate = false) {
  detail::gemm_with<T>(instruction_set(), {M, N, K, A, B, C, ldc, bias, act, accumulate});
}

}  // namespace quern::inline QUERN_ABI::cpu
