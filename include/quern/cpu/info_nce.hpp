/// CPU bodies of info_nce that are its own: rows of unit length and their gradient. Products are matmul's, the loss is
/// that of cross_entropy.
///
///   cpu::unit_rows(x.view(), 1 / temperature, y.view(), norms.view());
#pragma once
#include <cmath>

#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// y(b) = s x(b)/‖x(b)‖, and the norms [B]. A row of zeros stays zeros.
template <class T, class A>
void unit_rows(View<const T, 2> x, double s, View<A, 2> y, View<double, 1> norms) {
  for (std::int64_t b = 0; b < x.extent(0); ++b) {
    double sum = 0;
    for (std::int64_t e = 0; e < x.extent(1); ++e) sum += double(x(b, e)) * double(x(b, e));
    norms(b) = std::sqrt(sum);
    const double scale = norms(b) == 0 ? 0 : s / norms(b);
    for (std::int64_t e = 0; e < x.extent(1); ++e) y(b, e) = A(scale * double(x(b, e)));
  }
}

/// dx(b) = s/‖x(b)‖ (dy(b) - u (u · dy(b))) with u = y(b)/s; 0 for a row of zeros.
template <class A, class T>
void unit_rows_backward(View<const A, 2> dy, View<const A, 2> y, View<const double, 1> norms, double s, View<T, 2> dx) {
  for (std::int64_t b = 0; b < y.extent(0); ++b) {
    double along = 0;
    for (std::int64_t e = 0; e < y.extent(1); ++e) along += double(y(b, e)) * double(dy(b, e));
    const double scale = norms(b) == 0 ? 0 : s / norms(b);
    for (std::int64_t e = 0; e < y.extent(1); ++e)
      dx(b, e) = T(scale * (double(dy(b, e)) - along / (s * s) * double(y(b, e))));
  }
}

/// y = s x
template <class X, class Y>
void scale_rows(View<const X, 2> x, double s, View<Y, 2> y) {
  for (std::int64_t i = 0; i < x.size(); ++i) y.data[i] = Y(s * double(x.data[i]));
}

}  // namespace quern::inline QUERN_ABI::cpu
