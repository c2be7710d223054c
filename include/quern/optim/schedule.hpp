/// Learning rates over steps: a schedule is any function of the step, counted from 0.
///
///   LinearWarmup rate{.peak = 1e-3, .warmup = 100, .total = 2000};
///   adam.options.rate = rate(step);
#pragma once
#include <algorithm>
#include <cstdint>

#include <quern/base/config.hpp>

namespace quern::inline QUERN_ABI {

/// The same rate at every step.
struct ConstantRate {
  double rate = 1e-3;
  double operator()(std::int64_t) const { return rate; }
};

/// Up from peak/warmup to `peak` in `warmup` steps, then in a straight line to 0 at step `total`; without a total it
/// stays at the peak.
struct LinearWarmup {
  double peak = 1e-3;
  std::int64_t warmup = 0, total = 0;

  double operator()(std::int64_t step) const {
    if (step < warmup) return peak * double(step + 1) / double(warmup);
    if (total <= warmup) return peak;
    return peak * double(std::max<std::int64_t>(total - step, 0)) / double(total - warmup);
  }
};

}  // namespace quern::inline QUERN_ABI
