/// checkpoint: memory for time. f is computed without keeping what its backward would need; when backward arrives, f is
/// computed a second time and its gradients are taken then (Chen et al. 2016, "Training deep nets with sublinear memory
/// cost"). Value and gradients have the bits of f(x...), random numbers included.
///
///   h = checkpoint(block, h);                                                      // block, a recorded module, of h
///   h = checkpoint([](const auto& b, const auto& x) { return b(x); }, block, h);   // the same, spelt out
///   y = checkpoint(plain_block, x);                                                // nothing recorded: plain_block(x)
///
/// Whatever f computes gradients for is f itself or an argument: recorded tensors, packed rows, modules of recorded
/// parameters. f must not capture such; one that does is refused with "recorded on different tapes". Anything else may
/// be captured or passed; f and the arguments are kept until backward (tensors are shared, other types copied).
#pragma once
#include <tuple>
#include <utility>
#include <vector>

#include <quern/autograd/tape.hpp>

namespace quern::inline QUERN_ABI {

template <class A>
constexpr bool is_packed = false;
template <class T>
inline constexpr bool is_packed<Packed<T>> = true;

/// A tape for a part of what another tape records. Its values stand for values of the outer tape: while it lives, what
/// is added to their gradients goes where the outer tape would have added it, in the order it would have done so.
class Replay {
 public:
  enum class Mode { value, gradients };

  /// Begins at random op number `random_op` of the outer tape's stream.
  Replay(Tape& outer, Mode mode, std::uint32_t random_op) : outer_(outer), mode_(mode) {
    inner_.random_ = outer.random_;
    inner_.random_ops_ = random_op;
  }

  static std::uint32_t random_ops(const Tape& tape) { return tape.random_ops_; }

  /// The argument with its recorded tensors moved to the inner tape. In Mode::value they are constants there, so that
  /// nothing is recorded.
  template <class A>
  A moved(const A& argument) {
    A copy = shared(argument);
    for_each_recorded(copy, [&](auto& x) {
      if (x.tape()) x = {x.value(), &inner_, mode_ == Mode::value ? -1 : lend(x.slot())};
    });
    return copy;
  }

  /// After Mode::value: the outer tape goes on with the random op after the last one that was used.
  void skip_random_ops() { outer_.random_ops_ = inner_.random_ops_; }

  /// Throws where the result of f is none of this tape.
  template <class T, int Rank>
  const Tensor<Recorded<T>, Rank>& checked(const Tensor<Recorded<T>, Rank>& y) const {
    require(y.tape() == &inner_, "checkpoint: the result of f was not computed from its arguments");
    return y;
  }

  /// Takes the gradients of everything that `y` was computed from, and hands them to the outer tape.
  template <class T, int Rank>
  void backward(const Tensor<Recorded<T>, Rank>& y, const Tensor<T, Rank>& dy) {
    inner_.add(checked(y), dy.share());
    while (inner_.step_back()) {}
    for (auto [from, to] : lent_) {
      auto& slot = inner_.slots_[std::size_t(to)];
      auto& home = outer_.slots_[std::size_t(from)];
      home.gradient = std::move(slot.gradient);
      home.reached = home.reached || slot.reached;
    }
  }

  /// A copy whose tensors are shared.
  template <class A>
  static A shared(const A& a) {
    if constexpr (is_tensor<A>) {
      return keep(a);
    } else if constexpr (is_packed<A>) {
      return {keep(a.rows), a.offsets};
    } else {
      return a;
    }
  }

  /// Calls f(x) for the recorded tensors of an argument of any type.
  template <class A, class F>
  static void for_each_recorded(A& a, F&& f) {
    using M = std::remove_const_t<A>;
    if constexpr (is_recorded<M>) {
      f(a);
    } else if constexpr (is_packed<M>) {
      for_each_recorded(a.rows, f);
    } else if constexpr (!is_tensor<M> && (detail::Visitable<A> || detail::Sequence<A>)) {
      walk_tensors([&](const Path&, auto& x) { for_each_recorded(x, f); }, a);
    }
  }

 private:
  /// A slot here that holds the gradient of an outer slot: the same for the same.
  int lend(int slot) {
    if (slot < 0) return -1;
    for (auto [from, to] : lent_)
      if (from == slot) return to;
    Tape::Slot lent;
    lent.gradient = std::move(outer_.slots_[std::size_t(slot)].gradient);
    const int own = inner_.new_slot(std::move(lent));
    lent_.emplace_back(slot, own);
    return own;
  }

  Tape& outer_;
  Tape inner_;
  Mode mode_;
  std::vector<std::pair<int, int>> lent_;  // slot there, slot here
};

namespace detail {
/// The recorded tensors of the arguments as flat ones, for Tape::record to look at.
template <class T, class... A>
std::vector<Tensor<Recorded<T>, 1>> places_of(const A&... arguments) {
  std::vector<Tensor<Recorded<T>, 1>> places;
  auto note = [&](const auto& x) {
    using X = std::remove_cvref_t<decltype(x)>;
    static_assert(std::is_same_v<typename X::Element, Recorded<T>>, "checkpoint: arguments and result differ in type");
    if (x.tape()) places.push_back({x.value().share(Shape<1>{x.size()}), x.tape(), x.slot()});
  };
  (Replay::for_each_recorded(arguments, note), ...);
  return places;
}

/// The tensor of a result that may be packed.
template <class Y>
const auto& tensor_of(const Y& y) {
  if constexpr (is_packed<Y>) {
    return y.rows;
  } else {
    return y;
  }
}

/// f and its arguments as one list, f first.
template <class F, class... A>
auto record_checkpoint(Tape& tape, const F& f, const A&... arguments) {
  const std::uint32_t random_op = Replay::random_ops(tape);
  Replay first(tape, Replay::Mode::value, random_op);
  const auto y = first.moved(f)(first.moved(arguments)...);
  const auto& rows = first.checked(tensor_of(y));
  first.skip_random_ops();
  auto backward = [random_op, kept = std::tuple<F, A...>(Replay::shared(f), Replay::shared(arguments)...)](
                      Tape& outer, const auto& dy) {
    Replay again(outer, Replay::Mode::gradients, random_op);
    const auto result =
        std::apply([&](const auto& g, const auto&... a) { return again.moved(g)(again.moved(a)...); }, kept);
    again.backward(tensor_of(result), dy);
  };
  using Value = std::remove_cvref_t<decltype(rows.value())>;
  auto recorded = Tape::record("checkpoint", rows.value(), std::move(backward),
                               places_of<typename Value::Element>(f, arguments...));
  if constexpr (is_packed<std::remove_cvref_t<decltype(y)>>) {
    return std::remove_cvref_t<decltype(y)>{std::move(recorded), y.offsets};
  } else {
    return recorded;
  }
}
}  // namespace detail

/// f(arguments...), computed again in backward. f gives one tensor or packed rows, and the same at both calls.
template <class F, class... A>
auto checkpoint(const F& f, const A&... arguments) {
  using Y = std::remove_cvref_t<decltype(f(arguments...))>;
  using Rows = std::remove_cvref_t<decltype(detail::tensor_of(std::declval<const Y&>()))>;
  if constexpr (!is_recorded<Rows>) {
    return f(arguments...);
  } else {
    Tape* tape = nullptr;
    auto look = [&](const auto& x) {
      if (x.tape()) tape = x.tape();
    };
    Replay::for_each_recorded(f, look);
    (Replay::for_each_recorded(arguments, look), ...);
    require(tape != nullptr, "checkpoint: none of the arguments is recorded; pass f's recorded tensors as arguments");
    return detail::record_checkpoint(*tape, f, arguments...);
  }
}

}  // namespace quern::inline QUERN_ABI
