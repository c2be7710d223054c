#include "kernels/matmul_launch.cuh"
#include "kernels/vendor/vendor.hpp"

#include <atomic>

namespace quern::inline QUERN_ABI::cuda {

namespace {
std::atomic<FloatProducts> products_of_floats{FloatProducts::exact};

const char* name_of(MatmulVariant variant) {
  constexpr const char* names[] = {"naive", "tiled", "register_blocked", "tensor_cores", "pipelined", "tf32", "hopper"};
  return names[int(variant)];
}

/// The two rungs below matmul_tiles: one element a thread.
template <class T, class A, class B>
MatmulChoice launch_simple(MatmulVariant variant, const A& a, const B& b, std::int64_t depth,
                           const kernels::MatmulOutput<T>& out) {
  const auto blocks = [](std::int64_t n, int size) { return (n + size - 1) / size; };
  if (variant == MatmulVariant::naive) {
    kernels::launch("matmul_naive", kernels::matmul_naive<A, B, T>,
                    {.grid = {unsigned(blocks(out.m * out.n, 256))}, .block = {256}}, a, b, out, depth);
    return {variant, 1, 1, 1, "asked for"};
  }
  kernels::launch("matmul_tiled", kernels::matmul_tiled<A, B, T>,
                  {.grid = {unsigned(blocks(out.m, 16) * blocks(out.n, 16))},
                   .block = {256},
                   .shared = sizeof(kernels::TiledShared)},
                  a, b, out, depth);
  return {variant, 16, 16, 1, "asked for"};
}

std::int64_t depth_of(const auto& a, Transpose ta) { return a.extent(ta == Transpose::no ? 1 : 0); }
}  // namespace

void use_float_products(FloatProducts products) { products_of_floats = products; }
FloatProducts float_products() { return products_of_floats; }

std::string MatmulChoice::text() const {
  return text_of(name_of(variant), ", tiles of ", rows, " x ", columns, ", K in ", parts,
                 parts == 1 ? " part: " : " parts: ", why);
}

template <class T>
void matmul(View<const T, 2> a, Transpose ta, View<const T, 2> b, Transpose tb, View<T, 2> y,
            const MatmulEpilogue<T>& epilogue) {
  const bool plain = epilogue.function != MatmulFunction::gelu && !epilogue.residual;
  const auto activation = epilogue.function == MatmulFunction::relu ? Activation::relu : Activation::none;
  if (plain && vendor::matmul(a, ta, b, tb, y, epilogue.bias, activation)) return;
  const std::int64_t depth = depth_of(a, ta);
  kernels::with_operands(a, ta, b, tb, [&](const auto& left, const auto& right) {
    return kernels::matmul_launch("matmul", left, right, depth, kernels::output_of(y, epilogue), {},
                                  kernels::RowMajor{y.extent(1)});
  });
}

template <class T>
MatmulChoice matmul_variant(MatmulVariant variant, View<const T, 2> a, Transpose ta, View<const T, 2> b, Transpose tb,
                            View<T, 2> y, const MatmulEpilogue<T>& epilogue, int parts, MatmulTile tile) {
  using V = MatmulVariant;
  const bool for_float = variant == V::register_blocked || variant == V::tf32;
  const bool for_bf16 = variant == V::tensor_cores || variant == V::pipelined || variant == V::hopper;
  require(!(std::is_same_v<T, float> ? for_bf16 : for_float), "matmul_variant: ", name_of(variant), " is for ",
          for_float ? "float" : "bf16");
  const std::int64_t depth = depth_of(a, ta);
  return kernels::with_operands(a, ta, b, tb, [&](const auto& left, const auto& right) {
    const auto out = kernels::output_of(y, epilogue);
    if (variant == V::naive || variant == V::tiled) return launch_simple(variant, left, right, depth, out);
    const auto choice = kernels::matmul_launch("matmul", left, right, depth, out, {int(variant), parts, tile},
                                               kernels::RowMajor{y.extent(1)});
    require(
        choice.variant == variant && (tile.rows == 0 || (tile.rows == choice.rows && tile.columns == choice.columns)),
        "matmul_variant: ", name_of(variant), " cannot compute this product: ", choice.text());
    return choice;
  });
}

#define QUERN_INSTANTIATE(T)                                                                                    \
  template void matmul(View<const T, 2>, Transpose, View<const T, 2>, Transpose, View<T, 2>,                    \
                       const MatmulEpilogue<T>&);                                                               \
  template MatmulChoice matmul_variant(MatmulVariant, View<const T, 2>, Transpose, View<const T, 2>, Transpose, \
                                       View<T, 2>, const MatmulEpilogue<T>&, int, MatmulTile);
QUERN_INSTANTIATE(float)
QUERN_INSTANTIATE(bf16)

}  // namespace quern::inline QUERN_ABI::cuda
