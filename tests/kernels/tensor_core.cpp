/// device/{mma,wgmma}.cuh against loops.
#include <cmath>

#include "kernels/device/memory.cuh"
#include "kernels/device/pipeline.cuh"
#include "kernels/device/warp.cuh"
#include "kernels/device/wgmma.cuh"
#include "on_device.hpp"

using namespace test;

namespace {

struct MatrixShared {
  alignas(16) std::uint16_t x[32][8];
};

/// ldmatrix of 1, 2 and 4 matrices, straight and transposed.
__global__ void load_matrices(const std::uint16_t* x, std::uint32_t* y) {
  auto& s = shared_memory<MatrixShared>();
  const int lane = lane_of_thread();
  for (int i = 0; i < 8; ++i) s.x[lane][i] = x[8 * lane + i];
  __syncwarp();
  const auto put = [&]<int n>(const std::uint32_t(&fragment)[n], int at) {
    for (int i = 0; i < n; ++i) y[32 * (at + i) + lane] = fragment[i];
  };
  std::uint32_t one[1], two[2], four[4];
  ldmatrix(one, s.x[lane % 8]), put(one, 0);
  ldmatrix(two, s.x[lane % 16]), put(two, 1);
  ldmatrix(four, s.x[lane]), put(four, 3);
  ldmatrix_transposed(one, s.x[lane % 8]), put(one, 7);
  ldmatrix_transposed(two, s.x[lane % 16]), put(two, 8);
  ldmatrix_transposed(four, s.x[lane]), put(four, 10);
}

/// d [16, 8] = 1 + a · b with fragments as the caller lays them out.
template <class T>
__global__ void one_product(const std::uint32_t* a, const std::uint32_t* b, float* d) {
  const int lane = lane_of_thread();
  const std::uint32_t fa[4] = {a[lane], a[32 + lane], a[64 + lane], a[96 + lane]}, fb[2] = {b[lane], b[32 + lane]};
  float fd[4] = {1, 1, 1, 1};
  mma<T>(fd, fa, fb);
  for (int i = 0; i < 4; ++i) d[32 * i + lane] = fd[i];
}

template <int columns>
struct WideShared {
  alignas(1024) std::uint16_t a[64][64];
  alignas(1024) std::uint16_t b[columns][64];
};

/// d [64, columns] = a [64, 64] · b [columns, 64]ᵀ by one warpgroup, twice added up.
template <class T, int columns>
__global__ void __launch_bounds__(128) wide_product(const std::uint16_t* a, const std::uint16_t* b, float* d) {
  auto& s = shared_memory<WideShared<columns>>();
  const int t = int(threadIdx.x);
  const auto put = [&](std::uint16_t(*tile)[64], const std::uint16_t* x, int rows) {
    for (int i = t; i < rows * 64; i += 128) {
      const int r = i / 64, c = i % 64;
      tile[r][8 * (c / 8 ^ r % 8) + c % 8] = x[i];
    }
  };
  put(s.a, a, 64), put(s.b, b, columns);
  fence_proxy_async();
  __syncthreads();
  float fd[columns / 2];
  wgmma_fence(fd);
  for (int k = 0; k < 64; k += 16)
    wgmma<T, columns>(fd, wgmma_descriptor(&s.a[0][k]), wgmma_descriptor(&s.b[0][k]), k > 0);
  wgmma_commit();
  for (int k = 0; k < 64; k += 16)
    wgmma<T, columns>(fd, wgmma_descriptor(&s.a[0][k]), wgmma_descriptor(&s.b[0][k]), true);
  wgmma_commit();
  wgmma_wait<0>(fd);
  for (int i = 0; i < columns / 2; ++i)
    d[(16 * (t / 32) + t % 32 / 4 + 8 * (i / 2 % 2)) * columns + 8 * (i / 4) + 2 * (t % 4) + i % 2] = fd[i];
}

/// Small whole numbers, which every type holds exactly, and so their sums of products.
std::vector<int> whole(std::size_t n, unsigned seed) {
  std::vector<int> x(n);
  for (int& v : x) {
    seed = seed * 1664525u + 1013904223u;
    v = int(seed >> 20) % 17 - 8;
  }
  return x;
}

std::uint16_t half_of(int x) {  // |x| <= 8
  if (x == 0) return 0;
  const int size = std::abs(x), power = int(std::log2(size));
  return std::uint16_t((x < 0) << 15 | (power + 15) << 10 | (size - (1 << power)) << (10 - power));
}

template <class T>
std::uint32_t bits_of(int x) {
  if constexpr (std::is_same_v<T, bf16>) return bf16(float(x)).bits;
  if constexpr (std::is_same_v<T, fp16_bits>) return half_of(x);
  if constexpr (std::is_same_v<T, tf32_bits>) return to_tf32(float(x));
}

template <class T>
void expect_one_product() {
  constexpr bool pairs = !std::is_same_v<T, tf32_bits>;
  constexpr int k = pairs ? 16 : 8;
  const auto a = whole(16 * k, 1), b = whole(k * 8, 2);
  std::vector<std::uint32_t> fa(128), fb(64);
  for (int lane = 0; lane < 32; ++lane) {  // as the PTX manual draws them
    const int group = lane / 4, in_group = lane % 4;
    for (int r = 0; r < 4; ++r) {
      const int row = group + 8 * (r % 2);
      const auto at = [&](int column) { return bits_of<T>(a[row * k + column]); };
      const int column = in_group + 4 * (r / 2);
      fa[32 * r + lane] =
          pairs ? at(2 * in_group + 8 * (r / 2)) | at(2 * in_group + 8 * (r / 2) + 1) << 16 : at(column);
    }
    for (int r = 0; r < 2; ++r) {
      const auto at = [&](int row) { return bits_of<T>(b[row * 8 + group]); };
      fb[32 * r + lane] = pairs ? at(2 * in_group + 8 * r) | at(2 * in_group + 8 * r + 1) << 16 : at(in_group + 4 * r);
    }
  }
  OnDevice<std::uint32_t> da(fa), db(fb);
  OnDevice<float> d(std::vector<float>(128));
  launch("one_product", one_product<T>, {.block = {32}}, da.data(), db.data(), d.data());
  const auto y = d.back();
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i) {
      const int m = lane / 4 + 8 * (i / 2), n = 2 * (lane % 4) + i % 2;
      int sum = 1;
      for (int l = 0; l < k; ++l) sum += a[m * k + l] * b[l * 8 + n];
      CHECK(y[32 * i + lane] == sum);
    }
}

template <class T, int columns>
void expect_wide_product() {
  const auto a = whole(64 * 64, 3), b = whole(columns * 64, 4);
  std::vector<std::uint16_t> wa, wb;
  for (int v : a) wa.push_back(std::uint16_t(bits_of<T>(v)));
  for (int v : b) wb.push_back(std::uint16_t(bits_of<T>(v)));
  OnDevice<std::uint16_t> da(wa), db(wb);
  OnDevice<float> d(std::vector<float>(64 * columns));
  launch("wide_product", wide_product<T, columns>, {.block = {128}, .shared = sizeof(WideShared<columns>)}, da.data(),
         db.data(), d.data());
  const auto y = d.back();
  int wrong = 0;
  for (int m = 0; m < 64; ++m)
    for (int n = 0; n < columns; ++n) {
      int sum = 0;
      for (int k = 0; k < 64; ++k) sum += 2 * a[m * 64 + k] * b[n * 64 + k];
      wrong += y[m * columns + n] != float(sum);
    }
  CHECK_MESSAGE(wrong == 0, columns);
}

}  // namespace

TEST_CASE("ldmatrix hands out rows, or columns") {
  std::vector<std::uint16_t> x(32 * 8);
  for (int i = 0; i < 256; ++i) x[i] = std::uint16_t(i + 1);
  OnDevice<std::uint16_t> in(x);
  OnDevice<std::uint32_t> out(std::vector<std::uint32_t>(14 * 32));
  launch("load_matrices", load_matrices, {.block = {32}, .shared = sizeof(MatrixShared)}, in.data(), out.data());
  const auto y = out.back();
  const auto element = [&](int matrix, int row, int column) {
    return std::uint32_t(x[(8 * matrix + row) * 8 + column]);
  };
  for (int lane = 0; lane < 32; ++lane)
    for (auto [first, count] : {std::pair{0, 1}, {1, 2}, {3, 4}})
      for (int m = 0; m < count; ++m) {
        const int i = lane / 4, j = 2 * (lane % 4);
        CHECK(y[32 * (first + m) + lane] == (element(m, i, j) | element(m, i, j + 1) << 16));
        CHECK(y[32 * (7 + first + m) + lane] == (element(m, j, i) | element(m, j + 1, i) << 16));
      }
}

TEST_CASE("mma.sync of bf16, fp16 and tf32") {
  expect_one_product<bf16>();
  expect_one_product<fp16_bits>();
  expect_one_product<tf32_bits>();
}

TEST_CASE("wgmma of every width") {
  if (!has_hopper()) {
    MESSAGE("skipped: wgmma needs sm_90a");
    return;
  }
  expect_wide_product<bf16, 64>();
  expect_wide_product<bf16, 96>();
  expect_wide_product<bf16, 128>();
  expect_wide_product<bf16, 192>();
  expect_wide_product<bf16, 256>();
  expect_wide_product<fp16_bits, 64>();
  expect_wide_product<fp16_bits, 256>();
}

#if !defined(__CUDACC__)
TEST_CASE("to_tf32 rounds to the nearest, ties away from 0") {
  const auto rounded = [](float x) { return __builtin_bit_cast(float, to_tf32(x)); };
  CHECK(rounded(1) == 1);
  CHECK(rounded(1 + 0x1p-11f) == 1 + 0x1p-10f);
  CHECK(rounded(-1 - 0x1p-11f) == -1 - 0x1p-10f);
  CHECK(rounded(1 + 0x1.8p-12f) == 1);
  CHECK(std::isinf(rounded(INFINITY)));
  CHECK(std::isnan(rounded(NAN)));
}
#endif
