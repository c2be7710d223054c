/// quern data: what to know about labelled texts before training on them.
#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>
#include <quern/data/class_weights.hpp>
#include <quern/data/survey.hpp>
#include <quern/text/clean.hpp>

#include "commands.hpp"
#include "reading.hpp"

namespace {

using namespace quern;
using Json = nlohmann::ordered_json;

/// What is printed of a long text.
std::string beginning(const std::string& text) {
  constexpr std::size_t shown = 60;
  std::string out = clean(text, {.control = true, .space = true});
  if (out.size() <= shown) return out;
  std::size_t end = shown;
  while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0) == 0x80) --end;
  return out.substr(0, end) + "…";
}

class Table {
 public:
  Table(const DataSettings& settings, const Dataset& data, const Survey& survey)
      : settings_(settings), data_(data), survey_(survey) {}

  std::string text(const std::vector<std::string>& notes, const std::vector<std::string>& advice) const {
    std::string out = text_of(data_.source, ": ", data_.size(), " texts, ", data_.classes.size(),
                              data_.classes.size() == 1 ? " class\n" : " classes\n");
    for (const auto& note : notes) out += "  " + note + "\n";
    out += classes() + lengths() + groups("the same text, different labels", survey_.contradictions, true) +
           groups("the same text, the same label", survey_.duplicates, false);
    for (const auto& finding : survey_.findings) out += line_of(finding);
    for (const auto& line : advice) out += "\n" + line;
    return out + (advice.empty() ? "" : "\n");
  }

  Json json(const std::vector<std::string>& notes, const std::vector<std::string>& advice) const {
    Json report = {{"source", data_.source}, {"texts", data_.size()}, {"notes", notes}, {"classes", Json::array()}};
    for (std::size_t c = 0; c < data_.classes.size(); ++c)
      report["classes"].push_back({{"label", data_.classes[c]}, {"texts", survey_.counts[c]}});
    report["tokenizer"] = settings_.tokenizer;
    for (const auto& [name, l] : {std::pair{"characters", survey_.characters}, std::pair{"tokens", survey_.tokens}})
      report["lengths"][name] = {{"mean", l.mean}, {"min", l.least}, {"p50", l.p50}, {"p90", l.p90},
                                 {"p95", l.p95},   {"p99", l.p99},   {"max", l.most}};
    report["repeated"] = survey_.repeated;
    report["duplicates"] = json_of(survey_.duplicates), report["contradictions"] = json_of(survey_.contradictions);
    report["findings"] = Json::array();
    for (const auto& f : survey_.findings) {
      Json lines = Json::array();
      for (const auto i : f.texts) lines.push_back(data_.lines[std::size_t(i)]);
      report["findings"].push_back(
          {{"kind", f.kind}, {"explanation", f.explanation}, {"texts", f.texts.size()}, {"lines", std::move(lines)}});
    }
    report["advice"] = advice;
    return report;
  }

 private:
  const std::string& label(std::int64_t i) const { return data_.classes[std::size_t(data_.labels[std::size_t(i)])]; }

  /// Where a text stands: in a folder of class files the class says in which.
  std::string place(std::int64_t i) const {
    const std::string line = std::to_string(data_.lines[std::size_t(i)]);
    return is_folder(data_.source) ? label(i) + ":" + line : line;
  }

  std::string classes() const {
    auto order = detail::numbers_below(std::int64_t(survey_.counts.size()));
    detail::sort_numbers(order, [&](std::int64_t a, std::int64_t b) {
      return survey_.counts[std::size_t(a)] > survey_.counts[std::size_t(b)];
    });
    std::size_t width = 11;  // of the longest name; long ones stand out
    for (const auto& name : data_.classes) width = std::max(width, std::min<std::size_t>(name.size(), 50));
    std::string out = "\nclass" + std::string(width - 5, ' ') + "    texts   share\n";
    for (std::size_t k = 0; k < order.size(); ++k) {
      const std::size_t c = std::size_t(order[k]), all = order.size();
      if (!settings_.all && all > 24 && k == 10) out += text_of("  … ", all - 20, " more (--all shows them)\n");
      if (!settings_.all && all > 24 && k >= 10 && k + 10 < all) continue;
      char line[400];
      std::snprintf(line, sizeof line, "%-*.200s %8lld  %5.1f%%\n", int(width), data_.classes[c].c_str(),
                    static_cast<long long>(survey_.counts[c]),
                    100.0 * double(survey_.counts[c]) / double(data_.size()));
      out += line;
    }
    return out;
  }

  std::string lengths() const {
    std::string out = "\nlength          mean     min     50%     90%     95%     99%     max  (line)\n";
    for (const auto& [name, l] : {std::pair{"characters", survey_.characters}, std::pair{"tokens", survey_.tokens}}) {
      char line[200];
      std::snprintf(line, sizeof line, "%-11s %8.1f %7lld %7lld %7lld %7lld %7lld %7lld  (%s)\n", name, l.mean,
                    static_cast<long long>(l.least), static_cast<long long>(l.p50), static_cast<long long>(l.p90),
                    static_cast<long long>(l.p95), static_cast<long long>(l.p99), static_cast<long long>(l.most),
                    place(l.longest).c_str());
      out += line;
    }
    return out + "tokens are those of --tokenizer " + settings_.tokenizer + "\n";
  }

  std::size_t shown() const { return settings_.all ? SIZE_MAX : 5; }

  std::string groups(const char* title, const std::vector<std::vector<std::int64_t>>& all, bool with_labels) const {
    if (all.empty()) return text_of("\n", title, ": none\n");
    std::size_t texts = 0;
    for (const auto& group : all) texts += group.size();
    std::string out =
        text_of("\n", title, ": ", all.size(), all.size() == 1 ? " text" : " texts", " in ", texts, " places\n");
    for (std::size_t k = 0; k < all.size() && k < shown(); ++k) {
      out += "  lines";
      for (std::size_t i = 0; i < all[k].size() && i < 8; ++i)
        out += (i ? ", " : " ") + place(all[k][i]) +
               (with_labels && !is_folder(data_.source) ? " (" + label(all[k][i]) + ")" : "");
      out += (all[k].size() > 8 ? ", …: " : ": ") + beginning(data_.texts[std::size_t(all[k][0])]) + "\n";
    }
    return out + (all.size() > shown() ? "  … (--all shows them)\n" : "");
  }

  std::string line_of(const Finding& f) const {
    std::string out = text_of("\n", f.kind, ": ", f.texts.size(), f.texts.size() == 1 ? " text (" : " texts (",
                              f.explanation, ")\n  lines");
    for (std::size_t i = 0; i < f.texts.size() && i < 2 * shown(); ++i) out += (i ? ", " : " ") + place(f.texts[i]);
    return out + (f.texts.size() > 2 * shown() ? ", …: " : ": ") + beginning(data_.texts[std::size_t(f.texts[0])]) +
           "\n";
  }

  Json json_of(const std::vector<std::vector<std::int64_t>>& all) const {
    Json out = Json::array();
    for (const auto& group : all) {
      Json lines = Json::array(), labels = Json::array();
      for (const auto i : group) lines.push_back(data_.lines[std::size_t(i)]), labels.push_back(label(i));
      out.push_back({{"lines", lines}, {"labels", labels}, {"text", data_.texts[std::size_t(group[0])]}});
    }
    return out;
  }

  const DataSettings& settings_;
  const Dataset& data_;
  const Survey& survey_;
};

/// What `quern train` would do by default, and why.
std::vector<std::string> advice_for(const Dataset& data, const Survey& survey) {
  std::vector<std::string> advice;
  if (data.classes.size() > 1) advice.push_back(class_weights(survey.counts, ClassWeighting::automatic).reason);
  std::string note;
  automatic_cleaning(data, note);
  if (!note.empty()) advice.push_back(note);
  return advice;
}

}  // namespace

int run_data(const DataSettings& s) {
  const Tokenizer tokenizer = Tokenizer::named(s.tokenizer);
  const bool lines = s.format == "lines";
  check_reading(s.format, s.encoding, !lines);
  const ReadOptions options = reading(s.format, s.encoding, s.text_column, s.label_column);
  ReadResult read;
  if (lines) {  // texts without labels: all of one class
    ReadTexts texts = read_texts(s.data, options);
    read = {{std::move(texts.texts), {}, {"(no labels)"}, std::move(texts.lines), s.data}, std::move(texts.notes)};
    read.data.labels = std::vector<std::int32_t>(read.data.texts.size(), 0);
  } else {
    read = read_dataset(s.data, options);
  }
  const Survey found = survey(read.data, tokenizer);
  const Table table(s, read.data, found);
  const auto advice = advice_for(read.data, found);
  print(s.json ? table.json(read.notes, advice).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"
               : table.text(read.notes, advice));
  return 0;
}
