/// Golden vectors: what every PTX wrapper gives each lane on fixed inputs, as hardware gave it. The emulator's models
/// and the kernels' index code come from one reading of the manual; only these break the circle.
///
///   QUERN_RECORD_GOLDENS=tests/goldens/ptx test_kernels_cuda --source-file='*goldens*'       # on a GPU: writes them
///   test_kernels_emulated --source-file='*goldens*'                                          # compares with them
///
/// A file's first line names the device; then come one line a thread, words in hexadecimal. Words of floats may differ
/// by rounding: tensor cores add in an order of their own.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "goldens.hpp"
#include "kernels/device/memory.cuh"
#include "kernels/device/pipeline.cuh"
#include "kernels/device/warp.cuh"
#include "kernels/device/wgmma.cuh"
#include "on_device.hpp"

using namespace test;

namespace {

/// Fixed bits for input i: those of bf16, fp16 or float numbers between -2 and 2.
__device__ Word mixed(Word i) {
  i = (i ^ 61) ^ i >> 16;
  i *= 9;
  i = (i ^ i >> 4) * 0x27d4eb2d;
  return i ^ i >> 15;
}
__device__ std::uint16_t bf16_input(Word i) { return std::uint16_t((mixed(i) & 0x80ff) | 0x3f00); }  // 0.5 … 2
__device__ std::uint16_t fp16_input(Word i) { return std::uint16_t((mixed(i) & 0x87ff) | 0x3800); }
__device__ Word tf32_input(Word i) { return (mixed(i) & 0x80ffffff) | 0x3f000000; }
template <class T>
__device__ std::uint16_t input(Word i) {
  return std::is_same_v<T, bf16> ? bf16_input(i) : fp16_input(i);
}
__device__ Word bits(float x) { return __float_as_uint(x); }

// Each kernel: one warp or warpgroup, `words` words for each thread.

__global__ void shuffle(Word* y) {
  const Word lane = threadIdx.x, v = mixed(lane);
  Word* row = y + 8 * lane;
  row[0] = __shfl_sync(full_mask, v, int(lane * 5 % 32));
  row[1] = __shfl_sync(full_mask, v, 13, 8);
  row[2] = __shfl_up_sync(full_mask, v, 3, 16);
  row[3] = __shfl_down_sync(full_mask, v, 6);
  row[4] = __shfl_xor_sync(full_mask, v, 9);
  row[5] = lane % 3 ? 0 : __shfl_xor_sync(0x49249249u, v, 3);
  row[6] = __ballot_sync(full_mask, v & 1);
  row[7] = Word(__any_sync(full_mask, v == 0) + 2 * __all_sync(full_mask, v != 0));
}

__global__ void round_to_tf32(Word* y) {
  for (int i = 0; i < 8; ++i) y[8 * threadIdx.x + i] = to_tf32(__uint_as_float(tf32_input(8 * threadIdx.x + i)));
}

struct Matrices {
  alignas(16) std::uint16_t x[32][8];
};
template <bool transposed>
__global__ void load_matrix(Word* y) {
  auto& s = shared_memory<Matrices>();
  const int lane = lane_of_thread();
  for (int i = 0; i < 8; ++i) s.x[lane][i] = std::uint16_t(100 * lane + i);
  __syncwarp();
  Word one[1], two[2], four[4], *row = y + 7 * lane;
  if constexpr (transposed)
    ldmatrix_transposed(one, s.x[lane]), ldmatrix_transposed(two, s.x[lane]), ldmatrix_transposed(four, s.x[lane]);
  else
    ldmatrix(one, s.x[lane]), ldmatrix(two, s.x[lane]), ldmatrix(four, s.x[lane]);
  row[0] = one[0], row[1] = two[0], row[2] = two[1];
  for (int i = 0; i < 4; ++i) row[3 + i] = four[i];
}

template <class T>
__global__ void multiply(Word* y) {
  const Word lane = threadIdx.x;
  Word a[4], b[2];
  for (Word i = 0; i < 6; ++i) {
    const Word at = 2 * (6 * lane + i);
    const Word word = std::is_same_v<T, tf32_bits> ? to_tf32(__uint_as_float(tf32_input(at)))
                                                   : input<T>(at) | Word(input<T>(at + 1)) << 16;
    (i < 4 ? a[i] : b[i - 4]) = word;
  }
  float d[4];
  for (Word i = 0; i < 4; ++i) d[i] = float(lane) - float(i);
  mma<T>(d, a, b);
  for (int i = 0; i < 4; ++i) y[4 * lane + i] = bits(d[i]);
}

struct Copies {
  alignas(16) Word x[6][128];
};
__global__ void copy(const Word* x, Word* y) {
  auto& s = shared_memory<Copies>();
  const int t = int(threadIdx.x);
  for (int k = 0; k < 6; ++k)
    for (int i = 0; i < 4; ++i) s.x[k][4 * t + i] = 7;
  cp_async<16>(&s.x[0][4 * t], x + 4 * t);
  cp_async<8>(&s.x[1][4 * t], x + 4 * t);
  cp_async<4>(&s.x[2][4 * t], x + 4 * t);
  cp_async_or_zero<16>(&s.x[3][4 * t], x + 4 * t, t % 17);
  cp_async_or_zero<8>(&s.x[4][4 * t], x + 4 * t, t % 9);
  cp_async_or_zero<4>(&s.x[5][4 * t], x + 4 * t, t % 5);
  cp_async_commit();
  cp_async_wait<0>();
  for (int k = 0; k < 6; ++k)
    for (int i = 0; i < 4; ++i) y[24 * t + 4 * k + i] = s.x[k][4 * t + i];
}

struct Tiles {
  alignas(1024) Word swizzled[8][32], plain[8][16];
  MBarrier full;
};
/// The bytes of both tiles as they lie in shared memory; then the swizzled one is stored somewhere else.
__global__ void tiles(const __grid_constant__ TensorMap from, const __grid_constant__ TensorMap plain,
                      const __grid_constant__ TensorMap to, int column, int row, Word* y) {
  auto& s = shared_memory<Tiles>();
  if (threadIdx.x == 0) {
    mbarrier_init(s.full, 1);
    fence_mbarrier_init();
    mbarrier_arrive_expect(s.full, sizeof s.swizzled + sizeof s.plain);
    tma_load(s.swizzled, from, s.full, column, row);
    tma_load(s.plain, plain, s.full, column, row);
  }
  __syncwarp();
  mbarrier_wait(s.full, 0);
  for (int i = 0; i < 8; ++i) y[12 * threadIdx.x + i] = (&s.swizzled[0][0])[8 * threadIdx.x + i];
  for (int i = 0; i < 4; ++i) y[12 * threadIdx.x + 8 + i] = (&s.plain[0][0])[4 * threadIdx.x + i];
  __syncwarp();
  if (threadIdx.x == 0) {
    tma_store(to, s.swizzled, column, row);
    tma_store_commit();
    tma_store_wait<0>();
  }
}

template <int columns>
struct Operands {
  alignas(1024) std::uint16_t a[64 * 64], b[columns * 64];
};
/// Shared memory is filled byte by byte, without a thought for the swizzle: so the layout itself is what is recorded.
template <class T, int columns, int every>
__global__ void __launch_bounds__(128) multiply_wide(Word* y) {
  auto& s = shared_memory<Operands<columns>>();
  const int t = int(threadIdx.x);
  for (int i = t; i < 64 * 64; i += 128) s.a[i] = input<T>(Word(i));
  for (int i = t; i < columns * 64; i += 128) s.b[i] = input<T>(Word(i + 5000));
  fence_proxy_async();
  __syncthreads();
  float d[columns / 2];
  for (int i = 0; i < columns / 2; ++i) d[i] = float(t);
  wgmma_fence(d);
  for (int k = 0; k < 64; k += 16) wgmma<T, columns>(d, wgmma_descriptor(s.a + k), wgmma_descriptor(s.b + k), true);
  wgmma_commit();
  wgmma_wait<0>(d);
  for (int i = 0; i < columns / 2; i += every) y[columns / 2 / every * t + i / every] = bits(d[i]);
}

const std::filesystem::path folder = std::filesystem::path(QUERN_SOURCE_DIR) / "tests/goldens/ptx";

/// Records or compares; runs the kernel in any case.
struct Wrapper {
  std::string name;
  int threads, words;
  bool floats;
  std::function<void(Word*)> run;

  Golden result() const {
    OnDevice<Word> y(std::vector<Word>(std::size_t(threads) * std::size_t(words)));
    run(y.data());
    const auto all = y.back();
    Golden g{cuda::devices().front().name, {}};
    for (int t = 0; t < threads; ++t) g.lines.emplace_back(all.begin() + t * words, all.begin() + (t + 1) * words);
    return g;
  }
};

void check(const Wrapper& wrapper) {
  const Golden got = wrapper.result();
  REQUIRE(got.lines.size() == std::size_t(wrapper.threads));
  if (const char* to = std::getenv("QUERN_RECORD_GOLDENS")) {
    std::filesystem::create_directories(to);
    std::ofstream(std::filesystem::path(to) / (wrapper.name + ".txt")) << text_of_golden(got);
    return;
  }
  std::ifstream file(folder / (wrapper.name + ".txt"));
  if (!file) {
    MESSAGE("skipped: golden vectors of ", wrapper.name, " have not been recorded on hardware");
    return;
  }
  std::stringstream text;
  text << file.rdbuf();
  const Golden golden = parsed(text.str());
  CHECK_MESSAGE(golden.device != "emulator", wrapper.name, ": what the emulator gave proves nothing about it");
  const std::string wrong = difference(golden, got, wrapper.floats);
  CHECK_MESSAGE(wrong.empty(), wrapper.name, " (", golden.device, "): ", wrong);
}

template <class T, int columns, int every>
Wrapper wide(const char* name) {
  return {name, 128, columns / 2 / every, true, [](Word* y) {
            launch("multiply_wide", multiply_wide<T, columns, every>,
                   {.block = {128}, .shared = sizeof(Operands<columns>)}, y);
          }};
}

template <class F>
Wrapper warp(const char* name, int words, bool floats, F kernel, std::size_t shared = 0) {
  return {name, 32, words, floats, [=](Word* y) { launch(name, kernel, {.block = {32}, .shared = shared}, y); }};
}

std::vector<Word> counted(int n) {
  std::vector<Word> x(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) x[std::size_t(i)] = Word(i) * 0x01010101u + 1;
  return x;
}

}  // namespace

TEST_CASE("shuffles and conversions") {
  check(warp("shuffle", 8, false, shuffle));
  check(warp("to_tf32", 8, false, round_to_tf32));
}

TEST_CASE("ldmatrix") {
  check(warp("ldmatrix", 7, false, load_matrix<false>, sizeof(Matrices)));
  check(warp("ldmatrix_transposed", 7, false, load_matrix<true>, sizeof(Matrices)));
}

TEST_CASE("mma.sync") {
  check(warp("mma_bf16", 4, true, multiply<bf16>));
  check(warp("mma_fp16", 4, true, multiply<fp16_bits>));
  check(warp("mma_tf32", 4, true, multiply<tf32_bits>));
}

TEST_CASE("cp.async") {
  check({"cp_async", 32, 24, false, [](Word* y) {
           OnDevice<Word> x(counted(128));
           launch("copy", copy, {.block = {32}, .shared = sizeof(Copies)}, x.data(), y);
         }});
}

TEST_CASE("TMA") {
  if (!has_hopper()) {
    MESSAGE("skipped: TMA needs sm_90");
    return;
  }
  for (auto [name, column, row] :
       {std::tuple{"tma_inside", 4, 2}, {"tma_across_the_edge", 20, 12}, {"tma_before", -4, -1}}) {
    check({name, 32, 12 + 24, false, [column = column, row = row](Word* y) {
             const int rows = 16, columns = 48;  // 768 words: 24 a lane
             std::vector<float> numbers;
             for (Word word : counted(rows * columns)) numbers.push_back(__builtin_bit_cast(float, word & 0x3fffffffu));
             OnDevice<float> x(numbers), moved(std::vector<float>(numbers.size()));
             OnDevice<Word> seen(std::vector<Word>(32 * 12));
             launch("tiles", tiles, {.block = {32}, .shared = sizeof(Tiles)},
                    make_tensor_map(x.data(), rows, columns, 8, 32),
                    make_tensor_map(x.data(), rows, columns, 8, 16, false),
                    make_tensor_map(moved.data(), rows, columns, 8, 32), column, row, seen.data());
             const auto tile = seen.back();
             const auto stored = moved.back();
             std::vector<Word> all;
             for (int lane = 0; lane < 32; ++lane) {
               all.insert(all.end(), tile.begin() + 12 * lane, tile.begin() + 12 * (lane + 1));
               for (int i = 0; i < 24; ++i) all.push_back(__builtin_bit_cast(Word, stored[std::size_t(24 * lane + i)]));
             }
             cuda::copy_to_device(y, all.data(), all.size() * sizeof(Word), 0);
           }});
  }
}

TEST_CASE("wgmma") {
  if (!has_hopper()) {
    MESSAGE("skipped: wgmma needs sm_90a");
    return;
  }
  check(wide<bf16, 64, 1>("wgmma_bf16_64"));
  check(wide<fp16_bits, 64, 1>("wgmma_fp16_64"));
  check(wide<bf16, 96, 4>("wgmma_bf16_96"));
  check(wide<bf16, 128, 4>("wgmma_bf16_128"));
  check(wide<bf16, 192, 4>("wgmma_bf16_192"));
  check(wide<bf16, 256, 8>("wgmma_bf16_256"));
}

TEST_CASE("a golden vector that differs is found") {
  const Wrapper product = warp("mma_bf16", 4, true, multiply<bf16>), moved = warp("shuffle", 8, false, shuffle);
  const Golden floats = product.result(), words = moved.result();
  CHECK(difference(parsed(text_of_golden(floats)), floats, true) == "");
  CHECK(difference(parsed(text_of_golden(words)), words, false) == "");
  Golden wrong = words;
  wrong.lines[3][2] ^= 1;
  CHECK(difference(wrong, words, false).find("thread 3, word 2: ") == 0);
  wrong = floats;
  wrong.lines[31][1] ^= 1;  // rounding
  CHECK(difference(wrong, floats, true) == "");
  wrong.lines[31][1] ^= 1 << 20;
  CHECK(difference(wrong, floats, true).find("thread 31, word 1: ") == 0);
  wrong.lines.pop_back();
  CHECK(difference(wrong, floats, true) == "31 threads, got 32");
}
