/// custom_op: your own op, without touching the library. Write its forward and its backward as functions over plain
/// tensors; the call computes plain tensors, and is recorded where an argument is.
///
///   auto forward = [](const auto& x) { … return std::pair{std::move(y), std::move(saved)}; };   // or y alone
///   auto backward = [](const auto& dy, const auto& saved) { … return dx; };
///   auto y = custom_op("softsign", forward, backward, x);                   // x a plain or a recorded tensor
///
/// `forward` is given the values of the inputs. It returns y, or y and whatever backward needs: a pair, or a struct
/// with members `y` and `saved`. `backward` is given dy and what was saved, or dy and the inputs where forward returned
/// y alone. It returns one gradient for each input, in their order, as a std::tuple; of one input the gradient itself.
///
/// For double as well as for float the functions are written as templates or generic lambdas: then gradcheck can test
/// them. Settings are captured. The example 05_your_own_op.cpp makes, checks and trains one.
#pragma once
#include <tuple>
#include <utility>

#include <quern/autograd/tape.hpp>

namespace quern::inline QUERN_ABI {

namespace detail {
template <class R>
concept PairOfYAndSaved = requires(R& r) {
  r.first, r.second;
};
template <class R>
concept StructOfYAndSaved = requires(R& r) {
  r.y, r.saved;
};

/// What forward returned, as {y, a tuple of what backward is given after dy}.
template <class R, class... X>
auto own_result(R result, const X&... x) {
  if constexpr (is_tensor<R>) {
    return std::pair{std::move(result), std::tuple<X...>(x.share()...)};
  } else if constexpr (PairOfYAndSaved<R>) {
    using Saved = decltype(result.second);  // named: std::tuple{pair} would be a tuple of two
    return std::pair{std::move(result.first), std::tuple<Saved>(std::move(result.second))};
  } else {
    static_assert(StructOfYAndSaved<R>,
                  "custom_op: forward must return y, a pair {y, saved}, or a struct with y and "
                  "saved");
    using Saved = decltype(result.saved);
    return std::pair{std::move(result.y), std::tuple<Saved>(std::move(result.saved))};
  }
}

template <class... G>
std::tuple<G...> own_gradients(std::tuple<G...> gradients) {
  return gradients;
}
template <class T, int Rank>
std::tuple<Tensor<T, Rank>> own_gradients(Tensor<T, Rank> gradient) {
  return {std::move(gradient)};
}

/// Checks the gradient of one input, and adds it where it is wanted.
template <class X, class G>
void add_own_gradient(const char* op, int number, Tape& tape, const X& x, G gradient) {
  using Value = std::remove_cvref_t<decltype(value(x))>;
  static_assert(std::is_same_v<G, Value>,
                "custom_op: a gradient that backward returned has another type than its input");
  require(gradient.shape() == x.shape(), op, ": backward returned ", described("a gradient that", gradient),
          ", for input ", number, ", which is ", x.shape(), "; a gradient has the shape of its input");
  if constexpr (is_recorded<X>) tape.add(x, std::move(gradient));
}
}  // namespace detail

/// `name` stands in messages and on the tape, and must outlive the tape: a literal. Inputs are tensors of numbers.
template <class Forward, class Backward, class... X>
auto custom_op(const char* name, Forward&& forward, const Backward& backward, const X&... x) {
  static_assert(sizeof...(X) > 0 && (is_tensor<X> && ...), "custom_op: the inputs are tensors; capture anything else");
  auto made = detail::own_result(forward(value(x)...), value(x)...);
  if constexpr (!AnyRecorded<X...>) {
    return std::move(made.first);
  } else {
    auto node = [name, backward, saved = std::move(made.second), inputs = std::tuple<X...>(keep(x)...)](
                    Tape& tape, const auto& dy) {
      auto gradients = detail::own_gradients(std::apply([&](const auto&... s) { return backward(dy, s...); }, saved));
      constexpr std::size_t count = std::tuple_size_v<decltype(gradients)>;
      static_assert(count == sizeof...(X), "custom_op: backward must return one gradient for each input");
      [&]<std::size_t... I>(std::index_sequence<I...>) {
        (detail::add_own_gradient(name, int(I), tape, std::get<I>(inputs), std::move(std::get<I>(gradients))), ...);
      }
      (std::make_index_sequence<count>{});
    };
    return Tape::record(name, std::move(made.first), std::move(node), x...);
  }
}

}  // namespace quern::inline QUERN_ABI
