/// Speed of cpu::gemm in fp32 beside the machine's peak, measured in the same run by a loop of fma alone.
///
///   g++ -std=c++20 -O2 -I include bench/cpu/gemm.cpp -lbenchmark -lpthread -o gemm && ./gemm
///   --benchmark_filter=threads:1
///
/// Before a time is taken, rows of the result spread over C are compared with a product in double; a wrong result is
/// reported as an error instead of a time. Figures are those of the fastest repetition: GFLOP/s, and percent of the
/// peak of as many threads.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cmath>
#include <vector>

#include <quern/cpu/gemm.hpp>

namespace {

using namespace quern;
using quern::cpu::Matrix;

struct Sizes {
  const char* name;
  std::int64_t M, K, N;
  bool transpose_a, transpose_b;
  std::int64_t a_row = 0;  // if not 0: rows of A overlap, as the windows of conv1d
};

constexpr Sizes shapes[] = {
    {"nn", 1024, 1024, 1024, false, false},
    {"nn", 2048, 384, 384, false, false},
    {"nn", 2048, 384, 1536, false, false},
    {"nn", 2048, 1536, 384, false, false},
    {"nn", 2048, 768, 768, false, false},
    {"nn", 2048, 768, 3072, false, false},
    {"nn", 2048, 3072, 768, false, false},
    {"nn", 4096, 384, 384, false, false},
    {"nn", 4096, 384, 1536, false, false},
    {"nn", 4096, 1536, 384, false, false},
    {"nn", 4096, 768, 768, false, false},
    {"nn", 4096, 768, 3072, false, false},
    {"nn", 4096, 3072, 768, false, false},
    {"nt", 4096, 384, 1536, false, true},
    {"tn", 4096, 384, 1536, true, false},
    {"nt", 2048, 768, 3072, false, true},
    {"tn", 2048, 768, 3072, true, false},
    {"conv", 3350, 900, 100, false, false, 300},
    {"conv", 3350, 1200, 100, false, false, 300},
    {"conv", 3350, 1500, 100, false, false, 300},
    {"conv_nt", 3350, 1500, 100, false, true, 300},
    {"conv_dw", 1500, 3350, 100, true, false, 300},
    {"small", 50, 300, 2, false, true},
    {"small", 1, 16, 32, false, false},
    {"small", 1, 300, 2, false, true},
    {"small", 1, 384, 1536, false, true},
};

double seconds(auto&& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// GFLOP/s of one thread doing nothing but fma in registers, for about a millisecond.
double peak_gflops() {
  constexpr int chains = 12, rounds = 100000;
  double flops = 0;
  float start = 0.5f, result = 0;
  benchmark::DoNotOptimize(start);  // a compiler must not find that a chain stands still
  const double s = seconds([&] {
    cpu::simd([&]<class V>(V) {
      V sum[chains];
      const V a(0.999f), b(1e-3f);
      for (int i = 0; i < chains; ++i) sum[i] = V(start + float(i));
      for (int r = 0; r < rounds; ++r)
#pragma GCC unroll 12
        for (int i = 0; i < chains; ++i) sum[i] = sum[i].fma(a, b);
      for (int i = 0; i < chains; ++i) result += sum[i].sum();
      flops = 2.0 * chains * rounds * V::width;
    });
  });
  benchmark::DoNotOptimize(result);
  return flops / s * 1e-9;
}

/// The largest |c - reference| over a bound of 4 + sqrt(K) units in the last place of the sum of |a b|, on rows spread
/// over C.
double worst_error(const Sizes& s, Matrix<const float> A, Matrix<const float> B, const std::vector<float>& c) {
  double worst = 0;
  const std::int64_t rows = std::min<std::int64_t>(s.M, 13);
  std::vector<double> sum(s.N), size(s.N);
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t i = rows == 1 ? 0 : r * (s.M - 1) / (rows - 1);
    sum.assign(s.N, 0), size.assign(s.N, 0);
    for (std::int64_t k = 0; k < s.K; ++k)
      for (std::int64_t j = 0; j < s.N; ++j) {
        const double t =
            double(A.data[i * A.row_stride + k * A.col_stride]) * B.data[k * B.row_stride + j * B.col_stride];
        sum[j] += t, size[j] += std::abs(t);
      }
    for (std::int64_t j = 0; j < s.N; ++j) {
      const double bound = (4 + std::sqrt(double(s.K))) * 6e-8 * size[j] + 1e-30,
                   error = std::abs(sum[j] - c[i * s.N + j]) / bound;
      if (!(error <= worst)) worst = error;
    }
  }
  return worst;
}

void measure(benchmark::State& state, const Sizes& s, int thread_count) {
  set_threads(thread_count);
  const std::int64_t a_row = s.a_row ? s.a_row : s.K;
  std::vector<float> a(s.transpose_a && !s.a_row ? s.M * s.K : std::max(s.M, s.K) * a_row + s.K + s.M), b(s.K * s.N),
      c(s.M * s.N);
  std::uint32_t random = 1;
  for (auto* v : {&a, &b})
    for (float& x : *v) x = float(int((random = random * 1664525u + 1013904223u) >> 8) - (1 << 23)) / (1 << 23);
  const Matrix<const float> A = s.transpose_a ? Matrix<const float>{a.data(), 1, s.a_row ? s.a_row : s.M}
                                              : Matrix<const float>{a.data(), a_row, 1};
  const Matrix<const float> B =
      s.transpose_b ? Matrix<const float>{b.data(), 1, s.K} : Matrix<const float>{b.data(), s.N, 1};
  auto run = [&] { cpu::gemm<float>(s.M, s.N, s.K, A, B, c.data(), s.N); };

  run();
  if (const double error = worst_error(s, A, B, c); !(error <= 1)) {
    state.SkipWithError("the result differs from the product in double");
    return;
  }
  const double flops = 2.0 * double(s.M) * double(s.N) * double(s.K);
  const int calls = int(std::max(1.0, 2e6 / flops));
  double best = 1e30, peak = 0;
  for (auto _ : state) {
    const double t = seconds([&] {
                       for (int i = 0; i < calls; ++i) run();
                     }) /
                     calls;
    best = std::min(best, t);
    peak = std::max(peak, peak_gflops());
    state.SetIterationTime(t);
  }
  state.counters["us"] = best * 1e6;
  state.counters["GFLOP/s"] = flops / best * 1e-9;
  state.counters["peak"] = peak * thread_count;
  state.counters["%"] = 100 * flops / best * 1e-9 / (peak * thread_count);
}

}  // namespace

int main(int argc, char** argv) {
  for (int threads : {1, 2})
    for (const Sizes& s : shapes)
      benchmark::RegisterBenchmark(text_of(s.name, "/", s.M, "x", s.K, "x", s.N, "/threads:", threads).c_str(),
                                   [&s, threads](benchmark::State& state) { measure(state, s, threads); })
          ->UseManualTime()
          ->Unit(benchmark::kMicrosecond)
          ->Iterations(s.M * s.N * s.K > 1 << 26 ? 12 : 60);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
