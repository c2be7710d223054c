/// Runs the kernels of planted.cuh on small inputs: throws what the emulator finds, and gives the error of the result.
#pragma once
#include <cmath>
#include <vector>

#include "kernels/launch.cuh"
#include "planted.cuh"

namespace planted {

/// Norm of the difference over the norm of what is right; NaN where the result holds one.
inline double relative_error(const std::vector<float>& got, const std::vector<double>& right) {
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < right.size(); ++i) {
    difference += (got[i] - right[i]) * (got[i] - right[i]);
    norm += right[i] * right[i];
  }
  return std::sqrt(difference / norm);
}

/// Numbers from -1 to 1.
inline std::vector<float> numbers(std::size_t n, unsigned seed) {
  std::vector<float> x(n);
  for (std::size_t i = 0; i < n; ++i) {
    seed = seed * 1664525u + 1013904223u;
    x[i] = float(seed >> 8) / float(1 << 23) - 1;
  }
  return x;
}

template <Bug bug>
double run_spread() {
  const int rows = 3, n = 120, threads = bug == Bug::shared_out_of_bounds ? 128 : 64;
  const std::vector<float> x = numbers(rows * n, 1);
  std::vector<float> y(rows);
  std::vector<double> right(rows);
  for (int r = 0; r < rows; ++r) {
    double mean = 0;
    for (int i = 0; i < n; ++i) mean += x[r * n + i] / double(n);
    for (int i = 0; i < n; ++i) right[r] += (x[r * n + i] - mean) * (x[r * n + i] - mean);
  }
  launch("spread", spread<bug>, {.grid = {rows}, .block = {unsigned(threads)}, .shared = sizeof(SpreadShared)},
         {x.data(), {rows, n}}, y.data());
  return relative_error(y, right);
}

template <Bug bug>
double run_reverse() {
  const std::vector<float> x = numbers(64, 2);
  std::vector<float> y(64);
  std::vector<double> right(64);
  for (int i = 0; i < 64; ++i) right[i] = x[i / 32 * 32 + 31 - i % 32];
  launch("reverse", reverse<bug>, {.block = {64}, .shared = sizeof(ReverseShared)}, x.data(), y.data());
  return relative_error(y, right);
}

template <Bug bug>
double run_total() {
  const std::vector<float> x = numbers(1000, 3);
  std::vector<float> y(1), parts(3);
  unsigned done = 0;
  double right = 0;
  for (float v : x) right += v;
  launch("total", total<bug>, {.grid = {3}, .block = {64}, .shared = sizeof(TotalShared)}, x.data(), 1000, parts.data(),
         &done, y.data());
  return relative_error(y, {right});
}

inline std::vector<bf16> rounded(const std::vector<float>& x) {
  std::vector<bf16> y;
  for (float v : x) y.push_back(bf16(v));
  return y;
}

/// a · bᵀ in double.
inline std::vector<double> product_of(const std::vector<bf16>& a, const std::vector<bf16>& b, int m, int n, int k) {
  std::vector<double> c(std::size_t(m) * n);
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j)
      for (int l = 0; l < k; ++l) c[i * n + j] += double(float(a[i * k + l])) * double(float(b[j * k + l]));
  return c;
}

template <Bug bug>
double run_product(int m = 64, int n = 32, int k = 160) {
  const auto a = rounded(numbers(std::size_t(m) * k, 4)), b = rounded(numbers(std::size_t(n) * k, 5));
  std::vector<float> c(std::size_t(m) * n);
  launch("product", product<bug>,
         {.grid = {unsigned(n / 32), unsigned(m / 32)}, .block = {128}, .shared = sizeof(ProductShared)}, a.data(),
         b.data(), c.data(), n, k);
  return relative_error(c, product_of(a, b, m, n, k));
}

template <Bug bug>
double run_hopper_product(int m = 64, int n = 64, int k = 320) {
  const auto a = rounded(numbers(std::size_t(m) * k, 6)), b = rounded(numbers(std::size_t(n) * k, 7));
  std::vector<float> c(std::size_t(m) * n);
  launch("hopper_product", hopper_product<bug>,
         {.grid = {unsigned(n / 64), unsigned(m / 64)}, .block = {160}, .shared = sizeof(HopperShared)},
         make_tensor_map(a.data(), m, k, 64, 64), make_tensor_map(b.data(), n, k, 64, 64),
         make_tensor_map(c.data(), m, n, 64, 32), k);
  return relative_error(c, product_of(a, b, m, n, k));
}

}  // namespace planted
