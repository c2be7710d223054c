/// Learning rates over steps: a schedule is any function of the step, counted from 0.
///
///   CosineRate rate{.peak = 1e-3, .warmup = 100, .total = 2000};
///   adam.options.rate = rate(step);
///
/// PyTorch's names: StepLR, LinearLR and CosineAnnealingLR after a warm-up by LinearLR, OneCycleLR. Beyond their last
/// step schedules keep their last rate.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>

#include <quern/base/config.hpp>

namespace quern::inline QUERN_ABI {

namespace detail {
/// Half a wave of the cosine: `from` at part 0, `to` at part 1.
inline double cosine_between(double from, double to, double part) {
  return to + (from - to) / 2 * (1 + std::cos(3.141592653589793 * part));
}
}  // namespace detail

/// The same rate at every step.
struct ConstantRate {
  double rate = 1e-3;
  double operator()(std::int64_t) const { return rate; }
};

/// `peak`, multiplied by `factor` after every `every` steps.
struct StepRate {
  double peak = 1e-3;
  std::int64_t every = 1000;
  double factor = 0.1;

  double operator()(std::int64_t step) const { return peak * std::pow(factor, double(step / every)); }
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

/// Up as LinearWarmup, then along half a wave of the cosine to `least` at step `total` (Loshchilov & Hutter 2017,
/// without restarts).
struct CosineRate {
  double peak = 1e-3;
  std::int64_t warmup = 0, total = 1000;
  double least = 0;

  double operator()(std::int64_t step) const {
    if (step < warmup) return peak * double(step + 1) / double(warmup);
    if (step >= total) return least;
    return detail::cosine_between(peak, least, double(step - warmup) / double(total - warmup));
  }
};

/// One cycle (Smith 2018) of `total` steps, in two phases as PyTorch's: from peak/divisor up to the peak during the
/// first `rising` part of them, then down to peak/divisor/last_divisor at the last step, both along a cosine. The
/// momentum (of Momentum, or Adam's beta1) goes the other way.
struct OneCycle {
  double peak = 1e-2;
  std::int64_t total = 1000;
  double rising = 0.3, divisor = 25, last_divisor = 1e4;
  double least_momentum = 0.85, most_momentum = 0.95;

  double operator()(std::int64_t step) const {
    return between(step, peak / divisor, peak, peak / divisor / last_divisor);
  }
  double momentum(std::int64_t step) const { return between(step, most_momentum, least_momentum, most_momentum); }

 private:
  double between(std::int64_t step, double begin, double top, double end) const {
    const double turn = rising * double(total) - 1, last = double(total) - 1, at = std::min(double(step), last);
    // 1e-9: where rising * total is 1, compilers that fuse the product and the difference leave 1e-17, not 0.
    if (at <= turn) return detail::cosine_between(begin, top, turn > 1e-9 ? at / turn : 1);
    return detail::cosine_between(top, end, (at - turn) / (last - turn));
  }
};

}  // namespace quern::inline QUERN_ABI
