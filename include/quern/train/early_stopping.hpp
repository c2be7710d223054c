/// When to stop, and which epoch was the best.
///
///   EarlyStopping stopping{.on = StopOn::loss, .patience = 3};
///   if (stopping.better(metrics, epoch)) best = model;
///   if (stopping.over(epoch)) break;                          // no better one in the last 3 epochs
#pragma once
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include <quern/train/metrics.hpp>

namespace quern::inline QUERN_ABI {

/// What is watched on the development texts: the loss, which should fall, or the macro F1, which should rise.
enum class StopOn { loss, macro_f1 };

inline const char* name_of(StopOn on) { return on == StopOn::loss ? "loss" : "macro_f1"; }
inline StopOn stop_on_named(std::string_view name) {
  check(name == "loss" || name == "macro_f1", "stop-on '", name, "' is not known; expected loss or macro_f1");
  return name == "loss" ? StopOn::loss : StopOn::macro_f1;
}

struct EarlyStopping {
  StopOn on = StopOn::loss;
  std::int64_t patience = 3;     // epochs without a better one before it is over
  std::int64_t best_epoch = -1;  // -1: none yet
  double best = 0;

  double watched(const Metrics& m) const { return on == StopOn::loss ? m.loss : m.macro.f1; }

  /// Notes the result of an epoch; true when it is the best so far. Of equal ones the first is kept; NaN is never best.
  bool better(const Metrics& m, std::int64_t epoch) {
    const double value = watched(m);
    if (std::isnan(value)) return false;
    if (best_epoch >= 0 && (on == StopOn::loss ? value >= best : value <= best)) return false;
    best = value, best_epoch = epoch;
    return true;
  }

  /// Whether training is over after `epoch`.
  bool over(std::int64_t epoch) const { return best_epoch >= 0 && epoch - best_epoch >= patience; }
};

}  // namespace quern::inline QUERN_ABI
