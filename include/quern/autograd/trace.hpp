/// Trace: one pass of a tape, kept as a graph: every op with its layer, its inputs, its result and their gradients. It
/// is what pages, steppers and checks are made from.
///
///   Trace trace;
///   Tape tape;
///   tape.observe(&trace);
///   tape.backward(cross_entropy(tape.watch(model, grads)(batch), batch.labels));
///   for (const TraceOp& op : trace.ops()) …        // op.name, op.layer, trace.values()[op.output].summary.norm
///
/// It shares the memory of all values until it is cleared or goes away, and looks at every element: for looking at a
/// step, not for training. Observed again, it begins anew.
#pragma once
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <quern/autograd/tape.hpp>

namespace quern::inline QUERN_ABI {

/// A tensor in a few numbers. Those of statistics are of its finite elements.
struct Summary {
  std::int64_t size = 0, not_finite = 0, first_bad = -1;  // first_bad: the first element that is not finite
  double min = 0, max = 0, mean = 0, norm = 0;            // norm: the root of the sum of squares
  std::vector<double> first;                              // elements, in row-major order
};

/// Of a tensor on a GPU a copy is looked at, once all work before it is done.
inline Summary summarise(const AnyTensor& tensor, std::int64_t first) {
  const AnyTensor x = tensor.on_host();
  Summary s;
  s.size = x.size();
  double sum = 0, squares = 0;
  std::int64_t finite = 0;
  for (std::int64_t i = 0; i < s.size; ++i) {
    const double v = x[i];
    if (i < first) s.first.push_back(v);
    if (!std::isfinite(v)) {
      if (s.not_finite++ == 0) s.first_bad = i;
      continue;
    }
    s.min = finite ? std::min(s.min, v) : v;
    s.max = finite ? std::max(s.max, v) : v;
    sum += v, squares += v * v;
    ++finite;
  }
  if (finite) s.mean = sum / double(finite);
  s.norm = std::sqrt(squares);
  return s;
}

/// A parameter, a constant or the result of an op.
struct TraceValue {
  enum Kind { parameter, constant, result } kind;
  std::string name;  // "out.weight", "input 1", "linear 2"
  TapeValue at;
  int op = -1;  // that made it
  Summary summary;
};

struct TraceOp {
  std::string name, layer;  // "linear", "blocks.0.out": what the paths of its parameters have in common
  std::string label;        // "linear 2": the second of its kind
  std::vector<int> inputs;  // of values
  int output = -1;
  int walked = -1;                       // its place in the backward pass; -1: not reached
  Summary gradient;                      // of its result, complete
  std::vector<Summary> input_gradients;  // after this op ran: ops that ran before it may have added to them too
};

class Trace : public TapeObserver {
 public:
  /// `first`: how many elements of each tensor are kept.
  explicit Trace(std::int64_t first = 8) : first_(first) {}

  const std::vector<TraceValue>& values() const { return values_; }
  const std::vector<TraceOp>& ops() const { return ops_; }  // in the order they were computed
  int walked() const { return walked_; }                    // ops that backward has run

  /// The op at work, or the last one that was.
  const TraceOp& current() const { return ops_.at(std::size_t(current_)); }
  const TraceValue& value(int i) const { return values_.at(std::size_t(i)); }

  void begin() override {
    values_.clear(), ops_.clear(), by_slot_.clear(), by_memory_.clear(), count_.clear();
    walked_ = 0, current_ = -1, constants_ = 0;
  }

  void parameter(const std::string& path, const TapeValue& v) override {
    if (v.tensor.size() == 0) return;  // a layer without bias
    const std::string unnamed = "parameter " + std::to_string(values_.size() + 1);
    add_value({TraceValue::parameter, path.empty() ? unnamed : path, v, -1, {}});
  }

  void recorded(const char* name, const TapeValue& y, const std::vector<TapeValue>& inputs) override {
    TraceOp op;
    op.name = name;
    op.label = op.name + " " + std::to_string(++count_[op.name]);
    for (const auto& x : inputs)
      if (x.tensor.size() > 0) op.inputs.push_back(find_or_add(x));
    op.layer = layer_of(op);
    op.output = add_value({TraceValue::result, op.label, y, int(ops_.size()), {}});
    current_ = int(ops_.size());
    ops_.push_back(std::move(op));
  }

  void before_backward(Tape& tape, int output) override {
    current_ = values_[std::size_t(by_slot_[std::size_t(output)])].op;
    TraceOp& op = ops_[std::size_t(current_)];
    op.walked = walked_++;
    op.gradient = summary_of_gradient(tape, op.output);
  }

  void after_backward(Tape& tape, int) override {
    TraceOp& op = ops_[std::size_t(current_)];
    for (const int i : op.inputs) op.input_gradients.push_back(summary_of_gradient(tape, i));
  }

 protected:
  /// The gradient of a value as it stands; without memory where none has come, or none is wanted.
  AnyTensor gradient_of(const Tape& tape, int value) const {
    const TapeValue& v = this->value(value).at;
    AnyTensor g = v.tensor;
    g.memory = v.slot >= 0 ? tape.gradient_in(v.slot) : Storage{};
    return g;
  }

 private:
  Summary summary_of_gradient(const Tape& tape, int value) const { return summarise(gradient_of(tape, value), first_); }

  int add_value(TraceValue v) {
    const int index = int(values_.size());
    if (v.at.slot >= 0) {
      if (by_slot_.size() <= std::size_t(v.at.slot)) by_slot_.resize(std::size_t(v.at.slot) + 1, -1);
      by_slot_[std::size_t(v.at.slot)] = index;
    } else {
      by_memory_[v.at.tensor.memory.data()] = index;  // the value shares the memory, so no other gets this address
    }
    v.summary = summarise(v.at.tensor, first_);
    values_.push_back(std::move(v));
    return index;
  }

  /// A value with a slot was told before. One without is known by its memory: what no gradient is wanted for.
  int find_or_add(const TapeValue& x) {
    if (x.slot >= 0 && std::size_t(x.slot) < by_slot_.size() && by_slot_[std::size_t(x.slot)] >= 0)
      return by_slot_[std::size_t(x.slot)];
    const auto found = by_memory_.find(x.tensor.memory.data());
    if (x.slot < 0 && found != by_memory_.end()) return found->second;
    return add_value({TraceValue::constant, "input " + std::to_string(++constants_), x, -1, {}});
  }

  std::string layer_of(const TraceOp& op) const {
    std::string layer;
    bool any = false;
    for (const int i : op.inputs) {
      if (value(i).kind != TraceValue::parameter) continue;
      const std::string& path = value(i).name;
      const auto dot = path.rfind('.');
      const std::string folder = dot == std::string::npos ? "" : path.substr(0, dot);
      layer = any ? common(layer, folder) : folder;
      any = true;
    }
    return layer;
  }

  /// "a.b" of "a.b.c" and "a.b.d".
  static std::string common(const std::string& a, const std::string& b) {
    std::size_t end = 0, i = 0;
    for (; i < a.size() && i < b.size() && a[i] == b[i]; ++i)
      if (a[i] == '.') end = i;
    if ((i == a.size() || a[i] == '.') && (i == b.size() || b[i] == '.')) end = i;
    return a.substr(0, end);
  }

  std::vector<TraceValue> values_;
  std::vector<TraceOp> ops_;
  std::vector<int> by_slot_;              // values
  std::map<const void*, int> by_memory_;  // values without a slot
  std::map<std::string, int> count_;      // ops of each name
  std::int64_t first_;
  int walked_ = 0, current_ = -1, constants_ = 0;
};

}  // namespace quern::inline QUERN_ABI
