/// Labelled texts, ready to be split and encoded.
///
///   Dataset data = read_dataset("reviews.csv").data;
///   data.classes[data.labels[7]];  data.texts[7];  data.lines[7];   // where in the file the text began
///   Dataset train = data.subset(split.train);
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <quern/base/error.hpp>
#include <quern/text/string_table.hpp>

namespace quern::inline QUERN_ABI {

struct Dataset {
  std::vector<std::string> texts;    // UTF-8
  std::vector<std::int32_t> labels;  // index into classes
  std::vector<std::string> classes;  // names, sorted by bytes or in the order of the model
  std::vector<std::int64_t> lines;   // where each text begins in its file, from 1
  std::string source;                // the path it was read from

  std::int64_t size() const { return std::int64_t(texts.size()); }

  /// The examples at `indices`, in that order, with the same classes.
  [[gnu::cold]] Dataset subset(std::span<const std::int64_t> indices) const {
    Dataset part;
    for (const auto& name : classes) part.classes.push_back(std::string(name));
    part.source = source;
    for (const auto i : indices) {
      require(i >= 0 && i < size(), "subset: example ", i, " of ", size(), " (", source, ")");
      part.texts.push_back(std::string(texts[std::size_t(i)]));
      part.labels.push_back(std::int32_t(labels[std::size_t(i)]));
      part.lines.push_back(std::int64_t(lines[std::size_t(i)]));
    }
    return part;
  }

  /// How many examples each class has.
  std::vector<std::int64_t> counts() const {
    std::vector<std::int64_t> n(classes.size(), 0);
    for (const auto label : labels) ++n[std::size_t(label)];
    return n;
  }
};

/// "10662 texts, 2 classes: neg 5331, pos 5331"
[[gnu::cold]] inline void append_text(std::string& out, const Dataset& data) {
  constexpr std::size_t shown = 12;
  const auto counts = data.counts();
  out += text_of(data.size(), " texts, ", counts.size(), counts.size() == 1 ? " class:" : " classes:");
  for (std::size_t c = 0; c < counts.size() && c < shown; ++c)
    out += text_of(c ? ", " : " ", data.classes[c], " ", counts[c]);
  if (counts.size() > shown) out += text_of(" and ", counts.size() - shown, " more");
}

/// Throws Error unless a classifier can be trained on the data: two classes at least, with two examples each, so that
/// one can be held out.
[[gnu::cold]] inline void require_trainable(const Dataset& data) {
  check(data.size() > 0, data.source, ": no examples to train on");
  const auto counts = data.counts();
  int used = 0;
  for (const auto n : counts) used += n > 0;
  check(used >= 2, data.source, ": training needs at least two classes, all ", data.size(),
        " examples have the label '", data.classes[std::size_t(data.labels[0])],
        "'; is the right column read? (--label-column)");
  for (std::size_t c = 0; c < counts.size(); ++c)
    check(counts[c] != 1, data.source, ": class '", data.classes[c],
          "' has a single example, at least two are needed (one to train, one to test); add some or drop the class");
}

namespace detail {

/// Turns data.labels from numbers of `names` into indices of classes: of `classes`, or of all names, sorted.
[[gnu::cold]] inline void set_classes(Dataset& data, const StringTable& names, std::span<const std::string> classes) {
  auto order = numbers_below(names.size());
  sort_numbers(order, [&](std::int64_t a, std::int64_t b) { return names[std::int32_t(a)] < names[std::int32_t(b)]; });
  std::vector<std::int32_t> index(order.size(), 0);  // of each name
  for (std::size_t c = 0; c < order.size(); ++c) {
    const auto name = std::int32_t(order[c]);
    index[std::size_t(name)] = std::int32_t(c);
    if (classes.empty()) data.classes.push_back(std::string(names[name]));
  }
  if (!classes.empty()) {
    for (auto& i : index) i = StringTable::none;
    for (std::size_t c = 0; c < classes.size(); ++c) {
      const auto name = names.find(classes[c]);
      if (name != StringTable::none) index[std::size_t(name)] = std::int32_t(c);
      data.classes.push_back(std::string(classes[c]));
    }
  }
  for (std::size_t i = 0; i < data.labels.size(); ++i) {
    const std::int32_t name = data.labels[i];
    data.labels[i] = index[std::size_t(name)];
    if (data.labels[i] != StringTable::none) continue;
    std::string known;
    for (std::size_t c = 0; c < classes.size() && c < 12; ++c) (known += c ? ", " : "") += classes[c];
    throw_error(text_of(data.source, ":", data.lines[i], ": label '", names[name], "' is none of the model's ",
                        classes.size(), " classes: ", known, classes.size() > 12 ? ", …" : ""));
  }
}

}  // namespace detail
}  // namespace quern::inline QUERN_ABI
