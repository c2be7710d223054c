/// What this machine can do at best, measured in the process that is being judged: fp32 fma, and copying memory.
///
///   const double gflops = bench::peak_gflops(threads());
///   const double gbytes = bench::copy_gbytes(threads(), 24e6);     // of a copy whose two sides are 24 MB together
#pragma once
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include <quern/cpu/vec.hpp>

namespace quern::bench {

/// Seconds that f() takes.
inline double seconds(auto&& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Seconds that `count` threads take for f(thread) side by side, the calling one among them.
inline double seconds_on(int count, auto&& f) {
  return seconds([&] {
    std::vector<std::thread> others;
    for (int t = 1; t < count; ++t) others.emplace_back([&f, t] { f(t); });
    f(0);
    for (auto& o : others) o.join();
  });
}

/// Nothing but fma in registers: 12 independent chains, enough to fill two units of latency 4 or 5.
inline double fma_chains(int rounds) {
  constexpr int chains = 12;
  double flops = 0;
  float start = 0.5f, result = 0;
  benchmark::DoNotOptimize(start);  // a compiler must not find that a chain stands still
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
  benchmark::DoNotOptimize(result);
  return flops;
}

/// GFLOP/s of fp32 fma on `count` threads: the best of a few runs of some milliseconds, measured once.
inline double peak_gflops(int count) {
  static std::map<int, double> known;
  double& best = known[count];
  if (best == 0)
    for (int i = 0; i < 8; ++i) {
      std::vector<double> flops(std::size_t(count), 0.0);
      const double s = seconds_on(count, [&](int t) { flops[std::size_t(t)] = fma_chains(1000000); });
      double all = 0;
      for (double f : flops) all += f;
      best = std::max(best, all / s * 1e-9);
    }
  return best;
}

/// GB/s, read and written together, of memcpy between two buffers of `bytes` together, cut among `count` threads.
inline double copy_gbytes(int count, double bytes) {
  static std::map<std::pair<int, std::size_t>, double> known;
  const std::size_t half = std::max<std::size_t>(std::size_t(bytes) / 2, 4096), part = half / std::size_t(count);
  double& best = known[{count, half}];
  if (best > 0) return best;
  std::vector<char> from(half, 1), to(half, 2);
  const std::size_t repeats = std::max<std::size_t>(1, (std::size_t{16} << 20) / half);
  for (int i = 0; i < 6; ++i) {
    const double s = seconds_on(count, [&](int t) {
      for (std::size_t r = 0; r < repeats; ++r) {
        std::memcpy(to.data() + std::size_t(t) * part, from.data() + std::size_t(t) * part, part);
        benchmark::ClobberMemory();
      }
    });
    best = std::max(best, 2.0 * double(part) * double(count) * double(repeats) / s * 1e-9);
  }
  return best;
}

}  // namespace quern::bench
