/// Needs nlohmann-json. What a training or an evaluation came to, as JSON.
///
///   write_json("model/metrics.json", report_of(result, {"neg", "pos"}));
///   std::puts(report_of(metrics, classes).dump().c_str());         // accuracy, macro_f1, loss, per_class, …
#pragma once
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <quern/io/json.hpp>
#include <quern/train/metrics.hpp>
#include <quern/train/options.hpp>

namespace quern::inline QUERN_ABI {

/// {texts, accuracy, macro_f1, loss, macro, micro, per_class: [{label, precision, recall, f1, texts, predicted}],
/// confusion: rows are labels}
inline nlohmann::ordered_json report_of(const Metrics& m, const std::vector<std::string>& classes) {
  using Json = nlohmann::ordered_json;
  require(classes.size() == m.classes.size(), "report: ", classes.size(), " names for ", m.classes.size(), " classes");
  const auto scores = [](const Scores& s) {
    return Json{{"precision", s.precision}, {"recall", s.recall}, {"f1", s.f1}};
  };
  Json per_class = Json::array(), confusion = Json::array();
  for (std::size_t c = 0; c < classes.size(); ++c) {
    Json row = {{"label", classes[c]}};
    row.update(scores(m.classes[c]));
    row["texts"] = m.classes[c].support, row["predicted"] = m.classes[c].predicted;
    per_class.push_back(std::move(row));
    Json counts = Json::array();
    for (std::size_t k = 0; k < classes.size(); ++k) counts.push_back(m.confusion_of(c, k));
    confusion.push_back(std::move(counts));
  }
  return {{"texts", m.texts},
          {"accuracy", m.accuracy},
          {"macro_f1", m.macro.f1},
          {"loss", m.loss},
          {"macro", scores(m.macro)},
          {"micro", scores(m.micro)},
          {"per_class", std::move(per_class)},
          {"confusion", std::move(confusion)}};
}

/// Back from the JSON of report_of: all follows from the confusion matrix and the loss.
inline Metrics metrics_of(const nlohmann::json& report, const std::string& where) {
  const auto rows = json_value<std::vector<std::vector<std::int64_t>>>(report, "confusion", where);
  Metrics m;
  m.classes.resize(rows.size());
  m.loss = json_value<double>(report, "loss", where);
  for (const auto& row : rows) {
    check(row.size() == rows.size(), where, ": confusion has ", rows.size(), " rows, one of them ", row.size(),
          " long");
    m.confusion.insert(m.confusion.end(), row.begin(), row.end());
    for (const auto n : row) m.texts += n;
  }
  MetricsCounter counter(std::int64_t(rows.size()));
  counter.add(m);
  return counter.result();
}

/// The figures of the development texts (null where there were none), then how training went.
inline nlohmann::ordered_json report_of(const TrainResult& r, const std::vector<std::string>& classes) {
  using Json = nlohmann::ordered_json;
  const bool has_dev = r.dev.texts > 0;
  Json out = has_dev ? report_of(r.dev, classes)
                     : Json{{"accuracy", nullptr}, {"macro_f1", nullptr}, {"loss", nullptr}, {"per_class", nullptr}};
  out["seconds"] = r.seconds;
  out["samples_per_second"] = r.texts_per_second;
  out["epochs"] = r.history.size();
  out["kept_epoch"] = r.kept_epoch >= 0 ? Json(r.kept_epoch + 1) : Json(nullptr);
  out["interrupted"] = r.interrupted;
  out["history"] = Json::array();
  for (const auto& e : r.history) {
    Json epoch = {{"train_loss", e.train_loss}};
    if (has_dev)
      epoch.update(Json{{"dev_loss", e.dev_loss}, {"dev_accuracy", e.dev_accuracy}, {"dev_macro_f1", e.dev_macro_f1}});
    epoch["seconds"] = e.seconds;
    out["history"].push_back(std::move(epoch));
  }
  return out;
}

}  // namespace quern::inline QUERN_ABI
