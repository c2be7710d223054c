/// nn::Gru: layers of gru, in one direction or in both. Parameters have the names and shapes of PyTorch's nn.GRU.
///
///   nn::Gru<> gru(300, 128, {.bidirectional = true});      // zeros; initialise(model, seed) fills it
///   auto h = gru(x);                      // Packed [N, 300] → [N, 256]: forward, backward
#pragma once
#include <quern/nn/recurrent.hpp>
#include <quern/ops/gru.hpp>

namespace quern::inline QUERN_ABI::nn {

template <class T = float>
struct Gru {
  RecurrentLayers<T> layers;  // weight_ih_l0 [3H, E], weight_hh_l0 [3H, H], bias_ih_l0 [3H], bias_hh_l0, …

  Gru() = default;
  Gru(std::int64_t in, std::int64_t units, const RecurrentOptions& options = {}) : layers(3, in, units, options) {}

  static void visit(auto&& f, auto&... m) { RecurrentLayers<T>::visit(f, m.layers...); }
  auto operator()(const auto& x) const {
    return layers(x, [](const auto&... arguments) { return gru(arguments...); });
  }
  void initialise(const Random& random, std::uint32_t op) { layers.initialise(random, op); }
};

}  // namespace quern::inline QUERN_ABI::nn
