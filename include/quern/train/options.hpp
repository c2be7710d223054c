/// How a model is trained, and what training comes to.
///
///   TrainOptions options{.epochs = 20, .batch = 50, .rate = 1e-3, .seed = 1};
///   options.attack = {.kind = AttackKind::fgm, .epsilon = 0.5};         // adversarial training
///   TrainResult result = train(model, texts, split, 2, options);
///   for (const EpochReport& e : result.history) …                      // losses and scores of each epoch
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <quern/tensor/device.hpp>
#include <quern/train/early_stopping.hpp>

namespace quern::inline QUERN_ABI {

/// How word vectors are moved against a text's label: fgm, one step along the gradient of the loss (Miyato et al.
/// 2017); pgd, several, each followed by a projection into the ball (Madry et al. 2018). See train/adversarial.hpp.
enum class AttackKind { none, fgm, pgd };

inline const char* name_of(AttackKind kind) {
  return kind == AttackKind::none ? "none" : kind == AttackKind::fgm ? "fgm" : "pgd";
}
inline AttackKind attack_named(std::string_view name) {
  check(name == "none" || name == "fgm" || name == "pgd", "attack '", name,
        "' is not known; expected none, fgm or pgd");
  return name == "none" ? AttackKind::none : name == "fgm" ? AttackKind::fgm : AttackKind::pgd;
}

struct Attack {
  AttackKind kind = AttackKind::none;
  double epsilon = 1;      // L2 norm that the moves of all vectors of a text together may have
  std::int64_t steps = 3;  // of pgd
  double step_size = 0;    // of pgd; 0: 2.5 · epsilon / steps, which can go from any place in the ball to any other

  std::int64_t steps_taken() const { return kind == AttackKind::none ? 0 : kind == AttackKind::fgm ? 1 : steps; }
  double length_of_step() const {
    if (kind == AttackKind::fgm) return epsilon;
    return step_size > 0 ? step_size : 2.5 * epsilon / double(steps);
  }
};

struct TrainOptions {
  std::int64_t epochs = 20;  // at most
  std::int64_t batch = 50;   // texts
  double rate = 1e-3;        // of Adam; with a warm-up its peak
  double weight_decay = 0;   // decoupled (AdamW); not applied to biases
  double clip = 0;           // largest common norm of all gradients; 0: no clipping
  std::int64_t warmup = 0;   // steps up to the rate, then down to 0 at the last epoch's end; 0: constant
  double label_smoothing = 0;
  std::vector<double> class_weights{};  // one for each class, or empty: all 1
  std::uint64_t seed = 1;
  StopOn stop_on = StopOn::loss;
  std::int64_t patience = 3;
  std::optional<Device> device{};  // to train on; none: where the model is, and there it is again afterwards
  Attack attack{};                 // trained against; adds the loss of the moved texts to that of the texts as they are
};

/// What one epoch came to. The training loss is the objective as it fell during the epoch, dropout included; under
/// adversarial training it is that of the texts as they are, to be compared with the other losses. The figures of the
/// development texts are 0 where there are none.
struct EpochReport {
  double train_loss = 0, dev_loss = 0, dev_accuracy = 0, dev_macro_f1 = 0, seconds = 0;
};

struct TrainResult {
  std::vector<EpochReport> history;
  std::int64_t kept_epoch = -1;  // from 0, whose weights the model holds now; -1: of an epoch that was not ended
  Metrics dev;                   // of these weights; texts == 0 without development texts
  double seconds = 0;            // all of it, time before a resume included
  double texts_per_second = 0;   // trained on
  bool interrupted = false;
};

}  // namespace quern::inline QUERN_ABI
