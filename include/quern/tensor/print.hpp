/// Tensors and models as text.
///
///   std::puts(text_of(x).c_str());                    // shape, type, device, and the elements in aligned columns
///   std::puts(printed(x, {.precision = 2}).c_str());  // the same, as you like it
///   std::puts(summary(model).c_str());                // a table of names, shapes, types, elements and bytes
///
/// Of a tensor of more than 1000 elements the first and last three along each axis are shown, "…" stands for the
/// others. Numbers are written with one format for all: whole numbers as "3.", others with four digits behind the
/// point, or as "1.5000e-05" where they are very large, very small or far apart.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <quern/base/function_ref.hpp>
#include <quern/tensor/walk.hpp>

namespace quern::inline QUERN_ABI {

struct PrintOptions {
  std::int64_t threshold = 1000;  // elements; a larger tensor is shown in part
  std::int64_t edge = 3;          // of each axis then: the first and the last so many
  int precision = 4;              // digits behind the point
  int width = 100;                // columns of a line
};

namespace detail {

/// Writes the elements of a tensor of any rank; they come as long double, which holds every int64.
class TensorPrinter {
 public:
  using Element = FunctionRef<long double(std::int64_t)>;
  enum class Format { integer, whole, fixed, scientific };  // 3, 3., 3.0000, 3.0000e+00

  TensorPrinter(const std::int64_t* extents, int rank, Element element, bool integers, const PrintOptions& options)
      : extents_(extents), rank_(rank), element_(element), options_(options) {
    std::int64_t size = 1;
    for (int i = 0; i < rank; ++i) size *= extents[i];
    in_part_ = size > options.threshold;
    choose_format(integers, size);
  }

  std::string text() {
    write(0, 0);
    return std::move(out_);
  }

 private:
  bool skipped(int axis, std::int64_t i) const {
    return in_part_ && i >= options_.edge && i < extents_[axis] - options_.edge;
  }

  /// Calls f for the offset of every element that is shown.
  template <class F>
  void each_shown(int axis, std::int64_t offset, F& f) {
    if (axis == rank_) return f(offset);
    for (std::int64_t i = 0; i < extents_[axis]; ++i) {
      if (skipped(axis, i)) i = extents_[axis] - options_.edge;
      each_shown(axis + 1, offset * extents_[axis] + i, f);
    }
  }

  void choose_format(bool integers, std::int64_t size) {
    long double largest = 0, smallest = INFINITY;  // of those that are neither 0 nor infinite
    bool all_whole = true;
    auto look = [&](std::int64_t i) {
      const long double x = std::abs(element_(i));
      if (!std::isfinite(x)) return;
      all_whole = all_whole && x == std::floor(x);
      largest = std::max(largest, x);
      if (x > 0) smallest = std::min(smallest, x);
    };
    if (size > 0) each_shown(0, 0, look);
    const bool far = largest > 1e8L || smallest < 1e-4L || largest > 1000 * smallest;
    format_ = integers                      ? Format::integer
              : all_whole && largest < 1e8L ? Format::whole
              : far                         ? Format::scientific
                                            : Format::fixed;
    auto measure = [&](std::int64_t i) { columns_ = std::max(columns_, number(i).size()); };
    if (size > 0) each_shown(0, 0, measure);
  }

  std::string number(std::int64_t i) const {
    const long double x = element_(i);
    if (!std::isfinite(x)) return x != x ? "nan" : x > 0 ? "inf" : "-inf";
    const bool digits = format_ == Format::fixed || format_ == Format::scientific;
    char text[128];
    std::snprintf(text, sizeof text, format_ == Format::scientific ? "%.*Le" : "%.*Lf",
                  digits ? std::clamp(options_.precision, 0, 30) : 0, x);
    return format_ == Format::whole ? std::string(text) + '.' : text;
  }

  void write(int axis, std::int64_t offset) {
    if (axis == rank_) {
      const std::string text = number(offset);
      out_.append(columns_ - text.size(), ' ');
      out_ += text;
      return;
    }
    const bool last_axis = axis + 1 == rank_;
    const std::int64_t in_line = std::max<std::int64_t>(1, (options_.width - rank_) / std::int64_t(columns_ + 2));
    out_ += '[';
    std::int64_t shown = 0;
    for (std::int64_t i = 0; i < extents_[axis]; ++i, ++shown) {
      if (i > 0) {
        out_ += last_axis ? "," : std::string(",") + std::string(std::size_t(rank_ - axis - 1), '\n');
        const bool breaks = !last_axis || shown % in_line == 0;
        if (last_axis && breaks) out_ += '\n';
        out_.append(breaks ? std::size_t(axis + 1) : 1, ' ');
      }
      if (skipped(axis, i)) {
        out_ += "…";
        i = extents_[axis] - options_.edge - 1;
      } else {
        write(axis + 1, offset * extents_[axis] + i);
      }
    }
    out_ += ']';
  }

  const std::int64_t* extents_;
  int rank_;
  Element element_;
  PrintOptions options_;
  bool in_part_ = false;
  Format format_ = Format::integer;
  std::size_t columns_ = 0;
  std::string out_;
};

/// "weight [3, 4] float cpu", a line break, and the elements.
template <class T>
[[gnu::noinline]] std::string print_elements(const char* name, const std::int64_t* extents, int rank, Device device,
                                             const T* data, const PrintOptions& options) {
  std::string out = *name ? std::string(name) + ' ' : "";
  append_extents(out, extents, rank);
  out += text_of(' ', dtype_name<std::remove_const_t<T>>, ' ', device);
  auto element = [data](std::int64_t i) { return static_cast<long double>(data[i]); };
  return out + '\n' + TensorPrinter(extents, rank, element, std::is_integral_v<T>, options).text();
}

/// One line of summary().
struct SummaryRow {
  std::string name, shape, type, elements, bytes;
};

/// Columns as wide as their widest cell: text to the left, numbers to the right.
[[gnu::cold]] inline std::string table_of(const std::vector<SummaryRow>& rows) {
  using Cell = std::string SummaryRow::*;
  struct Column {
    Cell cell;
    bool number;
  };
  std::string out;
  for (const auto& row : rows) {
    for (auto [cell, number] : {Column{&SummaryRow::name, false},
                                {&SummaryRow::shape, false},
                                {&SummaryRow::type, false},
                                {&SummaryRow::elements, true},
                                {&SummaryRow::bytes, true}}) {
      std::size_t width = 0;
      for (const auto& other : rows) width = std::max(width, (other.*cell).size());
      const std::string space(width - (row.*cell).size(), ' ');
      if (cell != &SummaryRow::name) out += "  ";
      out += number ? space + row.*cell : row.*cell + space;
    }
    out += '\n';
  }
  return out;
}

}  // namespace detail

/// A tensor as text: its shape, type and device, a line break, and its elements.
template <class T, int Rank>
requires std::is_convertible_v<T, long double> std::string printed(const Tensor<T, Rank>& x,
                                                                   const PrintOptions& options = {}) {
  Storage copy;  // what lies on a GPU cannot be read where it is
  if (x.device().is_cuda()) copy = x.storage().to(Device::cpu());
  const T* data = copy ? static_cast<const T*>(copy.data()) : x.data();
  return detail::print_elements(x.name(), x.shape().extents.data(), Rank, x.device(), data, options);
}
/// The view's elements lie in the host's memory.
template <class T, int Rank>
std::string printed(const View<T, Rank>& x, const PrintOptions& options = {}) {
  return detail::print_elements("", x.extents, Rank, Device::cpu(), x.data, options);
}

/// For text_of.
template <class T, int Rank>
requires std::is_convertible_v<T, long double>
void append_text(std::string& out, const Tensor<T, Rank>& x) { out += printed(x); }
template <class T, int Rank>
void append_text(std::string& out, const View<T, Rank>& x) {
  out += printed(x);
}

/// The tensors of a model, one a line: name, shape, type, elements, bytes; and their sums.
std::string summary(const auto& model) {
  std::vector<detail::SummaryRow> rows{{"name", "shape", "type", "elements", "bytes"}};
  std::int64_t elements = 0;
  std::size_t bytes = 0;
  walk_tensors(
      [&]<class T, int Rank>(const Path& path, const Tensor<T, Rank>& x) {
        rows.push_back({path.text(), text_of(x.shape()), dtype_name<T>, text_of(x.size()), text_of(x.bytes())});
        elements += x.size(), bytes += x.bytes();
      },
      model);
  rows.push_back({"total", "", "", text_of(elements), text_of(bytes)});
  return detail::table_of(rows);
}

}  // namespace quern::inline QUERN_ABI
