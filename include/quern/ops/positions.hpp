/// positions: where the tokens of packed texts stand, made from their offsets alone. On a GPU nothing is read back.
///
///   token_positions(i) = i - offsets(b) for the tokens i of text b                    (of each text: 0, 1, 2, …)
///   first_rows(b) = offsets(b)                                                        (the row of its first token)
///   sinusoidal_positions(i, 2c) = sin(p / 10000^(2c/E)),  (i, 2c+1) = cos(p / 10000^(2c/E)),  p = token_positions(i)
///
///   auto e = embedding(token_positions(offsets, n), table);       // learned positions: offsets [B+1] → [N] → [N, E]
///   auto first = embedding(first_rows(offsets, n), x.rows);       // the first row of each text: [B] → [B, C]
///   auto s = sinusoidal_positions<float>(offsets, n, 128);        // of Vaswani et al. (2017), section 3.5: [N, 128]
///
/// Ids and constants: there is nothing to differentiate.
#pragma once
#include <quern/cpu/positions.hpp>
#include <quern/cuda/positions.hpp>
#include <quern/ops/dispatch.hpp>

namespace quern::inline QUERN_ABI {

namespace detail {
inline Device check_positions(const char* op, const Offsets& offsets, std::int64_t tokens, Caller at) {
  check_offsets(op, offsets, tokens, at);
  require(tokens <= INT32_MAX, op, ": ", tokens, " tokens are too many for 32 bits (", at, ")");
  check_usable(offsets.device(), op);
  return offsets.device();
}
}  // namespace detail

/// Throws InvalidArgument where a text has more than `most` tokens, for which `model` has no place. On a GPU
/// embedding's kernel finds the place that is not in its table.
[[gnu::noinline]] inline void check_places(const char* model, const Offsets& offsets, std::int64_t most) {
  for (std::int64_t b = 1; offsets.device().is_cpu() && b < offsets.size(); ++b)
    require(offsets(b) - offsets(b - 1) <= most, model, ": text ", b - 1, " has ", offsets(b) - offsets(b - 1),
            " tokens, the model has ", most, " positions; cut longer texts");
}

/// offsets [B+1] of `tokens` tokens → [tokens]: the place of each in its text.
inline Tensor<std::int32_t, 1> token_positions(const Offsets& offsets, std::int64_t tokens,
                                               Caller at = Caller::here()) {
  const Device device = detail::check_positions("token_positions", offsets, tokens, at);
  auto y = Tensor<std::int32_t, 1>::empty({tokens}, device);
  QUERN_RUN(float, device, token_positions(offsets.view(), y.view()));
  return y;
}

/// offsets [B+1] of `rows` rows → [B]: the row each text begins with. Throws InvalidArgument for a text without rows,
/// which would be given the row of the next.
inline Tensor<std::int32_t, 1> first_rows(const Offsets& offsets, std::int64_t rows, Caller at = Caller::here()) {
  const Device device = detail::check_positions("first_rows", offsets, rows, at);
  for (std::int64_t b = 1; b < offsets.size() && device.is_cpu(); ++b)  // a GPU's kernel looks itself
    require(offsets(b) > offsets(b - 1), "first_rows: text ", b - 1, " of ", offsets.size() - 1, " has no rows (", at,
            ")");
  auto y = Tensor<std::int32_t, 1>::empty({offsets.size() - 1}, device);
  QUERN_RUN(float, device, first_rows(offsets.view(), y.view()));
  return y;
}

/// offsets [B+1] of `tokens` tokens → [tokens, width]. An odd width ends with a sine.
template <Number T>
Tensor<T, 2> sinusoidal_positions(const Offsets& offsets, std::int64_t tokens, std::int64_t width,
                                  Caller at = Caller::here()) {
  const Device device = detail::check_positions("sinusoidal_positions", offsets, tokens, at);
  auto y = Tensor<T, 2>::empty({tokens, width}, device);
  detail::require_kernels("sinusoidal_positions", y);
  QUERN_RUN(T, device, sinusoidal_positions(offsets.view(), y.view()));
  return y;
}

}  // namespace quern::inline QUERN_ABI
