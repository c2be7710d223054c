#include <quern/cuda/lamb.hpp>
#include <quern/cuda/runtime.hpp>
#include <quern/tensor/pool.hpp>

#include "kernels/lamb.cuh"

namespace quern::inline QUERN_ABI::cuda {

template <class T>
void lamb(const LambParameter<T>* parameters, std::int64_t n, const LambSettings& s) {
  const kernels::LambDirection direction{float(s.epsilon), float(s.correction)};
  const kernels::LambMoments moments{float(s.beta1), float(s.beta2), float(1 - s.beta1), float(1 - s.beta2), direction};
  const Device device = Device::cuda(current_device());
  const auto numbers = [](const auto& p) { return std::pair(float(p.rate), float(p.decay)); };
  kernels::for_each_list<T, 4>(
      n,
      [&](std::int64_t i) {
        const auto& p = parameters[i];
        const auto [rate, decay] = numbers(p);
        return kernels::Parameter<T, 4>{
            {p.weight, p.gradient, p.first, p.second}, p.marks, p.size, p.width, {rate, decay, 0}, true};
      },
      [&](const kernels::Parameters<T, 4>& list, const kernels::Part& part) {
        const Storage sums(std::size_t(part.chunks) * 2 * sizeof(float), device);
        const Storage squares(std::size_t(list.count) * 2 * sizeof(double), device);
        kernels::launch("lamb: moments", kernels::update_parameters<T, kernels::LambMoments>, part.shape(), list,
                        moments, static_cast<float*>(sums.data()));
        kernels::launch(
            "lamb: norms", kernels::add_chunks_of_parameters<T>,
            {.grid = {unsigned(list.count)}, .block = {kernels::update_threads}, .shared = sizeof(kernels::LambShared)},
            list, static_cast<const float*>(sums.data()), static_cast<double*>(squares.data()));
        kernels::Parameters<T, 3> rest{};
        rest.count = list.count;
        for (int i = 0; i < list.count; ++i) {
          const auto& p = list.of[i];
          rest.of[i] = {{p.x[0], p.x[2], p.x[3]}, nullptr, p.size, p.width, {p.number[0], p.number[1], 0}, p.aligned};
        }
        for (int i = 0; i <= list.count; ++i) rest.first_chunk[i] = list.first_chunk[i];
        kernels::launch("lamb: step", kernels::update_parameters<T, kernels::LambUpdate>, part.shape(), rest,
                        kernels::LambUpdate{direction, static_cast<const double*>(squares.data()), 1}, nullptr);
      });
  kernels::clear_marks(parameters, n);
}
template void lamb(const LambParameter<float>*, std::int64_t, const LambSettings&);
template void lamb(const LambParameter<bf16>*, std::int64_t, const LambSettings&);

}  // namespace quern::inline QUERN_ABI::cuda
