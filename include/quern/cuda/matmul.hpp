/// Launchers of matmul; the kernels stand in kernels/matmul.cuh. Signatures as in cpu/matmul.hpp, for float and bf16.
///
///   cuda::matmul(a, Transpose::no, b, Transpose::yes, y);
///   cuda::matmul_variant(cuda::MatmulVariant::tiled, a, Transpose::no, b, Transpose::yes, y);      // this kernel
#pragma once
#include <string>

#include <quern/base/dtype.hpp>
#include <quern/base/transpose.hpp>
#include <quern/cuda/matmul_variant.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI::cuda {

/// For all products of floats from now on. At the start it is `exact`.
///
///   cuda::use_float_products(cuda::FloatProducts::tf32);       // faster, 10 bits instead of 23
void use_float_products(FloatProducts products);
FloatProducts float_products();

/// y = function(A B + bias) + residual, done while the sums are in registers.
template <class T>
struct MatmulEpilogue {
  const T* bias = nullptr;  // [N]
  MatmulFunction function = MatmulFunction::none;
  const T* residual = nullptr;  // [M, N]
};

template <class T>
void matmul(View<const T, 2> a, Transpose ta, View<const T, 2> b, Transpose tb, View<T, 2> y,
            const MatmulEpilogue<T>& epilogue = {});

/// How a product is computed, and why so.
struct MatmulChoice {
  MatmulVariant variant;
  int rows, columns;  // of a tile
  int parts;          // that K is cut into, added afterwards in their order
  const char* why;

  /// "pipelined, tiles of 128 x 192, K in 4 parts: bf16 with rows of whole 16 bytes"
  std::string text() const;
};

/// A tile that some kernels have, none: the one that the chooser takes.
struct MatmulTile {
  int rows = 0, columns = 0;
};

/// A kernel by its name, for tests and bench; `parts` 0: as many as the chooser takes. Gives the choice it came to.
/// Refuses what that kernel cannot do: tensor_cores, pipelined and hopper are for bf16, register_blocked and tf32 for
/// float.
template <class T>
MatmulChoice matmul_variant(MatmulVariant variant, View<const T, 2> a, Transpose ta, View<const T, 2> b, Transpose tb,
                            View<T, 2> y, const MatmulEpilogue<T>& epilogue = {}, int parts = 0, MatmulTile tile = {});

}  // namespace quern::inline QUERN_ABI::cuda
