/// nn::Lstm: layers of lstm, in one direction or in both. Parameters have the names and shapes of PyTorch's nn.LSTM.
///
///   nn::Lstm<> lstm(300, 128, {.bidirectional = true});      // zeros; initialise(model, seed) fills it
///   auto h = lstm(x);                      // Packed [N, 300] → [N, 256]: forward, backward
#pragma once
#include <quern/nn/recurrent.hpp>
#include <quern/ops/lstm.hpp>

namespace quern::inline QUERN_ABI::nn {

template <class T = float>
struct Lstm {
  RecurrentLayers<T> layers;  // weight_ih_l0 [4H, E], weight_hh_l0 [4H, H], bias_ih_l0 [4H], bias_hh_l0, …

  Lstm() = default;
  Lstm(std::int64_t in, std::int64_t units, const RecurrentOptions& options = {}) : layers(4, in, units, options) {}

  static void visit(auto&& f, auto&... m) { RecurrentLayers<T>::visit(f, m.layers...); }
  auto operator()(const auto& x) const {
    return layers(x, [](const auto&... arguments) { return lstm(arguments...); });
  }
  void initialise(const Random& random, std::uint32_t op) { layers.initialise(random, op); }
};

}  // namespace quern::inline QUERN_ABI::nn
