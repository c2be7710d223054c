/// dropout: while training, each element is set to zero with probability p and the others are scaled up, so that the
/// expectation stays (Srivastava et al. 2014).
///
///   y = x · m / (1-p),  m is 0 with probability p, else 1
///   dx = dy · m / (1-p)          (the mask is not stored: its random numbers are addressed, and drawn again)
///
///   auto y = dropout(h, 0.5);    // a plain tensor, or a tape without a random stream: y = x
#pragma once
#include <quern/autograd/tape.hpp>
#include <quern/cpu/dropout.hpp>
#include <quern/cuda/dropout.hpp>
#include <quern/ops/dispatch.hpp>

namespace quern::inline QUERN_ABI {

/// The address of the mask.
struct DropoutSaved {
  double p;
  Random random;
  std::uint32_t op;
};
template <class T, int Rank>
struct DropoutForward {
  Tensor<T, Rank> y;
  DropoutSaved saved;
};

inline void check_dropout(double p, Caller at) {
  require(p >= 0 && p < 1, "dropout: expected a probability in [0, 1), got ", p, " (", at, ")");
}

/// Inference: x unchanged.
template <Number T, int Rank>
Tensor<T, Rank> dropout(const Tensor<T, Rank>& x, double p, Caller at = Caller::here()) {
  check_dropout(p, at);
  return x;
}

/// Training: op number `op` of the stream `random`.
template <Number T, int Rank>
DropoutForward<T, Rank> dropout_forward(const Tensor<T, Rank>& x, double p, const Random& random, std::uint32_t op,
                                        Caller at = Caller::here()) {
  check_dropout(p, at);
  const Device device = common_device("dropout", x);
  auto y = empty_like(x);
  QUERN_RUN(T, device, dropout(x.rows(), y.rows(), p, random, op));
  return {std::move(y), {p, random, op}};
}

/// dy [..., C] → dx [..., C].
template <Number T, int Rank>
Tensor<T, Rank> dropout_backward(const Tensor<T, Rank>& dy, const DropoutSaved& saved) {
  const Device device = common_device("dropout_backward", dy);
  auto dx = empty_like(dy);
  QUERN_RUN(T, device, dropout(dy.rows(), dx.rows(), saved.p, saved.random, saved.op));
  return dx;
}

template <class T, int Rank>
Tensor<Recorded<T>, Rank> dropout(const Tensor<Recorded<T>, Rank>& x, double p, Caller at = Caller::here()) {
  check_dropout(p, at);
  if (!x.tape() || !x.tape()->random() || p == 0) return x;
  auto [y, saved] = dropout_forward(x.value(), p, *x.tape()->random(), x.tape()->next_random_op(), at);
  auto backward = [x, saved = saved](Tape& tape, const Tensor<T, Rank>& dy) {
    tape.add(x, dropout_backward(dy, saved));
  };
  return Tape::record("dropout", std::move(y), std::move(backward), x);
}

template <class T>
Packed<T> dropout(const Packed<T>& x, double p, Caller at = Caller::here()) {
  return {dropout(x.rows, p, at), x.offsets};
}

}  // namespace quern::inline QUERN_ABI
