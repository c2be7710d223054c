#include <quern/cuda/conv1d_relu_max_over_time.hpp>

#include "kernels/conv1d_launch.cuh"
#include "kernels/conv1d_relu_max_over_time.cuh"

namespace quern::inline QUERN_ABI::cuda {

using kernels::blocks_of_256;
using kernels::launch;

namespace {

template <class T>
kernels::ConvMaxGradient<T> gradient_of(View<const T, 2> dz, const WindowedTexts<T>& texts,
                                        View<const std::int32_t, 2> where) {
  return {dz, where, texts.offsets.data, texts.x.extent(1), texts.width};
}

/// The product with the best tile of these engines, and what follows it.
template <class List, int... widths, class T>
void launch_fused(const WindowedTexts<T>& texts, View<const T, 2> taps, const T* bias, View<T, 2> y,
                  View<std::int32_t, 2> where, int width) {
  const auto windows = kernels::windows_of<T, true>(texts.x, texts.places);
  const kernels::MatrixOperand<T, true> filters{taps.data, taps.extent(1)};
  const std::int64_t m = texts.places.text.size(), n = y.extent(1), depth = taps.extent(1), gap = texts.width - 1;
  const auto plan = kernels::plan_matmul(m, n, depth, List::options, kernels::multiprocessors(),
                                         {.parts = 1, .shared = kernels::device_info().shared_memory});
  List::with(plan.option, [&]<class Engine>() {
    const auto cuts = [](std::int64_t a, int b) { return (a + b - 1) / b; };
    const std::int64_t tiles = cuts(m, Engine::rows), lines = y.extent(0) + tiles;
    Storage memory(std::size_t(lines * n) * 8, Device::cuda(current_device()));
    float* values = static_cast<float*>(memory.data());
    const kernels::Candidates found{values, reinterpret_cast<std::int32_t*>(values + lines * n)};
    const auto run = [&]<int w>() {
      using A = kernels::WindowsOperand<T, true>;
      using B = kernels::MatrixOperand<T, true>;
      launch("conv_max_tiles", kernels::conv_max_tiles<Engine, w, A, B, T>,
             {.grid = {unsigned(tiles * cuts(n, Engine::columns))},
              .block = {Engine::threads},
              .shared = sizeof(kernels::ConvMaxShared<Engine>)},
             windows, filters, bias, m, n, depth, texts.offsets.data, texts.places.text.data, gap, found);
    };
    ((width == widths ? run.template operator()<widths>() : void()), ...);
    launch("conv_max_combine", kernels::conv_max_combine<T>, {.grid = {blocks_of_256(y.size())}, .block = {256}}, found,
           texts.offsets.data, gap, Engine::rows, y, where);
  });
}

}  // namespace

template <class T>
void conv1d_relu_max_over_time(const WindowedTexts<T>& texts, View<const T, 2> taps, const T* bias, View<T, 2> y,
                               View<std::int32_t, 2> where, ConvMaxKernels which) {
  kernels::require_countable("conv1d_relu_max_over_time", texts.places.source.size(), taps.extent(1));
  const auto windows = kernels::windows_of<T, true>(texts.x, texts.places);
  const kernels::MatrixOperand<T, true> filters{taps.data, taps.extent(1)};
  if (which == ConvMaxKernels::simple)
    return launch("conv_max_simple",
                  kernels::conv_max_simple<kernels::WindowsOperand<T, true>, kernels::MatrixOperand<T, true>, T>,
                  {.grid = {blocks_of_256(y.size())}, .block = {256}}, windows, filters, bias, taps.extent(1),
                  texts.offsets.data, texts.width - 1, y, where);
  const int width = std::min(kernels::widest_pack(windows), kernels::widest_pack(filters));
  if constexpr (std::is_same_v<T, float>) {  // as matmul_launch chooses for conv1d: the composition has the same bits
    if (float_products() == FloatProducts::tf32 && width == 4)
      return launch_fused<kernels::Tf32Engines, 4>(texts, taps, bias, y, where, width);
    launch_fused<kernels::ExactEngines, 4, 1>(texts, taps, bias, y, where, width);
  } else if (width == 1) {
    launch_fused<kernels::SimpleEngines, 1>(texts, taps, bias, y, where, width);
  } else {
    launch_fused<kernels::PipelinedEngines, 8, 4>(texts, taps, bias, y, where, width);
  }
}

template <class T>
void conv_max_backward_x(View<const T, 2> dz, const WindowedTexts<T>& texts, View<const T, 2> taps,
                         View<const std::int32_t, 2> where, View<T, 2> dx, ConvMaxKernels which) {
  const auto g = gradient_of(dz, texts, where);
  const std::int32_t *padded = texts.places.padded.data, *text = texts.places.text.data;
  if (which == ConvMaxKernels::simple)
    return launch("conv_max_x_simple", kernels::conv_max_x_simple<T>,
                  {.grid = {blocks_of_256(dx.size())}, .block = {256}}, g, taps.data, padded, text, dx);
  const auto run = [&]<int pack>() {
    const std::int64_t across = (g.columns + 64 * pack - 1) / (64 * pack);
    launch("conv_max_x", kernels::conv_max_x<pack, T>,
           {.grid = {unsigned((dx.extent(0) + 3) / 4), unsigned(across)}, .block = {128}}, g, taps.data, padded, text,
           dx);
  };
  const int width =
      std::min(kernels::widest_pack<T>(taps.data, g.columns), kernels::widest_pack<T>(dx.data, g.columns));
  if (width == 1) return run.template operator()<1>();
  if constexpr (std::is_same_v<T, bf16>) {
    if (width == 8) return run.template operator()<8>();
  }
  run.template operator()<4>();
}

template <class T>
void conv_max_backward_weight(View<const T, 2> dz, const WindowedTexts<T>& texts, View<const std::int32_t, 2> where,
                              View<T, 3> dweight, ConvMaxKernels which) {
  const auto g = gradient_of(dz, texts, where);
  if (which == ConvMaxKernels::simple)
    return launch("conv_max_weight_simple", kernels::conv_max_weight_simple<T>,
                  {.grid = {blocks_of_256(dweight.size())}, .block = {256}}, g, texts.x.data, dweight);
  const std::int64_t filters = dz.extent(1), length = g.columns * g.width;
  const std::int64_t texts_of_part = std::max<std::int64_t>(16, (dz.extent(0) + 15) / 16);
  const std::int64_t count = std::max<std::int64_t>(1, (dz.extent(0) + texts_of_part - 1) / texts_of_part);
  Storage memory(std::size_t(count * filters * length) * 4, Device::cuda(current_device()));
  float* parts = static_cast<float*>(memory.data());
  const auto run = [&]<int pack>() {
    launch("conv_max_weight", kernels::conv_max_weight<pack, T>,
           {.grid = {unsigned((length + 128 * pack - 1) / (128 * pack)), unsigned(filters), unsigned(count)},
            .block = {128}},
           g, texts.x.data, texts_of_part, parts);
  };
  const int width = kernels::widest_pack<T>(texts.x.data, g.columns);
  if (width == 1) {
    run.template operator()<1>();
  } else if (width == 4) {
    run.template operator()<4>();
  } else {
    if constexpr (std::is_same_v<T, bf16>) run.template operator()<8>();
  }
  const kernels::MatmulOutput<T> out{dweight.data,         filters, length, nullptr, nullptr,
                                     MatmulFunction::none, parts,   false};
  launch("matmul_add_parts", kernels::matmul_add_parts<T, kernels::PlaceOfTap>,
         {.grid = {blocks_of_256(filters * length)}, .block = {256}}, out, int(count),
         kernels::PlaceOfTap{g.columns, g.width});
}

#define QUERN_INSTANTIATE(T)                                                                                     \
  template void conv1d_relu_max_over_time(const WindowedTexts<T>&, View<const T, 2>, const T*, View<T, 2>,       \
                                          View<std::int32_t, 2>, ConvMaxKernels);                                \
  template void conv_max_backward_x(View<const T, 2>, const WindowedTexts<T>&, View<const T, 2>,                 \
                                    View<const std::int32_t, 2>, View<T, 2>, ConvMaxKernels);                    \
  template void conv_max_backward_weight(View<const T, 2>, const WindowedTexts<T>&, View<const std::int32_t, 2>, \
                                         View<T, 3>, ConvMaxKernels);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
