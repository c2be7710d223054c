/// The weights of nn::Lstm and nn::Gru: one set for each layer and direction, under the names that PyTorch gives them.
///
///   nn::RecurrentLayers<T> cells(4, 300, 128, {.bidirectional = true});     // weight_ih_l0 … bias_hh_l0_reverse
///   auto h = cells(x, [](auto&... arguments) { return lstm(arguments...); });
#pragma once
#include <cstdio>
#include <vector>

#include <quern/nn/initialise.hpp>
#include <quern/ops/concat.hpp>
#include <quern/ops/dropout.hpp>

namespace quern::inline QUERN_ABI::nn {

struct RecurrentOptions {
  bool bidirectional = false;
  std::int64_t layers = 1;
  double dropout = 0;  // between the layers
};

/// One layer in one direction.
template <class T>
struct RecurrentCell {
  Tensor<T, 2> weight_ih, weight_hh;  // [gates · H, E], [gates · H, H]
  Tensor<T, 1> bias_ih, bias_hh;      // [gates · H]
};

template <class T>
struct RecurrentLayers {
  std::vector<RecurrentCell<T>> cells;  // of each layer the forward one, then, where there is one, the backward one
  bool bidirectional = false;
  double dropout = 0;

  RecurrentLayers() = default;
  RecurrentLayers(std::int64_t gates, std::int64_t in, std::int64_t units, const RecurrentOptions& options)
      : bidirectional(options.bidirectional), dropout(options.dropout) {
    require(in > 0 && units > 0 && options.layers > 0, "recurrent layers: ", in, " inputs, ", units, " units, ",
            options.layers, " layers; all must be at least 1");
    const std::int64_t directions = bidirectional ? 2 : 1, rows = gates * units;
    for (std::int64_t i = 0; i < options.layers * directions; ++i)
      cells.push_back({Tensor<T, 2>(rows, i < directions ? in : directions * units), Tensor<T, 2>(rows, units),
                       Tensor<T, 1>(rows), Tensor<T, 1>(rows)});
  }

  static void visit(auto&& f, auto&... m) {
    f("bidirectional", m.bidirectional...), f("dropout", m.dropout...);
    visit_cells(f, m...);
  }

  /// Every weight uniform in ±1/√H, as PyTorch's.
  void initialise(const Random& random, std::uint32_t op) {
    if constexpr (Number<T>) {
      std::uint32_t number = 0;  // the first two of a module stand beside each other, all others far from any module's
      const auto draw = [&](auto& w, std::int64_t units) {
        fan_in_uniform(w, units, random, op + number % 2 + (number / 2 << 20));
        ++number;
      };
      for (auto& c : cells)
        for (const std::int64_t units = c.weight_hh.extent(1); auto* w : {&c.weight_ih, &c.weight_hh}) draw(*w, units);
      for (auto& c : cells)
        for (const std::int64_t units = c.weight_hh.extent(1); auto* b : {&c.bias_ih, &c.bias_hh}) draw(*b, units);
    }
  }

  /// x: rows [N, E] → [N, H], bidirectional [N, 2H]: forward, backward. `step(x, weight_ih, weight_hh, bias_ih,
  /// bias_hh, reverse)` walks one direction.
  auto operator()(const auto& x, const auto& step) const {
    auto h = layer(x, step, 0);
    const std::size_t directions = bidirectional ? 2 : 1;
    for (std::size_t i = directions; i < cells.size(); i += directions) h = layer(quern::dropout(h, dropout), step, i);
    return h;
  }

 private:
  auto layer(const auto& x, const auto& step, std::size_t first) const {
    const auto walk = [&](const RecurrentCell<T>& c, bool reverse) {
      return step(x, c.weight_ih, c.weight_hh, c.bias_ih, c.bias_hh, reverse);
    };
    auto forward = walk(cells.at(first), false);
    if (!bidirectional) return forward;
    std::vector<decltype(forward.rows)> both;
    both.push_back(std::move(forward.rows)), both.push_back(walk(cells.at(first + 1), true).rows);
    return Packed{concat(both), x.offsets};
  }

  static void visit_cells(auto&& f, auto& first, auto&... rest) {
    (quern::detail::match_size(Path{}, first.cells.size(), rest.cells), ...);
    for (std::size_t i = 0; i < first.cells.size(); ++i) {
      const std::size_t layer = first.bidirectional ? i / 2 : i;
      const char* ending = first.bidirectional && i % 2 ? "_reverse" : "";
      char name[48];
      const auto named = [&](const char* what) {
        std::snprintf(name, sizeof name, "%s_l%zu%s", what, layer, ending);
        return name;
      };
      f(named("weight_ih"), first.cells[i].weight_ih, rest.cells[i].weight_ih...);
      f(named("weight_hh"), first.cells[i].weight_hh, rest.cells[i].weight_hh...);
      f(named("bias_ih"), first.cells[i].bias_ih, rest.cells[i].bias_ih...);
      f(named("bias_hh"), first.cells[i].bias_hh, rest.cells[i].bias_hh...);
    }
  }
};

}  // namespace quern::inline QUERN_ABI::nn
