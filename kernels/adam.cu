#include <quern/cuda/adam.hpp>
#include <quern/cuda/runtime.hpp>

#include "kernels/adam.cuh"

namespace quern::inline QUERN_ABI::cuda {
namespace {

template <bool amsgrad, class T>
void step(const AdamParameter<T>* parameters, std::int64_t n, const AdamSettings& s) {
  using Update = kernels::AdamUpdate<amsgrad>;
  constexpr int arrays = Update::form.arrays;
  const Update update{float(s.beta1), float(s.beta2), float(1 - s.beta1), float(1 - s.beta2), float(s.epsilon)};
  kernels::for_each_list<T, arrays>(
      n,
      [&](std::int64_t i) {
        const auto& p = parameters[i];
        kernels::Parameter<T, arrays> listed{{p.weight, p.gradient, p.first, p.second},      p.marks, p.size, p.width,
                                             {float(-p.rate), float(p.l2), float(-p.decay)}, true};
        if constexpr (amsgrad) listed.x[4] = p.largest;
        return listed;
      },
      [&](const kernels::Parameters<T, arrays>& list, const kernels::Part& part) {
        kernels::launch("adam", kernels::update_parameters<T, Update>, part.shape(), list, update, nullptr);
      });
}

}  // namespace

template <class T>
void adam(const AdamParameter<T>* parameters, std::int64_t n, const AdamSettings& settings) {
  if (n == 0) return;
  parameters->largest ? step<true>(parameters, n, settings) : step<false>(parameters, n, settings);
  kernels::clear_marks(parameters, n);
}
template void adam(const AdamParameter<float>*, std::int64_t, const AdamSettings&);
template void adam(const AdamParameter<bf16>*, std::int64_t, const AdamSettings&);

}  // namespace quern::inline QUERN_ABI::cuda
