/// What this machine can do at best, measured in the process that is being judged: fp32 fma, and copying memory.
///
///   best = std::max(best, bench::fma_gflops(threads()));       // several readings, between those of what is judged
///   bench::Copy copy(24e6);                                    // between buffers of 24 MB together
///   best = std::max(best, copy.gbytes(threads()));
#pragma once
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>
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

/// GFLOP/s of fp32 fma on `count` threads, over a few milliseconds. Take the best of several readings.
inline double fma_gflops(int count) {
  std::vector<double> flops(std::size_t(count), 0.0);
  const double s = seconds_on(count, [&](int t) { flops[std::size_t(t)] = fma_chains(800000); });
  double all = 0;
  for (double f : flops) all += f;
  return all / s * 1e-9;
}

/// GB/s, read and written together, of memcpy between two buffers of `bytes` together, cut among `count` threads.
class Copy {
 public:
  explicit Copy(double bytes) : from_(std::max<std::size_t>(std::size_t(bytes) / 2, 4096), 1), to_(from_.size(), 2) {}

  /// One reading, of at least a millisecond or so. Take the best of several.
  double gbytes(int count) {
    const std::size_t part = from_.size() / std::size_t(count),
                      repeats = std::max<std::size_t>(1, (std::size_t{16} << 20) / from_.size());
    const double s = seconds_on(count, [&](int t) {
      for (std::size_t r = 0; r < repeats; ++r) {
        std::memcpy(to_.data() + std::size_t(t) * part, from_.data() + std::size_t(t) * part, part);
        benchmark::ClobberMemory();
      }
    });
    return 2.0 * double(part) * double(count) * double(repeats) / s * 1e-9;
  }

 private:
  std::vector<char> from_, to_;
};

}  // namespace quern::bench
