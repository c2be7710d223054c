/// quern evaluate: a trained classifier against labelled texts.
#include <chrono>
#include <cstdio>

#include <quern/data/read.hpp>
#include <quern/train/report.hpp>
#include <quern/train/run_folder.hpp>

#include "commands.hpp"

using namespace quern;

int run_evaluate(const UseSettings& s) {
  use_threads(s.threads);
  const Predictor predictor = load_run(s.folder);
  const auto [data, notes] = read_dataset(
      s.input, {s.format, s.encoding, column_of(s, "text_column"), column_of(s, "label_column"), predictor.classes()});
  say_all(notes);
  say(text_of(data.source, ": ", data));
  const auto began = std::chrono::steady_clock::now();
  const Metrics metrics = predictor.evaluate(data.texts, data.labels);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  if (s.json) {
    auto report = report_of(metrics, predictor.classes());
    report["seconds"] = seconds, report["samples_per_second"] = seconds > 0 ? double(data.size()) / seconds : 0;
    print(report.dump() + "\n");
  } else {
    char time[80];
    std::snprintf(time, sizeof time, "%.2f s, %.0f texts/s\n", seconds, double(data.size()) / seconds);
    print(table_of(metrics, predictor.classes()) + time);
  }
  return 0;
}
