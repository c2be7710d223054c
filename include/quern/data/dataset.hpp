/// Labelled texts, ready to be split and encoded.
///
///   Dataset data = read_dataset("reviews.csv").data;
///   data.classes[data.labels[7]];  data.texts[7];  data.lines[7];   // where in the file the text began
///   Dataset train = data.subset(split.train);
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <quern/base/error.hpp>

namespace quern::inline QUERN_ABI {

struct Dataset {
  std::vector<std::string> texts;    // UTF-8
  std::vector<std::int32_t> labels;  // index into classes
  std::vector<std::string> classes;  // names, sorted by bytes or in the order of the model
  std::vector<std::int64_t> lines;   // where each text begins in its file, from 1
  std::string source;                // the path it was read from

  std::int64_t size() const { return std::int64_t(texts.size()); }

  /// The examples at `indices`, in that order, with the same classes.
  Dataset subset(std::span<const std::int64_t> indices) const {
    Dataset part;
    part.classes = classes;
    part.source = source;
    for (const auto i : indices) {
      require(i >= 0 && i < size(), "subset: example ", i, " of ", size(), " (", source, ")");
      part.texts.push_back(texts[std::size_t(i)]);
      part.labels.push_back(labels[std::size_t(i)]);
      part.lines.push_back(lines[std::size_t(i)]);
    }
    return part;
  }

  /// How many examples each class has.
  std::vector<std::int64_t> counts() const {
    std::vector<std::int64_t> n(classes.size());
    for (const auto label : labels) ++n[std::size_t(label)];
    return n;
  }
};

/// "10662 texts, 2 classes: neg 5331, pos 5331"
inline void append_text(std::string& out, const Dataset& data) {
  constexpr std::size_t shown = 12;
  const auto counts = data.counts();
  out += text_of(data.size(), " texts, ", counts.size(), counts.size() == 1 ? " class:" : " classes:");
  for (std::size_t c = 0; c < counts.size() && c < shown; ++c)
    out += text_of(c ? ", " : " ", data.classes[c], " ", counts[c]);
  if (counts.size() > shown) out += text_of(" and ", counts.size() - shown, " more");
}

/// Throws Error unless a classifier can be trained on the data: two classes at least, with two examples each, so that
/// one can be held out.
inline void require_trainable(const Dataset& data) {
  check(data.size() > 0, data.source, ": no examples to train on");
  const auto counts = data.counts();
  const auto used = std::count_if(counts.begin(), counts.end(), [](auto n) { return n > 0; });
  check(used >= 2, data.source, ": training needs at least two classes, all ", data.size(),
        " examples have the label '", data.classes[std::size_t(data.labels[0])],
        "'; is the right column read? (--label-column)");
  for (std::size_t c = 0; c < counts.size(); ++c)
    check(counts[c] != 1, data.source, ": class '", data.classes[c],
          "' has a single example, at least two are needed (one to train, one to test); add some or drop the class");
}

namespace detail {

/// Turns label names into indices: into the classes given, or into all names found, sorted.
inline void set_labels(Dataset& data, const std::vector<std::string>& names, const std::vector<std::string>& classes) {
  data.classes = classes;
  if (classes.empty()) {
    data.classes = names;
    std::sort(data.classes.begin(), data.classes.end());
    data.classes.erase(std::unique(data.classes.begin(), data.classes.end()), data.classes.end());
  }
  std::vector<std::int32_t> order(data.classes.size());  // the classes of a model need not be sorted
  for (std::size_t c = 0; c < order.size(); ++c) order[c] = std::int32_t(c);
  const auto name = [&](std::int32_t c) -> const std::string& { return data.classes[std::size_t(c)]; };
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return name(a) < name(b); });
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto at =
        std::lower_bound(order.begin(), order.end(), names[i], [&](auto c, auto& n) { return name(c) < n; });
    if (at == order.end() || name(*at) != names[i]) {
      std::string known;
      for (std::size_t c = 0; c < classes.size() && c < 12; ++c) known += (c ? ", " : "") + classes[c];
      throw_error(text_of(data.source, ":", data.lines[i], ": label '", names[i], "' is none of the model's ",
                          classes.size(), " classes: ", known, classes.size() > 12 ? ", …" : ""));
    }
    data.labels.push_back(*at);
  }
}

}  // namespace detail
}  // namespace quern::inline QUERN_ABI
