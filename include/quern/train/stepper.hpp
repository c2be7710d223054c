/// Stepper: the backward pass in a terminal, op by op: the formula, the inputs, the local derivative, the gradient that
/// comes in and those that go out.
///
///   Stepper stepper;                   // Enter: next; c: on to a stop; s LAYER: stop there; q: no more stops
///   stepper.stop_at("windows.0");      // a layer with all that is in it, or an op: "softmax"
///   tape.observe(&stepper);            // before tape.watch
///
/// Without input (`Stepper(nullptr)`) it prints what it would stop at and asks nothing.
#pragma once
#include <cstdio>
#include <string>
#include <vector>

#include <quern/autograd/trace.hpp>
#include <quern/train/formulas.hpp>

namespace quern::inline QUERN_ABI {

class Stepper : public Trace {
 public:
  static constexpr std::int64_t most_printed = 64;      // elements of a tensor; larger ones are summarised
  static constexpr std::int64_t most_derivatives = 64;  // elements of a Jacobian

  explicit Stepper(std::FILE* in = stdin, std::FILE* out = stdout) : Trace(most_printed), in_(in), out_(out) {}

  /// Runs on to the ops of this layer, or of this name. Several stops add up.
  void stop_at(const std::string& layer_or_op) {
    stops_.push_back(layer_or_op);
    every_op_ = false;
  }

  void before_backward(Tape& tape, int output) override {
    Trace::before_backward(tape, output);
    const TraceOp& op = current();
    showing_ = every_op_ || is_stop(op);
    if (!showing_) return;
    std::string text = text_of("── ", op.walked + 1, " of ", ops().size(), ": ", op.label,
                               op.layer.empty() ? "" : " (" + op.layer + ")", "\n");
    append_lines(text, formula_of(op.name), "   ");
    for (const int i : op.inputs) append(text, value(i).name, value(i).at.tensor, value(i).summary);
    append(text, "→ " + op.label, value(op.output).at.tensor, value(op.output).summary);
    append(text, "gradient in: d " + op.label, value(op.output).at.tensor, op.gradient);
    for (const int i : distinct_inputs(op)) append_jacobian(text, tape, op, i);
    std::fputs(text.c_str(), out_);
  }

  void after_backward(Tape& tape, int output) override {
    Trace::after_backward(tape, output);
    if (!showing_) return;
    const TraceOp& op = current();
    std::string text;
    for (std::size_t i = 0; i < op.inputs.size(); ++i)
      if (op.input_gradients[i].size > 0)
        append(text, "gradient out: d " + value(op.inputs[i]).name, value(op.inputs[i]).at.tensor,
               op.input_gradients[i]);
    text += '\n';
    std::fputs(text.c_str(), out_);
    if (in_) ask();
  }

 private:
  bool is_stop(const TraceOp& op) const {
    for (const auto& s : stops_)
      if (op.layer == s || op.layer.starts_with(s + ".") || op.name == s) return true;
    return false;
  }

  /// Those that want a gradient, each once.
  std::vector<int> distinct_inputs(const TraceOp& op) const {
    std::vector<int> inputs;
    for (const int i : op.inputs)
      if (value(i).at.slot >= 0 && std::find(inputs.begin(), inputs.end(), i) == inputs.end()) inputs.push_back(i);
    return inputs;
  }

  static std::string number(double x) {
    char text[32];
    std::snprintf(text, sizeof text, "%10.4g", x == 0 ? 0.0 : x);  // no -0
    return text;
  }
  static void append_rows(std::string& text, const std::vector<double>& x, std::size_t columns) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (i % columns == 0) text += "     ";
      text += number(x[i]);
      if ((i + 1) % columns == 0 || i + 1 == x.size()) text += '\n';
    }
  }
  static void append_lines(std::string& text, const char* lines, const char* indent) {
    while (*lines) {
      text += indent;
      while (*lines && *lines != '\n') text += *lines++;
      if (*lines) ++lines;
      text += '\n';
    }
  }

  /// "   NAME [2, 2]" and the elements, or what they come to.
  static void append(std::string& text, const std::string& name, const AnyTensor& x, const Summary& s) {
    text += "   " + name;
    detail::append_extents(text += ' ', x.shape.data(), int(x.shape.size()));
    if (s.size == std::int64_t(s.first.size())) {
      text += '\n';
      return append_rows(text, s.first, x.shape.empty() ? 1 : std::size_t(x.shape.back()));
    }
    text += text_of(": min ", s.min, ", max ", s.max, ", mean ", s.mean, ", norm ", s.norm,
                    s.not_finite ? text_of(", ", s.not_finite, " not finite") : std::string(), "\n");
  }

  /// Row i is what the op's backward answers to the unit vector i.
  void append_jacobian(std::string& text, Tape& tape, const TraceOp& op, int input) const {
    const AnyTensor& y = value(op.output).at.tensor;
    const TapeValue& x = value(input).at;
    text += "   ∂(" + op.label + ")/∂(" + value(input).name + ")";
    if (y.size() * x.tensor.size() > most_derivatives) {
      text += text_of(": ", y.size(), " × ", x.tensor.size(), ", too many to print\n");
      return;
    }
    text += ", a row for each element of the result\n";
    for (std::int64_t i = 0; i < y.size(); ++i) {
      Storage unit(std::size_t(y.size()) * y.type->bytes, Device::cpu());
      for (std::int64_t j = 0; j < y.size(); ++j) y.type->put(unit.data(), j, i == j ? 1 : 0);
      AnyTensor row = x.tensor;
      row.memory = tape.try_backward(unit.to(y.memory.device()), x.slot);
      row = row.on_host();
      std::vector<double> numbers(std::size_t(x.tensor.size()));
      for (std::int64_t j = 0; j < row.size(); ++j) numbers[std::size_t(j)] = row[j];
      append_rows(text, numbers, numbers.size());
    }
  }

  /// One line of input; false at its end.
  bool read(std::string& line) {
    line.clear();
    int c;
    while ((c = std::fgetc(in_)) != EOF && c != '\n') line += char(c);
    return c != EOF || !line.empty();
  }

  void ask() {
    for (std::string line;;) {
      std::fputs("Enter: next, c: on, s LAYER: stop there, q: end > ", out_);
      std::fflush(out_);
      const bool more = read(line);
      if (!more) std::fputc('\n', out_);
      if (!more || line == "q" || line == "quit") {
        stops_.clear(), every_op_ = false;
        return;
      }
      every_op_ = line.empty() || line == "n" || line == "next";
      if (every_op_ || line == "c" || line == "continue") return;
      if (line.starts_with("s ")) {
        stop_at(line.substr(2));
      } else {
        std::fprintf(out_, "'%s' is none of these\n", line.c_str());
      }
    }
  }

  std::FILE *in_, *out_;
  std::vector<std::string> stops_;
  bool every_op_ = true, showing_ = false;
};

}  // namespace quern::inline QUERN_ABI
