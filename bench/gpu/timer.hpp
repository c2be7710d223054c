/// Times of what a device does, by its own clock: events around repeated calls, after a warm-up. On the emulator the
/// host's clock stands in, so that everything can be rehearsed without a GPU; such times say nothing.
///
///   Timer timer;
///   const double us = timer.microseconds([&] { (void)softmax(x); });     // of one call: the median of the rounds
#pragma once
#include <algorithm>
#include <chrono>
#include <vector>

#include <quern/cuda/runtime.hpp>
#if defined(QUERN_BENCH_CUDA)
#include <cuda_runtime.h>
#endif

namespace bench {
using namespace quern;

struct TimerOptions {
  int rounds = 15;
  double round_microseconds = 2000;  // calls are repeated until a round takes about so long
};

class Timer {
 public:
  explicit Timer(const TimerOptions& options = {}) : options_(options) {
#if defined(QUERN_BENCH_CUDA)
    cudaEventCreate(&begin_), cudaEventCreate(&end_);
#endif
  }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() {
#if defined(QUERN_BENCH_CUDA)
    cudaEventDestroy(begin_), cudaEventDestroy(end_);
#endif
  }

  /// Calls f in turn with 0, 1, 2, …: a call may take other memory each time, so that nothing is found in the cache.
  template <class F>
  double microseconds(F&& f) {
    int next = 0;
    const double first = std::max(0.5, round(f, 2, next) / 2);
    const int calls = cuda::is_emulated() ? 1 : std::clamp(int(options_.round_microseconds / first), 2, 2000);
    std::vector<double> times;
    for (int r = 0; r < (cuda::is_emulated() ? 1 : options_.rounds); ++r)
      times.push_back(round(f, calls, next) / calls);
    std::nth_element(times.begin(), times.begin() + std::ptrdiff_t(times.size() / 2), times.end());
    return times[times.size() / 2];
  }

 private:
  template <class F>
  double round(F& f, int calls, int& next) {
#if defined(QUERN_BENCH_CUDA)
    const auto stream = static_cast<cudaStream_t>(cuda::current_stream());
    cudaEventRecord(begin_, stream);
    for (int i = 0; i < calls; ++i) f(next++);
    cudaEventRecord(end_, stream);
    cuda::synchronize();
    float milliseconds = 0;
    cudaEventElapsedTime(&milliseconds, begin_, end_);
    return 1e3 * double(milliseconds);
#else
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < calls; ++i) f(next++);
    cuda::synchronize();
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
#endif
  }

  TimerOptions options_;
#if defined(QUERN_BENCH_CUDA)
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
#endif
};

}  // namespace bench
