/// What the GPU benchmarks print: a line of JSON for each figure, and nothing for a result that is wrong.
///
///   Report report;
///   if (report.agrees("softmax", error, 1e-5)) report.line({{"kernel", "softmax"}, {"us", us}});
#pragma once
#include <cmath>
#include <cstdio>
#include <string>

#include <nlohmann/json.hpp>

#include <quern/ops/dispatch.hpp>
#include <quern/tensor/random.hpp>

namespace bench {
using namespace quern;

struct Report {
  bool failed = false;

  void line(const nlohmann::ordered_json& object) {
    std::printf("%s\n", object.dump().c_str());
    std::fflush(stdout);
  }
  /// Whether a result may be timed: the norm of its distance from the CPU's, by the norm of that.
  bool agrees(const std::string& what, double error, double bound) {
    if (error <= bound) return true;
    failed = true;
    std::fprintf(stderr, "differs: %s: %.2e, at most %.0e; no time is printed\n", what.c_str(), error, bound);
    return false;
  }
};

/// Uniform in [-1, 1), on the device.
template <class T, int Rank>
Tensor<T, Rank> drawn_on_device(Shape<Rank> shape, std::uint32_t stream) {
  auto x = Tensor<T, Rank>::empty(shape);
  const Random random(20261127);
  for (std::int64_t i = 0; i < x.size(); ++i) x.data()[i] = T(2 * random.uniform(stream, std::uint64_t(i)) - 1);
  return x.to(Device::cuda());
}

/// The distance of two tensors as a norm, by the norm of the second; of any device and type.
template <class A, class B, int Rank>
double distance(const Tensor<A, Rank>& a, const Tensor<B, Rank>& b) {
  const auto x = a.to(Device::cpu());
  const auto y = b.to(Device::cpu());
  double difference = 0, size = 0;
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const double d = double(x.data()[i]) - double(y.data()[i]);
    difference += d * d, size += double(y.data()[i]) * double(y.data()[i]);
  }
  return size > 0 ? std::sqrt(difference / size) : std::sqrt(difference);
}

template <class T>
constexpr double tolerance() {
  return std::is_same_v<T, bf16> ? 1e-2 : 1e-4;
}

/// x on the CPU, in float: what results are compared with.
template <class T, int Rank>
Tensor<float, Rank> float_on_host(const Tensor<T, Rank>& x) {
  const auto host = x.to(Device::cpu());
  auto y = Tensor<float, Rank>::empty(x.shape());
  for (std::int64_t i = 0; i < x.size(); ++i) y.data()[i] = float(host.data()[i]);
  return y;
}

}  // namespace bench
