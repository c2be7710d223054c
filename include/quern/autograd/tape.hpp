/// A tape is a list of what was computed, walked backwards. It knows tensors and no op: an op's recorded overload calls
/// the op's forward, and leaves behind a function that calls the op's backward.
///
///   Tape tape(Random(seed, Purpose::dropout, step));      // without a random stream dropout does nothing
///   auto recorded = tape.watch(model, grads);             // the same struct, over recorded numbers
///   tape.backward(cross_entropy(recorded(batch), batch.labels));      // adds into grads
///
/// A tape serves one pass. `step_back()` walks it node by node; `observe(&trace)` lets others look on.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <quern/autograd/observer.hpp>
#include <quern/autograd/recorded.hpp>
#include <quern/tensor/accumulate.hpp>
#include <quern/tensor/random.hpp>
#include <quern/tensor/walk.hpp>

namespace quern::inline QUERN_ABI {

class Tape {
 public:
  Tape() = default;
  explicit Tape(const Random& random) : random_(random) {}
  Tape(const Tape&) = delete;  // recorded tensors point to their tape
  Tape& operator=(const Tape&) = delete;
  ~Tape() {
    while (last_) delete take_last();
  }

  /// Tells `observer` of everything from here on. It must live until the pass is over.
  void observe(TapeObserver* observer) {
    require(slots_.empty(), "observe: this tape already watches parameters; call observe() before watch()");
    observer_ = observer;
    if (observer_) observer_->begin();
  }

  /// The model over recorded numbers, its parameters on this tape. Gradients are added into `grads`, which must outlive
  /// the tape. Parameters the rule does not train are constants: nothing is recorded for them.
  template <template <class> class M, class T, class Rule = TrainAll>
  M<Recorded<T>> watch(const M<T>& model, M<T>& grads, const Rule& rule = {}) {
    M<Recorded<T>> recorded;
    walk(
        [&](const Path& path, const auto& w, auto& g, auto& r) {
          if constexpr (is_tensor<std::remove_cvref_t<decltype(w)>>) {
            r = {w, this, options_of(rule, path).train ? parameter(path, w, g) : -1};
            if (observer_) [[unlikely]]
              show(w, r.slot()), tell_parameter(path);
          } else {
            r = w;
          }
        },
        model, grads, recorded);
    return recorded;
  }

  /// One tensor as a parameter of its own: watch(x, dx).
  template <Number T, int Rank>
  Tensor<Recorded<T>, Rank> watch(const Tensor<T, Rank>& x, Tensor<T, Rank>& gradient) {
    const int slot = parameter(Path{}, x, gradient);
    if (observer_) [[unlikely]]
      show(x, slot), tell_parameter(Path{});
    return {x, this, slot};
  }

  /// Adds the gradient of `loss`, a scalar, into the gradients of everything it was computed from.
  template <class T>
  void backward(const Tensor<Recorded<T>, 0>& loss) {
    begin_backward(loss);
    while (step_back()) {}
  }

  /// Puts 1 on the loss; then `step_back()` runs one node at a time.
  template <class T>
  void begin_backward(const Tensor<Recorded<T>, 0>& loss) {
    require(loss.tape() == this && loss.slot() >= 0,
            "backward: the loss was not computed from anything this tape watches");
    require(!spent_, "backward: this tape was already walked; make a new one for every pass");
    spent_ = true;
    add(loss, scalar_on(loss.device(), T(1)));
  }

  /// Runs the last node that has not run, and forgets it with everything it kept. False when none is left.
  bool step_back() {
    if (!last_) return false;
    const std::unique_ptr<Node> node(take_last());
    if (!slots_[std::size_t(node->output)].gradient) return true;  // the loss does not depend on it
    if (observer_) [[unlikely]] {
      observed_ = node.get();
      observer_->before_backward(*this, node->output);
      observed_ = nullptr;
    }
    node->backward(*this);
    if (observer_) [[unlikely]]
      observer_->after_backward(*this, node->output);
    return true;
  }

  /// The node step_back() will run next: the op's name, and how many are left.
  const char* next_op() const { return last_ ? last_->op : ""; }
  std::size_t size() const { return nodes_; }

  /// Watched parameters the last backward did not reach: they would silently stay as they are.
  std::vector<std::string> without_gradient() const {
    std::vector<std::string> names;
    for (const auto& s : slots_)
      if (s.parameter && !s.reached) names.push_back(s.name);
    return names;
  }

  /// The random stream given to the tape, and a number for each op that draws from it.
  const std::optional<Random>& random() const { return random_; }
  std::uint32_t next_random_op() { return random_ops_++; }

  // What recorded overloads call.

  /// Notes that `y` came from `inputs`; `backward(dy)` adds to their gradients. Without a tracked input nothing is
  /// kept.
  template <class T, int Rank, class Backward, class... In>
  static Tensor<Recorded<T>, Rank> record(const char* op, const Tensor<T, Rank>& y, Backward&& backward,
                                          const In&... inputs) {
    Sought sought{op};
    (look_at(inputs, sought), ...);
    Tape* tape = sought.found();
    const int slot = sought.wanted ? tape->note(new NodeOf<T, Rank, Backward>(op, y.shape(), std::move(backward))) : -1;
    if (tape->observer_) [[unlikely]] {
      (tape->show(inputs), ...);
      tape->show(y, slot);
      tape->tell_recorded(op);
    }
    return {y, tape, slot};
  }

  /// Adds `g` to the gradient of `x`. The first contribution to a result is taken, not copied.
  template <class T, int Rank>
  void add(const Tensor<Recorded<T>, Rank>& x, Tensor<T, Rank> g) {
    if (x.slot() < 0) return;
    require_gradient_of(x.shape(), g.shape());
    Storage memory = g.storage();
    g = {};  // so that `memory` may be the only owner
    add_memory<T>(slots_[std::size_t(x.slot())], std::move(memory), x.size());
  }

  /// The gradient of `x` itself, for an op that writes a few rows of a parameter's gradient in place. Zeros where
  /// nothing was added before.
  template <class T, int Rank>
  Tensor<T, Rank> gradient_of(const Tensor<Recorded<T>, Rank>& x) {
    auto& slot = slots_.at(std::size_t(x.slot()));
    slot.reached = true;
    if (!slot.gradient) slot.gradient = Tensor<T, Rank>(x.shape(), x.device()).storage();
    return over<T, Rank>(slot.gradient, x.shape());
  }

  // What observers call.

  /// What has been added so far to the gradient of the value in `slot`; empty where nothing was.
  const Storage& gradient_in(int slot) const { return slots_.at(std::size_t(slot)).gradient; }

  /// In before_backward: what the op at hand would add to `input`, were `dy` the gradient of its result; empty for
  /// nothing. With a unit vector for dy that is a row of the op's Jacobian. Nothing is changed.
  Storage try_backward(const Storage& dy, int input) {
    require(observed_ != nullptr, "try_backward: there is no op at hand; call this from before_backward");
    std::vector<Slot> real(slots_.size());
    std::swap(real, slots_);  // the op adds to all that it was made from: here that goes to waste
    slots_[std::size_t(observed_->output)].gradient = dy;
    observed_->backward(*this);
    std::swap(real, slots_);
    return real.at(std::size_t(input)).gradient;
  }

 private:
  friend class Replay;  // of checkpoint.hpp: computes a part again on a tape of its own, into the slots of this one

  struct Slot {
    Storage gradient;
    bool parameter = false, reached = false;
    std::string name;
  };

  struct Node {
    explicit Node(const char* o) : op(o) {}
    virtual ~Node() = default;
    virtual void backward(Tape& tape) = 0;
    const char* op;
    int output = -1;
    Node* before = nullptr;  // the one recorded before it
  };

  template <class T, int Rank, class Backward>
  struct NodeOf final : Node {
    NodeOf(const char* o, Shape<Rank> s, Backward&& b) : Node(o), shape(s), function(std::move(b)) {}
    void backward(Tape& tape) override {
      function(tape, over<T, Rank>(std::exchange(tape.slots_[std::size_t(output)].gradient, {}), shape));
    }
    Shape<Rank> shape;
    Backward function;
  };

  /// The tape of an op's arguments, and whether a gradient of any is wanted.
  struct Sought {
    const char* op;
    Tape* tape = nullptr;
    bool wanted = false;

    [[gnu::noinline]] void look(Tape* other, int slot) {
      require(!tape || !other || tape == other, op, ": the arguments are recorded on different tapes");
      if (other) tape = other;
      wanted = wanted || slot >= 0;
    }
    [[gnu::noinline]] Tape* found() const {
      require(tape != nullptr, op, ": an argument is recorded but was never watched");
      return tape;
    }
  };
  /// A list of tensors is one argument.
  template <class In>
  static void look_at(const In& x, Sought& sought) {
    if constexpr (is_recorded<In>) {
      sought.look(x.tape(), x.slot());
    } else if constexpr (!is_tensor<In>) {
      for (const auto& element : x) look_at(element, sought);
    }
  }

  /// For an observer: the arguments of an op as they stand, and its result.
  template <class In>
  void show(const In& x, int slot = -1) {
    if constexpr (is_recorded<In>) {
      show(x.value(), x.slot());
    } else if constexpr (is_tensor<In>) {
      show(x.storage(), &element_type<typename In::Element>, x.shape().extents.data(), In::rank, slot);
    } else {
      for (const auto& element : x) show(element);
    }
  }
  [[gnu::cold, gnu::noinline]] void show(const Storage& memory, const ElementType* type, const std::int64_t* extents,
                                         int rank, int slot) {
    shown_.push_back({AnyTensor(memory, type, extents, rank), slot});
  }
  [[gnu::cold, gnu::noinline]] void tell_recorded(const char* op) {
    const auto inputs = std::exchange(shown_, {});
    observer_->recorded(op, inputs.back(), {inputs.begin(), inputs.end() - 1});
  }
  [[gnu::cold, gnu::noinline]] void tell_parameter(const Path& path) {
    const auto value = std::exchange(shown_, {});
    observer_->parameter(path.text(), value.back());
  }

  /// Takes a node, owned from here on, and makes the slot of its result.
  [[gnu::noinline]] int note(Node* node) {
    node->before = last_;
    last_ = node;
    ++nodes_;
    return node->output = new_slot({});
  }
  Node* take_last() {
    --nodes_;
    return std::exchange(last_, last_->before);
  }
  [[gnu::noinline]] int new_slot(Slot slot) {
    slots_.push_back(std::move(slot));
    return int(slots_.size()) - 1;
  }

  [[gnu::noinline]] static void require_gradient_of(Extents value, Extents gradient) {
    require(gradient == value, "tape: a gradient is ", gradient, ", its value ", value);
  }

  /// An op may hand on dy itself; it then has two owners and is copied, so no two slots ever share memory.
  template <class T>
  static void add_memory(Slot& slot, Storage memory, std::int64_t size) {
    slot.reached = true;
    if (slot.gradient) {
      auto sum = over<T, 1>(slot.gradient, Shape<1>{size});
      accumulate(sum, over<T, 1>(std::move(memory), Shape<1>{size}));
    } else {
      const bool ours = memory && memory->owners == 1 && !memory->borrowed();
      slot.gradient = ours ? std::move(memory) : memory.copy();
    }
  }

  /// A tensor over memory that a slot holds.
  template <class T, int Rank>
  static Tensor<T, Rank> over(Storage memory, Shape<Rank> shape) {
    return Tensor<T, Rank>::adopt(std::move(memory), shape);
  }

  template <class T, int Rank>
  int parameter(const Path& path, const Tensor<T, Rank>& w, Tensor<T, Rank>& gradient) {
    if (!gradient.storage() && w.size() == 0) gradient = Tensor<T, Rank>(w.shape(), w.device());
    return parameter(path, w.shape(), w.size(), w.device(), gradient.shape(), gradient.size(), gradient.storage());
  }
  /// What is the same for all types and ranks.
  [[gnu::noinline]] int parameter(const Path& path, Extents w, std::int64_t w_size, Device device, Extents g,
                                  std::int64_t g_size, const Storage& gradient) {
    require(g == w && g_size == w_size, "watch: the gradient of ", path, " is ", g, ", the parameter ", w,
            "; make it with zeros_like(model)");
    require(g_size == 0 || gradient.device() == device, "watch: the gradient of ", path, " is on ", gradient.device(),
            ", the parameter on ", device, "; make it with zeros_like(model)");
    return new_slot({gradient, true, w_size == 0, path.text()});  // of no elements: nothing to miss
  }

  std::vector<Slot> slots_;
  Node* last_ = nullptr;  // owned, and through it all before it
  std::size_t nodes_ = 0;
  std::optional<Random> random_;
  std::uint32_t random_ops_ = 0;
  bool spent_ = false;
  TapeObserver* observer_ = nullptr;
  std::vector<TapeValue> shown_;  // what the observer is about to be told of
  Node* observed_ = nullptr;      // the node that before_backward is about
};

namespace detail {
/// The tape of the first argument that has one.
template <class... X>
Tape* tape_of(const X&... x) {
  Tape* tape = nullptr;
  auto look_at = [&](const auto& argument) {
    if constexpr (is_recorded<std::remove_cvref_t<decltype(argument)>>)
      if (!tape) tape = argument.tape();
  };
  (look_at(x), ...);
  return tape;
}
}  // namespace detail

}  // namespace quern::inline QUERN_ABI
