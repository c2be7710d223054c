#include <cmath>

#include <quern/cuda/runtime.hpp>
#include <quern/cuda/sgd.hpp>
#include <quern/tensor/pool.hpp>

#include "kernels/sgd.cuh"

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void sgd(const SgdParameter<T>* parameters, std::int64_t n) {
  kernels::for_each_list<T, 2>(
      n,
      [&](std::int64_t i) {
        const auto& p = parameters[i];
        return kernels::Parameter<T, 2>{{p.weight, p.gradient},           p.marks, p.size, p.width,
                                        {float(-p.rate), float(p.l2), 0}, true};
      },
      [&](const kernels::Parameters<T, 2>& list, const kernels::Part& part) {
        kernels::launch("sgd", kernels::update_parameters<T, kernels::SgdUpdate>, part.shape(), list,
                        kernels::SgdUpdate{}, nullptr);
      });
  kernels::clear_marks(parameters, n);
}

template <class T>
void sgd_momentum(const SgdParameter<T>* parameters, std::int64_t n, const MomentumSettings& s) {
  const kernels::MomentumUpdate update{float(s.momentum), float(s.rest), s.nesterov};
  kernels::for_each_list<T, 3>(
      n,
      [&](std::int64_t i) {
        const auto& p = parameters[i];
        return kernels::Parameter<T, 3>{{p.weight, p.gradient, p.velocity}, p.marks, p.size, p.width,
                                        {float(-p.rate), float(p.l2), 0},   true};
      },
      [&](const kernels::Parameters<T, 3>& list, const kernels::Part& part) {
        kernels::launch("sgd_momentum", kernels::update_parameters<T, kernels::MomentumUpdate>, part.shape(), list,
                        update, nullptr);
      });
  kernels::clear_marks(parameters, n);
}

namespace {

/// One array of each gradient goes through `update`; `sums` may be null.
template <class T, class Update>
void update_gradients(const char* name, const ListedGradient<T>* gradients, std::int64_t n, const Update& update,
                      float* sums = nullptr) {
  kernels::for_each_list<T, 1>(
      n,
      [&](std::int64_t i) {
        const auto& g = gradients[i];
        return kernels::Parameter<T, 1>{{g.gradient}, g.marks, g.size, g.width, {}, true};
      },
      [&](const kernels::Parameters<T, 1>& list, const kernels::Part& part) {
        kernels::launch(name, kernels::update_parameters<T, Update>, part.shape(), list, update,
                        sums ? sums + 2 * part.first_chunk : nullptr);
      });
}

/// The sum of squares, on the device: the first stage a sum of each chunk, the second one of those.
template <class T>
Storage sum_of_squares(const ListedGradient<T>* gradients, std::int64_t n) {
  const Device device = Device::cuda(current_device());
  std::int64_t chunks = 0;
  for (std::int64_t i = 0; i < n; ++i)
    chunks += (gradients[i].size + kernels::chunk_size<T> - 1) / kernels::chunk_size<T>;
  const Storage sums(std::size_t(chunks) * 2 * sizeof(float), device);
  Storage total(sizeof(double), device);
  update_gradients("sum_of_squares", gradients, n, kernels::SquaresSum{}, static_cast<float*>(sums.data()));
  kernels::launch("add_chunks", kernels::add_chunks<double>,
                  {.grid = {1}, .block = {kernels::update_threads}, .shared = sizeof(kernels::AddChunksShared)},
                  static_cast<const float*>(sums.data()), chunks, static_cast<double*>(total.data()));
  return total;
}

double root_on_host(const Storage& squares) {
  double sum = 0;
  copy_to_host(&sum, squares.data(), sizeof sum, squares.device().index);
  return std::sqrt(sum);
}

}  // namespace

template <class T>
double global_norm(const ListedGradient<T>* gradients, std::int64_t n) {
  return root_on_host(sum_of_squares(gradients, n));
}
template <class T>
double clip_global_norm(const ListedGradient<T>* gradients, std::int64_t n, double largest) {
  const Storage squares = sum_of_squares(gradients, n);
  update_gradients("clip_global_norm", gradients, n,
                   kernels::ScaleUpdate{1, largest, static_cast<const double*>(squares.data())});
  return root_on_host(squares);
}
template <class T>
void scale(const ListedGradient<T>* gradients, std::int64_t n, double factor) {
  update_gradients("scale_gradients", gradients, n, kernels::ScaleUpdate{float(factor), 0, nullptr});
}
template <class T>
void clamp(const ListedGradient<T>* gradients, std::int64_t n, double most) {
  update_gradients("clip_value", gradients, n, kernels::ClampUpdate{float(most)});
}

template <class T>
void move_towards(const AveragedParameter<T>* parameters, std::int64_t n, double rate) {
  kernels::for_each_list<T, 2>(
      n,
      [&](std::int64_t i) {
        const auto& p = parameters[i];
        return kernels::Parameter<T, 2>{{p.average, const_cast<T*>(p.weight)}, nullptr, p.size, p.size, {}, true};
      },
      [&](const kernels::Parameters<T, 2>& list, const kernels::Part& part) {
        kernels::launch("move_towards", kernels::update_parameters<T, kernels::AverageUpdate>, part.shape(), list,
                        kernels::AverageUpdate{float(rate)}, nullptr);
      });
}

#define QUERN_INSTANTIATE(T)                                                                 \
  template void sgd(const SgdParameter<T>*, std::int64_t);                                   \
  template void sgd_momentum(const SgdParameter<T>*, std::int64_t, const MomentumSettings&); \
  template double global_norm(const ListedGradient<T>*, std::int64_t);                       \
  template double clip_global_norm(const ListedGradient<T>*, std::int64_t, double);          \
  template void scale(const ListedGradient<T>*, std::int64_t, double);                       \
  template void clamp(const ListedGradient<T>*, std::int64_t, double);                       \
  template void move_towards(const AveragedParameter<T>*, std::int64_t, double);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
