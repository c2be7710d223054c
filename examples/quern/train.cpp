/// quern train: one model, or cross-validation.
#include <cmath>
#include <cstdio>

#include <quern/data/read.hpp>
#include <quern/io/json.hpp>
#include <quern/train/plots.hpp>
#include <quern/train/report.hpp>

#include "commands.hpp"
#include "models.hpp"
#include "one_run.hpp"
#include "reading.hpp"

namespace {

using namespace quern;
using Json = nlohmann::ordered_json;

std::string fixed(double x, int digits) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*f", digits, x);
  return text;
}

/// `kept`: the classes of the model that is trained on, or none.
ReadResult read_for(const TrainSettings& s, const std::vector<std::string>& kept) {
  try {
    return read_dataset(s.data, reading(s.format, s.encoding, s.text_column, s.label_column, kept));
  } catch (const Error& e) {
    if (kept.empty()) throw;
    throw_error(text_of(e.what(), "; the classes are those of ", s.from,
                        " (for new classes, and a new last layer: --new-head)"));
  }
}

/// Also puts the names in the place of --clean auto.
Dataset read_training_data(TrainSettings& s) {
  const auto kept = s.model == "bert" ? classes_to_keep(s) : std::vector<std::string>();
  auto [data, notes] = read_for(s, kept);
  say_all(notes);
  require_trainable(data);
  check_class_names(data.classes, data.source);
  say(text_of(data.source, ": ", data));
  clean_texts(s, data);
  return data;
}

int train_one(const TrainSettings& s, const Dataset& data) {
  const RunFolder folder = folder_of(s);
  check_folder(s);
  if (s.resume && folder.is_finished() && !folder.is_begun()) {
    say(text_of(s.out, ": this run has already ended; its metrics:"));
    print(read_json(folder.metrics()).dump(s.json ? -1 : 2) + "\n");
    return 0;
  }
  const auto split = stratified_split(data.labels, std::int64_t(data.classes.size()), s.dev, s.seed);
  const OneRun run = train_once(s, data, split, {});
  const TrainResult& r = run.result;
  if (r.interrupted)
    say(text_of("interrupted: ", s.out, " holds ",
                r.kept_epoch >= 0 ? text_of("the best model so far, of epoch ", r.kept_epoch + 1)
                                  : std::string("the model as it was, no epoch had ended"),
                "; go on with: quern train --out ", s.out, " --resume"));
  if (s.json) {
    print(run.report.dump() + "\n");
  } else {
    if (r.dev.texts > 0)
      print("development texts, weights of epoch " +
            (r.kept_epoch >= 0 ? std::to_string(r.kept_epoch + 1) : std::string("-")) + ":\n" +
            table_of(r.dev, data.classes));
    print(text_of("trained in ", fixed(r.seconds, 1), " s, ", fixed(r.texts_per_second, 0),
                  " texts/s; the model is in ", s.out, "\n"));
  }
  return r.interrupted ? 1 : 0;
}

struct Spread {
  double mean = 0, deviation = 0;
};

/// Mean, and standard deviation over the folds (n - 1).
Spread spread_of(const std::vector<double>& values) {
  Spread s;
  for (const double v : values) s.mean += v / double(values.size());
  for (const double v : values) s.deviation += (v - s.mean) * (v - s.mean);
  s.deviation = values.size() > 1 ? std::sqrt(s.deviation / double(values.size() - 1)) : 0;
  return s;
}

/// The mean over the folds, the classes' figures over all tests together, and each fold. Of no fold: nulls.
Json report_of_folds(const std::vector<Json>& folds, const Metrics& together, const std::vector<std::string>& classes) {
  Json report;
  for (const char* key : {"accuracy", "macro_f1", "loss"}) {
    if (folds.empty()) {
      report[key] = nullptr, report[std::string(key) + "_std"] = nullptr;
      continue;
    }
    std::vector<double> values;
    for (const auto& fold : folds) values.push_back(fold["test"][key].get<double>());
    const Spread s = spread_of(values);
    report[key] = s.mean, report[std::string(key) + "_std"] = s.deviation;
  }
  double seconds = 0, texts = 0;
  for (const auto& fold : folds) {
    seconds += fold["seconds"].get<double>();
    texts += fold["seconds"].get<double>() * fold["samples_per_second"].get<double>();
  }
  report["seconds"] = seconds, report["samples_per_second"] = seconds > 0 ? texts / seconds : 0;
  const auto all = report_of(together, classes);
  report["per_class"] = all["per_class"], report["confusion"] = all["confusion"];
  report["folds"] = folds;
  return report;
}

/// The fold's folder, where folds are kept; a fold that ended before is read back.
OneRun train_fold(const TrainSettings& s, const Dataset& data, Split split, std::int64_t k) {
  // Of the K-1 parts a share is held out to stop by; labels of these parts alone decide which.
  std::vector<std::int32_t> labels;
  for (const auto i : split.train) labels.push_back(data.labels[std::size_t(i)]);
  Split inner = stratified_split(labels, std::int64_t(data.classes.size()), s.dev, s.seed);
  for (auto* part : {&inner.train, &inner.held})
    for (auto& i : *part) i = split.train[std::size_t(i)];
  TrainSettings fold = s;
  fold.folds = 0;
  if (!s.tensorboard.empty()) fold.tensorboard += "/fold_" + std::to_string(k + 1);
  if (!s.out.empty()) {
    const RunFolder folder = folder_of(s).fold(k + 1);
    fold.out = folder.path;
    check_folder(fold);
    if (s.resume && folder.is_finished() && !folder.is_begun()) {
      const auto report = parse_json(read_file(folder.metrics()), folder.metrics());
      const auto then = read_json(folder.split());
      const nlohmann::json now = split_json(data, inner);
      for (const char* part : {"train", "dev"})
        check(json_value<nlohmann::json>(then, part, folder.split()) == now[part], folder.split(),
              ": holds other lines than the data give now; resume with the same data, or begin anew in another folder");
      const auto test = json_value<nlohmann::json>(report, "test", folder.metrics());
      return {{}, metrics_of(test, folder.metrics()), report};
    }
  }
  return train_once(fold, data, inner, split.held);
}

int train_folds(const TrainSettings& s, const Dataset& data) {
  const auto classes = std::int64_t(data.classes.size());
  check(s.folds <= data.size(), "--folds: ", s.folds, " parts of ", data.size(), " texts");
  const detail::Descriptor lock(s.out.empty() ? -1 : lock_folder(s.out));
  if (!s.out.empty()) prepare_folder(s);
  const auto part = stratified_folds(data.labels, classes, s.folds, s.seed);
  MetricsCounter together(classes);
  std::vector<Json> folds;
  for (std::int64_t k = 0; k < s.folds; ++k) {
    say(text_of("fold ", k + 1, " of ", s.folds));
    OneRun run = train_fold(s, data, fold_split(part, std::int32_t(k)), k);
    if (run.result.interrupted) {
      say(text_of("interrupted in fold ", k + 1, " of ", s.folds, s.out.empty() ? "" : "; go on with --resume"));
      if (!s.json) return 1;
      Json report = report_of_folds(folds, together.result(), data.classes);  // of the folds that ended
      report["interrupted"] = true;
      print(report.dump() + "\n");
      return 1;
    }
    together.add(*run.test);
    folds.push_back(std::move(run.report));
    const auto& test = folds.back()["test"];
    if (!s.json) {
      print(text_of("fold ", k + 1, ": accuracy ", fixed(test["accuracy"].get<double>(), 4), "  macro F1 ",
                    fixed(test["macro_f1"].get<double>(), 4), "  loss ", fixed(test["loss"].get<double>(), 4), "  ",
                    fixed(folds.back()["seconds"].get<double>(), 1), " s\n"));
      flush_output();
    }
  }
  Json report = report_of_folds(folds, together.result(), data.classes);
  report["interrupted"] = false;
  if (!s.out.empty()) {
    write_json(folder_of(s).config(), config_of(s));
    atomic_write(folder_of(s).confusion(), confusion_svg(together.result(), data.classes));
    write_json(folder_of(s).metrics(), report);
  }
  if (s.json) {
    print(report.dump() + "\n");
    return 0;
  }
  print("all folds together:\n" + table_of(together.result(), data.classes));
  for (const char* key : {"accuracy", "macro_f1", "loss"})
    print(text_of(key, " ", fixed(report[key].get<double>(), 4), " ± ",
                  fixed(report[std::string(key) + "_std"].get<double>(), 4), " (mean and standard deviation of ",
                  s.folds, " folds)\n"));
  print(text_of("trained in ", fixed(report["seconds"].get<double>(), 1), " s, ",
                fixed(report["samples_per_second"].get<double>(), 0), " texts/s\n"));
  return 0;
}

}  // namespace

int run_train(const TrainSettings& asked) {
  use_threads(asked.threads);
  use_device_named(asked.device, false);
  TrainSettings settings = asked;
  const Dataset data = read_training_data(settings);
  return settings.folds > 0 ? train_folds(settings, data) : train_one(settings, data);
}
