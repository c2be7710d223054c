/// How good a classifier is: confusion matrix, accuracy, precision, recall and F1 of each class and over all, mean
/// loss.
///
///   Metrics m = measure(labels, probabilities, classes);      // [B] and [B, C]
///   m.accuracy; m.macro.f1; m.classes[2].recall; m.confusion_of(gold, guessed);
///   std::string table = table_of(m, {"neg", "pos"});
///
/// Conventions as in scikit-learn with zero_division=0: a ratio 0/0 is 0; the macro mean is over the classes that occur
/// among the labels or the predictions. Of equal probabilities the first class wins.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <quern/tensor/tensor.hpp>

namespace quern::inline QUERN_ABI {

struct Scores {
  double precision = 0, recall = 0, f1 = 0;
};
struct ClassScores : Scores {
  std::int64_t support = 0, predicted = 0, right = 0;  // texts of the class, texts given to it, both
};

struct Metrics {
  std::int64_t texts = 0, right = 0;
  double accuracy = 0;
  double loss = 0;      // mean of -log p(label), in nats; p below the smallest float counts as that
  Scores macro, micro;  // micro: of all decisions together; with one label for each text all three are the accuracy
  std::vector<ClassScores> classes;
  std::vector<std::int64_t> confusion;  // [C, C]: row the label, column the prediction

  std::int64_t confusion_of(std::size_t label, std::size_t predicted) const {
    return confusion.at(label * classes.size() + predicted);
  }
};

namespace detail {
inline Scores scores_of(double right, double support, double predicted) {
  const auto ratio = [](double a, double b) { return b > 0 ? a / b : 0; };
  return {ratio(right, predicted), ratio(right, support), ratio(2 * right, support + predicted)};
}
}  // namespace detail

/// The index of the largest element, the first of equal ones.
template <class T>
std::int32_t largest(std::span<const T> row) {
  return std::int32_t(std::max_element(row.begin(), row.end()) - row.begin());
}

/// Counts predictions batch by batch; result() is what they come to.
class MetricsCounter {
 public:
  explicit MetricsCounter(std::int64_t classes) : classes_(std::size_t(classes)), confusion_(classes_ * classes_) {}

  /// labels [B], probabilities [B, C].
  template <class T>
  void add(std::span<const std::int32_t> labels, const Tensor<T, 2>& probabilities) {
    require(std::int64_t(labels.size()) == probabilities.extent(0) && probabilities.extent(1) == std::int64_t(classes_),
            "metrics: ", labels.size(), " labels of ", classes_, " classes, ",
            described("probabilities", probabilities));
    for (std::size_t b = 0; b < labels.size(); ++b) {
      const std::span<const T> row(probabilities.view().row(std::int64_t(b)), classes_);
      require(labels[b] >= 0 && std::size_t(labels[b]) < classes_, "metrics: label ", labels[b], " of text ", b, "; ",
              classes_, " classes");
      const auto label = std::size_t(labels[b]);
      ++confusion_[label * classes_ + std::size_t(largest(row))];
      loss_ -= std::log(std::max(double(row[label]), double(std::numeric_limits<T>::min())));
      ++texts_;
    }
  }

  /// All that another count came to.
  void add(const Metrics& m) {
    require(m.classes.size() == classes_ && m.confusion.size() == confusion_.size(), "metrics: ", m.classes.size(),
            " classes added to ", classes_);
    for (std::size_t i = 0; i < confusion_.size(); ++i) confusion_[i] += m.confusion[i];
    loss_ += m.loss * double(m.texts), texts_ += m.texts;
  }

  Metrics result() const {
    Metrics m;
    m.texts = texts_, m.confusion = confusion_, m.classes.resize(classes_);
    m.loss = texts_ > 0 ? loss_ / double(texts_) : 0;
    double present = 0;
    for (std::size_t c = 0; c < classes_; ++c) {
      ClassScores& s = m.classes[c];
      for (std::size_t k = 0; k < classes_; ++k)
        s.support += confusion_[c * classes_ + k], s.predicted += confusion_[k * classes_ + c];
      s.right = confusion_[c * classes_ + c];
      static_cast<Scores&>(s) = detail::scores_of(double(s.right), double(s.support), double(s.predicted));
      m.right += s.right;
      if (s.support + s.predicted == 0) continue;
      ++present;
      m.macro.precision += s.precision, m.macro.recall += s.recall, m.macro.f1 += s.f1;
    }
    if (present > 0) m.macro.precision /= present, m.macro.recall /= present, m.macro.f1 /= present;
    m.micro = detail::scores_of(double(m.right), double(texts_), double(texts_));
    m.accuracy = m.micro.recall;
    return m;
  }

 private:
  std::size_t classes_;
  std::vector<std::int64_t> confusion_;
  double loss_ = 0;
  std::int64_t texts_ = 0;
};

/// labels [B], probabilities [B, C].
template <class T>
Metrics measure(std::span<const std::int32_t> labels, const Tensor<T, 2>& probabilities) {
  MetricsCounter counter(probabilities.extent(1));
  counter.add(labels, probabilities);
  return counter.result();
}

/// Lines to print: each class, the means and, for at most 12 classes, the confusion matrix.
inline std::string table_of(const Metrics& m, const std::vector<std::string>& names) {
  require(names.size() == m.classes.size(), "metrics: ", names.size(), " names for ", m.classes.size(), " classes");
  std::size_t width = 9;
  for (const auto& name : names) width = std::max(width, std::min<std::size_t>(name.size(), 40));
  std::string out;
  const auto line = [&](const std::string& name, const char* format, auto... values) {
    char rest[160];
    std::snprintf(rest, sizeof rest, format, values...);
    out += name + std::string(width > name.size() ? width - name.size() : 0, ' ') + rest + "\n";
  };
  line("", "%s", "  precision  recall     f1   texts");
  const auto scores = [&](const std::string& name, const Scores& s, std::int64_t texts) {
    line(name, "     %6.4f  %6.4f  %6.4f  %6lld", s.precision, s.recall, s.f1, static_cast<long long>(texts));
  };
  for (std::size_t c = 0; c < names.size(); ++c) scores(names[c], m.classes[c], m.classes[c].support);
  scores("macro", m.macro, m.texts);
  scores("micro", m.micro, m.texts);
  line("accuracy", "  %.4f (%lld of %lld)", m.accuracy, static_cast<long long>(m.right),
       static_cast<long long>(m.texts));
  line("loss", "  %.4f", m.loss);
  if (names.size() > 12) return out;
  out += "confusion: rows are labels, columns predictions, in the order above\n";
  for (std::size_t c = 0; c < names.size(); ++c) {
    std::string row;
    for (std::size_t k = 0; k < names.size(); ++k) {
      char cell[24];
      std::snprintf(cell, sizeof cell, "%8lld", static_cast<long long>(m.confusion_of(c, k)));
      row += cell;
    }
    line(names[c], "%s", row.c_str());
  }
  return out;
}

}  // namespace quern::inline QUERN_ABI
