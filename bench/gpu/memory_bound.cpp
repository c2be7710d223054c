/// Kernels that the memory's speed bounds, beside a copy of as many bytes. Inputs go round, so that none is found in
/// the cache.
#include <functional>
#include <vector>

#include <quern/loss/cross_entropy.hpp>
#include <quern/ops/dropout.hpp>
#include <quern/ops/embedding.hpp>
#include <quern/ops/gelu.hpp>
#include <quern/ops/layer_norm.hpp>
#include <quern/ops/layer_norm_residual.hpp>
#include <quern/ops/softmax.hpp>
#include <quern/ops/sum.hpp>
#include <quern/optim/adam.hpp>

#include "gpu/benchmarks.hpp"

namespace bench {
namespace {

/// GB/s that a copy of `bytes` bytes in all reaches, reading and writing counted.
double copy_speed(double bytes) {
  const auto n = std::int64_t(bytes / 2);
  const auto from = Tensor<bf16, 1>(Shape{n / 2}, Device::cuda());
  auto to = empty_like(from);
  Timer timer;
  const double us = timer.microseconds([&](int) { cuda::copy_on_device(to.data(), from.data(), from.bytes(), 0); });
  return 2e-3 * double(from.bytes()) / us;
}

template <class T>
class MemoryBound {
 public:
  MemoryBound(Report& report, std::int64_t rows, std::int64_t columns, double copy)
      : report_(report), rows_(rows), columns_(columns), copy_(copy) {
    const double one = double(rows * columns) * sizeof(T);
    const int copies = cuda::is_emulated() ? 1 : std::clamp(int(3e8 / one), 2, 64);
    const Shape<2> shape{rows, columns};
    for (int i = 0; i < copies; ++i) {
      x_.push_back(drawn_on_device<T>(shape, 1)), dy_.push_back(drawn_on_device<T>(shape, 2));
    }
    weight_ = drawn_on_device<T>(Shape<1>{columns}, 3), bias_ = drawn_on_device<T>(Shape<1>{columns}, 4);
    host_x_ = float_on_host(x_[0]), host_dy_ = float_on_host(dy_[0]);
    host_weight_ = float_on_host(weight_), host_bias_ = float_on_host(bias_);
  }

  void all() { norms(), softmaxes(), element_wise(), reductions(); }

 private:
  const Tensor<T, 2>& x(int i) const { return x_[std::size_t(i) % x_.size()]; }
  const Tensor<T, 2>& dy(int i) const { return dy_[std::size_t(i) % dy_.size()]; }

  /// `passes`: how often as many bytes as x has are read or written.
  template <class F>
  void row(const char* kernel, double passes, double error, F&& call) {
    const std::string what = text_of(kernel, " ", dtype_name<T>, " ", rows_, "x", columns_);
    if (!report_.agrees(what, error, tolerance<T>())) return;
    const double bytes = passes * double(rows_ * columns_) * sizeof(T);
    const double us = timer_.microseconds(call);
    report_.line({{"kernel", kernel},
                  {"type", dtype_name<T>},
                  {"rows", rows_},
                  {"columns", columns_},
                  {"us", us},
                  {"gbytes_per_second", 1e-3 * bytes / us},
                  {"percent_of_copy", 1e-1 * bytes / us / copy_}});
  }

  void norms() {
    const auto [y, saved] = layer_norm_forward(x(0), weight_, bias_);
    const auto host = layer_norm_forward(host_x_, host_weight_, host_bias_);
    row("layer_norm", 2, distance(y, host.y), [&](int i) { (void)layer_norm_forward(x(i), weight_, bias_); });
    const auto d = layer_norm_backward(dy(0), x(0), weight_, saved);
    const auto expected = layer_norm_backward(host_dy_, host_x_, host_weight_, host.saved);
    row("layer_norm_backward", 3, std::max(distance(d.x, expected.x), distance(d.weight, expected.weight)),
        [&, s = &saved](int i) { (void)layer_norm_backward(dy(i), x(i), weight_, *s); });
    const Random random(7, Purpose::dropout, 1);
    const auto fused = layer_norm_residual_forward(x(0), dy(0), weight_, bias_, 1e-5, 0.1, random, 0);
    const auto host_fused =
        layer_norm_residual_forward(host_x_, host_dy_, host_weight_, host_bias_, 1e-5, 0.1, random, 0);
    row("layer_norm_residual", 3, distance(fused.y, host_fused.y),
        [&](int i) { (void)layer_norm_residual_forward(x(i), dy(i), weight_, bias_, 1e-5, 0.1, random, 0); });
  }

  void softmaxes() {
    const auto [y, saved] = softmax_forward(x(0));
    const auto host = softmax_forward(host_x_);
    row("softmax", 2, distance(y, host.y), [&](int i) { (void)softmax(x(i)); });
    row("softmax_backward", 3, distance(softmax_backward(dy(0), saved), softmax_backward(host_dy_, host.saved)),
        [&, s = &saved](int i) { (void)softmax_backward(dy(i), *s); });
    std::vector<std::int32_t> labels(std::size_t(rows_), 1);
    const auto on_host = Ids::of({rows_}, labels), ids = on_host.to(Device::cuda());
    const auto loss = cross_entropy_forward(x(0), ids);
    const auto host_loss = cross_entropy_forward(host_x_, on_host);
    row("cross_entropy", 2, distance(loss.loss, host_loss.loss),
        [&](int i) { (void)cross_entropy_forward(x(i), ids); });
  }

  void element_wise() {
    const auto [y, saved] = gelu_forward(x(0));
    const auto host = gelu_forward(host_x_);
    row("gelu", 2, distance(y, host.y), [&](int i) { (void)gelu(x(i)); });
    row("gelu_backward", 3, distance(gelu_backward(dy(0), saved), gelu_backward(host_dy_, host.saved)), [&](int i) {
      (void)gelu_backward(dy(i), GeluSaved<T, 2>{Approximate::none, x(i).share()});
    });
    const Random random(7, Purpose::dropout, 1);
    row("dropout", 2, distance(dropout_forward(x(0), 0.1, random, 0).y, dropout_forward(host_x_, 0.1, random, 0).y),
        [&](int i) { (void)dropout_forward(x(i), 0.1, random, 0); });
  }

  void reductions() {
    row("sum", 1, distance(sum(x(0)), sum(host_x_)), [&](int i) { (void)sum(x(i)); });
    row("sum_rows", 1, distance(sum(x(0), 0), sum(host_x_, 0)), [&](int i) { (void)sum(x(i), 0); });
  }

  Report& report_;
  std::int64_t rows_, columns_;
  double copy_;
  std::vector<Tensor<T, 2>> x_, dy_;
  Tensor<T, 1> weight_, bias_;
  Tensor<float, 2> host_x_, host_dy_;
  Tensor<float, 1> host_weight_, host_bias_;
  Timer timer_;
};

template <class T = float>
struct Parameters {
  std::vector<Tensor<T, 2>> weights;
  static void visit(auto&& f, auto&... m) { f("weights", m.weights...); }
};

/// AdamW over `count` matrices of [rows, columns]: reads weight, gradient and moments, writes them and a zero gradient.
void adam_step(Report& report, int count, std::int64_t rows, std::int64_t columns, double copy) {
  Parameters<> model;
  for (int i = 0; i < count; ++i) model.weights.push_back(drawn_on_device<float>(Shape<2>{rows, columns}, 5));
  auto grads = zeros_like(model);
  for (auto& g : grads.weights) accumulate(g, model.weights[0]);
  Adam adam(model, {.weight_decay = 0.01, .decoupled = true});
  Timer timer;
  const double us = timer.microseconds([&](int) { adam.step(model, grads); });
  const double bytes = 8 * 4.0 * double(count) * double(rows * columns);
  report.line({{"kernel", "adamw"},
               {"type", "float"},
               {"parameters", count * rows * columns},
               {"us", us},
               {"gbytes_per_second", 1e-3 * bytes / us},
               {"percent_of_copy", 1e-1 * bytes / us / copy}});
}

}  // namespace

void memory_bound(Report& report, bool small) {
  const double copy = copy_speed(small ? 1e6 : 2e9);
  report.line({{"kernel", "copy"}, {"gbytes_per_second", copy}});
  const std::vector<Shape<2>> shapes =
      small ? std::vector<Shape<2>>{{64, 96}}
            : std::vector<Shape<2>>{{16384, 768}, {16384, 384}, {4096, 768}, {1024, 3072}};
  for (const auto& s : shapes) {
    MemoryBound<float>(report, s[0], s[1], copy).all();
    MemoryBound<bf16>(report, s[0], s[1], copy).all();
  }
  small ? adam_step(report, 2, 32, 64, copy) : adam_step(report, 48, 1024, 2048, copy);
}

}  // namespace bench
