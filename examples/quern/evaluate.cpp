/// quern evaluate: a trained classifier against labelled texts.
#include <chrono>
#include <cstdio>

#include <quern/data/read.hpp>
#include <quern/train/adversarial.hpp>
#include <quern/train/report.hpp>

#include "commands.hpp"
#include "models.hpp"
#include "reading.hpp"

using namespace quern;

namespace {

Attack attack_of(const UseSettings& s) {
  const Attack attack{attack_named(s.attack), s.epsilon, s.attack_steps, s.attack_step_size};
  try {
    check_attack(attack);
  } catch (const InvalidArgument& e) { throw UsageError(e.what()); }
  return attack;
}

/// {"kind", "epsilon", "steps", "step_size", "accuracy", "macro_f1", "loss"}
nlohmann::ordered_json report_of_attack(const Attack& a, const Metrics& m) {
  return {{"kind", name_of(a.kind)},
          {"epsilon", a.epsilon},
          {"steps", a.steps_taken()},
          {"step_size", a.length_of_step()},
          {"accuracy", m.accuracy},
          {"macro_f1", m.macro.f1},
          {"loss", m.loss}};
}

std::string line_of_attack(const Attack& a, const Metrics& clean, const Metrics& m) {
  char text[240];
  std::snprintf(text, sizeof text,
                "under attack (%s, epsilon %g, %lld steps): accuracy %.4f, without %.4f; macro F1 %.4f, loss %.4f\n",
                name_of(a.kind), a.epsilon, static_cast<long long>(a.steps_taken()), m.accuracy, clean.accuracy,
                m.macro.f1, m.loss);
  return text;
}

}  // namespace

int run_evaluate(const UseSettings& s) {
  use_threads(s.threads);
  const Attack attack = attack_of(s);
  check_reading(s.format, s.encoding, true);
  const Device device = use_device_named(s.device, true);
  const auto [predictor, kind] = load_model(s.folder, device);
  const auto [data, notes] = read_dataset(s.input, reading(s.format, s.encoding, column_of(s, "text_column"),
                                                           column_of(s, "label_column"), predictor.classes()));
  say_all(notes);
  say(text_of(data.source, ": ", data));
  const auto began = std::chrono::steady_clock::now();
  const Metrics metrics = predictor.evaluate(data.texts, data.labels);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  Metrics hit;
  if (attack.kind != AttackKind::none)
    hit = kind.evaluate_under_attack(predictor.model(), predictor.encoded(data.texts, data.labels), attack);
  if (s.json) {
    auto report = report_of(metrics, predictor.classes());
    report["seconds"] = seconds, report["samples_per_second"] = seconds > 0 ? double(data.size()) / seconds : 0;
    if (attack.kind != AttackKind::none) report["attack"] = report_of_attack(attack, hit);
    print(report.dump() + "\n");
  } else {
    char time[80];
    std::snprintf(time, sizeof time, "%.2f s, %.0f texts/s\n", seconds, double(data.size()) / seconds);
    print(table_of(metrics, predictor.classes()) + time);
    if (attack.kind != AttackKind::none) print(line_of_attack(attack, metrics, hit));
  }
  return 0;
}
