/// A training as pictures: learning curves, and the confusion matrix of 2 to some hundred classes.
///
///   atomic_write("run/learning_curves.svg", learning_curves_svg(result));
///   atomic_write("run/confusion.svg", confusion_svg(result.dev, {"neg", "pos"}));
///
/// SVG without scripts, readable in light and dark viewers.
#pragma once
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <quern/io/svg.hpp>
#include <quern/train/metrics.hpp>
#include <quern/train/options.hpp>

namespace quern::inline QUERN_ABI {

namespace detail {

struct Curve {
  const char* name;
  const char* colour;  // first, second or third
  std::vector<double> values;
};

/// 1, 2 or 5 times a power of ten: the distance of about four grid lines over `range`.
inline double grid_distance(double range) {
  const double power = std::pow(10, std::floor(std::log10(range / 4)));
  for (const double factor : {1., 2., 5.})
    if (power * factor * 4.5 >= range) return power * factor;
  return power * 10;
}

/// One set of axes with its curves; the x axis is epochs from 1.
struct Panel {
  double left, top, width, height, low, high;
  std::size_t epochs;

  double x(std::size_t epoch) const {
    return epochs < 2 ? left + width / 2 : left + width * double(epoch) / double(epochs - 1);
  }
  double y(double value) const { return top + height * (1 - (value - low) / (high - low)); }

  std::string axes(const std::string& title) const {
    std::string out = svg_text(left, top - 14, title, "class=\"strong\" font-size=\"15\"");
    const double distance = grid_distance(high - low);
    for (double v = std::ceil(low / distance - 1e-9) * distance; v <= high + distance * 1e-9; v += distance) {
      char label[32];
      std::snprintf(label, sizeof label, "%.4g", std::abs(v) < distance * 1e-9 ? 0 : v);
      out += svg_line(left, y(v), left + width, y(v), "class=\"grid\"");
      out += svg_text(left - 8, y(v) + 4, label, "class=\"soft end\" font-size=\"12\"");
    }
    const auto step = std::size_t(std::max(1.0, grid_distance(double(std::max<std::size_t>(epochs, 2) - 1))));
    for (std::size_t e = 1; e <= epochs; e += e == 1 && step > 1 ? step - 1 : step)
      out += svg_text(x(e - 1), top + height + 18, std::to_string(e), "class=\"soft middle\" font-size=\"12\"");
    return out + svg_text(left + width / 2, top + height + 36, "epoch", "class=\"soft middle\" font-size=\"12\"");
  }

  /// Values that are no numbers leave a gap.
  std::string curve(const Curve& c) const {
    std::string out, path;
    bool pen = false;
    for (std::size_t e = 0; e < c.values.size(); ++e) {
      if (!std::isfinite(c.values[e])) {
        pen = false;
        continue;
      }
      const std::string at = svg_number(x(e)) + " " + svg_number(y(c.values[e]));
      path += (pen ? "L" : "M") + at;
      pen = true;
      if (epochs <= 50)
        out += "<circle cx=\"" + svg_number(x(e)) + "\" cy=\"" + svg_number(y(c.values[e])) + "\" r=\"3\" class=\"in-" +
               c.colour + "\"/>\n";
    }
    return "<path d=\"" + path + "\" fill=\"none\" stroke-width=\"2\" stroke-linejoin=\"round\" class=\"" + c.colour +
           "\"/>\n" + out;
  }
};

inline std::string legend(double x, double y, const std::vector<Curve>& curves) {
  std::string out;
  for (const auto& c : curves) {
    out += "<rect x=\"" + svg_number(x) + "\" y=\"" + svg_number(y - 9) + "\" width=\"14\" height=\"4\" class=\"in-" +
           c.colour + "\" transform=\"translate(0 3)\"/>\n" + svg_text(x + 20, y, c.name, "font-size=\"12\"");
    x += 20 + 12 * text_width(c.name) + 18;
  }
  return out;
}

inline std::string panel_of(double left, const std::string& title, const std::vector<Curve>& curves,
                            std::int64_t kept_epoch, bool is_share) {
  double low = INFINITY, high = -INFINITY;
  for (const auto& c : curves)
    for (const double v : c.values)
      if (std::isfinite(v)) low = std::min(low, v), high = std::max(high, v);
  if (!(low <= high)) low = 0, high = 1;
  const double margin = high > low ? 0.06 * (high - low) : std::max(0.05, 0.1 * std::abs(high));
  low -= margin, high += margin;
  if (is_share) low = std::max(low, 0.0), high = std::min(high, 1.0);
  const Panel panel{left, 84, 380, 240, low, high, curves.front().values.size()};
  std::string out = panel.axes(title) + legend(left, 392, curves);
  if (kept_epoch >= 0) {
    const double x = panel.x(std::size_t(kept_epoch));
    out += svg_line(x, panel.top, x, panel.top + panel.height, "class=\"mark\" stroke-dasharray=\"4 4\"");
  }
  for (const auto& c : curves) out += panel.curve(c);
  return out;
}

}  // namespace detail

/// Losses of the training and development texts, accuracy and macro F1 of the latter, epoch by epoch; a broken line
/// marks the epoch whose weights were kept. Without development texts: the training loss alone.
inline std::string learning_curves_svg(const TrainResult& r) {
  using detail::Curve;
  const bool has_dev = r.dev.texts > 0;
  Curve train{"training", "first", {}}, dev{"development", "second", {}}, accuracy{"accuracy", "second", {}},
      f1{"macro F1", "third", {}};
  for (const auto& e : r.history) {
    train.values.push_back(e.train_loss), dev.values.push_back(e.dev_loss);
    accuracy.values.push_back(e.dev_accuracy), f1.values.push_back(e.dev_macro_f1);
  }
  std::string out = svg_begin(has_dev ? 960 : 500, 412, "Learning curves");
  out += svg_text(24, 34, "Learning curves", "class=\"strong\" font-size=\"18\"");
  if (r.history.empty())
    return out + svg_text(24, 84, "No epoch had ended.", "class=\"soft\" font-size=\"14\"") + "</svg>\n";
  if (r.kept_epoch >= 0)
    out += svg_text(has_dev ? 936 : 476, 34,
                    has_dev ? text_of("kept: epoch ", r.kept_epoch + 1, " of ", r.history.size(), " (broken line)")
                            : text_of(r.history.size(), " epochs, the last is kept"),
                    "class=\"soft end\" font-size=\"13\"");
  if (!has_dev) return out + detail::panel_of(72, "Loss", {train}, -1, false) + "</svg>\n";
  return out + detail::panel_of(72, "Loss", {train, dev}, r.kept_epoch, false) +
         detail::panel_of(556, "Development texts", {accuracy, f1}, r.kept_epoch, true) + "</svg>\n";
}

namespace detail {

/// Sizes of a confusion matrix of C classes: few classes have large cells, many have small ones.
struct ConfusionLayout {
  std::size_t classes;
  double cell, label_size, label_width, left, top, right;

  explicit ConfusionLayout(const std::vector<std::string>& names) : classes(names.size()) {
    cell = classes <= 4 ? 84 : classes <= 8 ? 56 : classes <= 16 ? 40 : classes <= 32 ? 26 : 17;
    label_size = classes <= 8 ? 14 : classes <= 32 ? 12 : 10.5;
    double widest = 0;
    for (const auto& name : names) widest = std::max(widest, text_width(name));
    label_width = std::min(widest, 30.0);  // in font sizes
    left = 46 + label_width * label_size;
    top = 104 + label_width * label_size;
    right = 70;
  }
  double side() const { return cell * double(classes); }
  double width() const { return std::max(left + side() + right, 680.0); }  // the head and the scale beside it
  double height() const { return top + side() + 24; }
  double x(std::size_t predicted) const { return left + cell * double(predicted); }
  double y(std::size_t label) const { return top + cell * double(label); }
  std::string font(double size) const { return "font-size=\"" + svg_number(size) + "\""; }
};

/// How strong a share of a row is painted: the root, so that one text of forty is still seen.
inline double strength(double share) { return share <= 0 ? 0 : 0.1 + 0.9 * std::sqrt(share); }

inline std::string confusion_labels(const ConfusionLayout& l, const std::vector<std::string>& names, const Metrics& m) {
  std::string out;
  const double down = l.label_size * 0.35;
  for (std::size_t c = 0; c < names.size(); ++c) {
    const std::string name = shortened(names[c], 30);
    const std::string title = name == names[c] ? "" : "<title>" + xml_escaped(names[c]) + "</title>";
    const double middle = l.y(c) + l.cell / 2 + down;
    out += "<g>" + title + svg_text(l.left - 8, middle, name, "class=\"end\" " + l.font(l.label_size)) + "</g>";
    const std::string x = svg_number(l.x(c) + l.cell / 2 + down), y = svg_number(l.top - 8);
    out += "<g>" + title +
           svg_text(0, 0, name, "transform=\"translate(" + x + " " + y + ") rotate(-90)\" " + l.font(l.label_size)) +
           "</g>";
    char recall[24];
    std::snprintf(recall, sizeof recall, "%.0f %%", 100 * m.classes[c].recall);
    if (m.classes[c].support > 0)
      out += svg_text(l.left + l.side() + 8, middle, recall, "class=\"soft\" " + l.font(std::min(l.label_size, 12.0)));
  }
  out += svg_text(l.left + l.side() + 8, l.top - 8, "recall", "class=\"soft\" " + l.font(std::min(l.label_size, 12.0)));
  return out;
}

inline std::string confusion_cells(const ConfusionLayout& l, const std::vector<std::string>& names, const Metrics& m) {
  std::string out;
  for (std::size_t c = 0; c < names.size(); ++c)
    for (std::size_t k = 0; k < names.size(); ++k) {
      const auto count = m.confusion_of(c, k);
      if (count == 0) continue;
      const double share = double(count) / double(m.classes[c].support), paint = strength(share);
      char percent[24];
      std::snprintf(percent, sizeof percent, " (%.1f %%)", 100 * share);
      out += "<g><title>" + xml_escaped(text_of(names[c], " → ", names[k], ": ", count)) + percent + "</title>";
      out += "<rect x=\"" + svg_number(l.x(k)) + "\" y=\"" + svg_number(l.y(c)) + "\" width=\"" + svg_number(l.cell) +
             "\" height=\"" + svg_number(l.cell) + "\" class=\"" + (c == k ? "in-first" : "in-second") +
             "\" fill-opacity=\"" + svg_number(paint) + "\"/>";
      const std::string text = std::to_string(count);
      const double size = std::min(l.cell * 0.34 + 3, (l.cell - 2) / (0.62 * double(text.size())));
      if (size >= 6)
        out += svg_text(l.x(k) + l.cell / 2, l.y(c) + l.cell / 2 + size * 0.35, text,
                        std::string(paint > 0.75 ? "class=\"middle on\" " : "class=\"middle\" ") + l.font(size));
      out += "</g>\n";
    }
  return out;
}

/// Both colours at some shares.
inline std::string confusion_scale(double x, double y) {
  std::string out;
  const auto row = [&](double at, const char* name, const char* colour) {
    out += svg_text(x, at + 12, name, "class=\"soft\" font-size=\"12\"");
    for (const int percent : {2, 10, 25, 50, 100}) {
      const double box = x + 44 +
                         44 * (percent == 2    ? 0
                               : percent == 10 ? 1
                               : percent == 25 ? 2
                               : percent == 50 ? 3
                                               : 4);
      out += "<rect x=\"" + svg_number(box) + "\" y=\"" + svg_number(at) + "\" width=\"44\" height=\"16\" class=\"" +
             colour + "\" fill-opacity=\"" + svg_number(strength(percent / 100.0)) + "\"/>\n";
      out += svg_text(box + 22, at + 12, text_of(percent, " %"),
                      percent >= 100 ? "class=\"middle on\" font-size=\"11\"" : "class=\"middle\" font-size=\"11\"");
    }
  };
  row(y, "right", "in-first");
  row(y + 20, "wrong", "in-second");
  return out;
}

}  // namespace detail

/// Rows are labels, columns predictions; a cell is painted by its share of the row, right ones in one colour and wrong
/// ones in another, and holds the number of texts. Pointing at a cell tells both names.
inline std::string confusion_svg(const Metrics& m, const std::vector<std::string>& names) {
  require(!names.empty() && names.size() == m.classes.size(), "confusion_svg: ", names.size(), " names for ",
          m.classes.size(), " classes");
  const detail::ConfusionLayout l(names);
  std::string out = svg_begin(l.width(), l.height(), "Confusion matrix", names.size() <= 16);
  out += "<style>.on{fill:#fff}@media(prefers-color-scheme:dark){.on{fill:#0d1117}}</style>\n";
  char head[120];
  std::snprintf(head, sizeof head, "accuracy %.4f, macro F1 %.4f, %lld texts", m.accuracy, m.macro.f1,
                static_cast<long long>(m.texts));
  out += svg_text(24, 34, "Confusion matrix", "class=\"strong\" font-size=\"18\"");
  out += svg_text(24, 56, head, "class=\"soft\" font-size=\"13\"");
  out += svg_text(24, 76, "rows: labels, columns: predictions", "class=\"soft\" font-size=\"13\"");
  out += detail::confusion_scale(l.width() - 290, 20);
  const double far = l.left + l.side(), low = l.top + l.side();
  for (std::size_t c = 0; c <= names.size(); ++c) {
    out += svg_line(l.left, l.y(c), far, l.y(c), "class=\"grid\" stroke-width=\"0.5\"");
    out += svg_line(l.x(c), l.top, l.x(c), low, "class=\"grid\" stroke-width=\"0.5\"");
  }
  return out + detail::confusion_labels(l, names, m) + detail::confusion_cells(l, names, m) + "</svg>\n";
}

}  // namespace quern::inline QUERN_ABI
