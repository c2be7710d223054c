/// FiniteCheck: the first op of a pass whose result, or whose gradient, is not finite, by name and layer.
///
///   FiniteCheck check;
///   Tape tape;
///   tape.observe(&check);
///   tape.backward(loss_of(tape.watch(model, grads)));      // throws FiniteCheck::Failure at the first bad number
///
/// It looks at every element of every value, about 2 ns each; a tape without it pays nothing.
#pragma once
#include <quern/autograd/trace.hpp>

namespace quern::inline QUERN_ABI {

class FiniteCheck : public Trace {
 public:
  enum Where { in_parameter, in_forward, in_backward };

  /// A number that is not finite was met. The check holds the pass up to there: check.current() is the op.
  struct Failure : Error {
    Failure(Where w, std::string o, std::string l, const std::string& message)
        : Error(message), where(w), op(std::move(o)), layer(std::move(l)) {}
    Where where;
    std::string op, layer;  // of a parameter: op is empty, layer its path
  };

  void parameter(const std::string& path, const TapeValue& v) override {
    Trace::parameter(path, v);
    if (v.tensor.size() == 0) return;
    const Summary& s = values().back().summary;
    if (s.not_finite) throw Failure(in_parameter, "", path, text_of(path, ": ", bad(s), " before the pass"));
  }

  void recorded(const char* name, const TapeValue& y, const std::vector<TapeValue>& inputs) override {
    Trace::recorded(name, y, inputs);
    const Summary& s = value(current().output).summary;
    if (s.not_finite) fail(in_forward, "forward", "its result", value(current().output), s);
  }

  void before_backward(Tape& tape, int output) override {
    Trace::before_backward(tape, output);
    dy_ = gradient_of(tape, current().output);
    dy_.memory = dy_.memory.copy();     // the op will take it
    if (current().gradient.not_finite)  // only the loss's own: all others were looked at when they were made
      fail(in_backward, "backward", "the gradient that it was given", value(current().output), current().gradient);
  }

  void after_backward(Tape& tape, int output) override {
    Trace::after_backward(tape, output);
    for (std::size_t i = 0; i < current().inputs.size(); ++i) {
      const Summary& s = current().input_gradients[i];
      const TraceValue& x = value(current().inputs[i]);
      if (s.not_finite) fail(in_backward, "backward", ("the gradient of " + x.name).c_str(), x, s);
    }
    dy_ = {};
  }

  /// The gradient of the result of the op at work, in backward.
  const AnyTensor& gradient() const { return dy_; }

 private:
  static std::string bad(const Summary& s) {
    const auto i = std::size_t(s.first_bad);
    return text_of(s.not_finite, " of ", s.size, " elements not finite, the first is element ", s.first_bad,
                   i < s.first.size() ? text_of(" (", s.first[i], ")") : std::string());
  }

  [[noreturn]] void fail(Where where, const char* pass, const char* what, const TraceValue& v, const Summary& s) const {
    const TraceOp& op = current();
    std::string message =
        text_of(op.label, op.layer.empty() ? "" : " (" + op.layer + ")", ", ", pass, ": ", what, " [");
    for (std::size_t i = 0; i < v.at.tensor.shape.size(); ++i) message += text_of(i ? ", " : "", v.at.tensor.shape[i]);
    message += text_of("] has ", bad(s), "; inputs:");
    for (std::size_t i = 0; i < op.inputs.size(); ++i) {
      const TraceValue& x = value(op.inputs[i]);
      message += text_of(i ? ", " : " ", x.name, " from ", x.summary.min, " to ", x.summary.max);
    }
    throw Failure(where, op.name, op.layer, message);
  }

  AnyTensor dy_;
};

}  // namespace quern::inline QUERN_ABI
