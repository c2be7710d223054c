/// Matrix products by cuBLASLt. It thinks in columns: a row-major y = A B is, column by column, yᵀ = Bᵀ Aᵀ, so the
/// operands change places and nothing is transposed that was not.
#include <cublasLt.h>

#include <mutex>

#include <quern/cuda/runtime.hpp>

#include "kernels/vendor/vendor.hpp"

namespace quern::inline QUERN_ABI::cuda::vendor {
namespace {

void check_cublas(cublasStatus_t status, const char* what) {
  check(status == CUBLAS_STATUS_SUCCESS, "cublasLt: ", what, ": ", cublasLtGetStatusName(status));
}

constexpr std::size_t workspace_bytes = 32 << 20;

/// The library's handle, and memory for it to work in; one a process, for its current device.
struct Library {
  cublasLtHandle_t handle = nullptr;
  void* workspace = nullptr;
  Library() {
    check_cublas(cublasLtCreate(&handle), "starting");
    workspace = allocate(workspace_bytes, current_device());
  }
};
Library& library() {
  static Library one;
  return one;
}

template <class T>
constexpr cudaDataType_t type_of() {
  return std::is_same_v<T, bf16> ? CUDA_R_16BF : CUDA_R_32F;
}

struct Layout {
  cublasLtMatrixLayout_t layout = nullptr;
  Layout(cudaDataType_t type, std::int64_t rows, std::int64_t columns) {
    check_cublas(cublasLtMatrixLayoutCreate(&layout, type, std::uint64_t(rows), std::uint64_t(columns), rows),
                 "describing a matrix");
  }
  Layout(const Layout&) = delete;
  Layout& operator=(const Layout&) = delete;
  ~Layout() { cublasLtMatrixLayoutDestroy(layout); }
};

struct Product {
  cublasLtMatmulDesc_t desc = nullptr;
  cublasLtMatmulPreference_t preference = nullptr;
  Product() {
    check_cublas(cublasLtMatmulDescCreate(&desc, CUBLAS_COMPUTE_32F, CUDA_R_32F), "describing a product");
    check_cublas(cublasLtMatmulPreferenceCreate(&preference), "describing a product");
    set_preference(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace_bytes);
  }
  Product(const Product&) = delete;
  Product& operator=(const Product&) = delete;
  ~Product() { cublasLtMatmulPreferenceDestroy(preference), cublasLtMatmulDescDestroy(desc); }

  void set(cublasLtMatmulDescAttributes_t attribute, auto value) {
    check_cublas(cublasLtMatmulDescSetAttribute(desc, attribute, &value, sizeof value), "describing a product");
  }
  void set_preference(cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
    check_cublas(cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof value),
                 "choosing a kernel");
  }
};

template <class T>
void set_epilogue(Product& p, const T* bias, Activation activation) {
  const bool relu = activation == Activation::relu;
  if (bias) {
    p.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(bias));
    p.set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, type_of<T>());
  }
  const auto epilogue = bias ? (relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS)
                             : (relu ? CUBLASLT_EPILOGUE_RELU : CUBLASLT_EPILOGUE_DEFAULT);
  p.set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
}

}  // namespace

template <class T>
bool matmul(View<const T, 2> a, Transpose ta, View<const T, 2> b, Transpose tb, View<T, 2> y, const T* bias,
            Activation activation) {
  const std::int64_t inner = ta == Transpose::no ? a.extent(1) : a.extent(0);
  if (backend() != Backend::vendor || y.size() == 0 || inner == 0) return false;
  Product p;
  p.set(CUBLASLT_MATMUL_DESC_TRANSA, tb == Transpose::no ? CUBLAS_OP_N : CUBLAS_OP_T);
  p.set(CUBLASLT_MATMUL_DESC_TRANSB, ta == Transpose::no ? CUBLAS_OP_N : CUBLAS_OP_T);
  set_epilogue(p, bias, activation);
  const Layout first(type_of<T>(), b.extent(1), b.extent(0)), second(type_of<T>(), a.extent(1), a.extent(0)),
      result(type_of<T>(), y.extent(1), y.extent(0));
  cublasLtMatmulHeuristicResult_t choice{};
  int found = 0;
  check_cublas(cublasLtMatmulAlgoGetHeuristic(library().handle, p.desc, first.layout, second.layout, result.layout,
                                              result.layout, p.preference, 1, &choice, &found),
               "choosing a kernel");
  if (found == 0) return false;
  const float one = 1, zero = 0;
  check_cublas(cublasLtMatmul(library().handle, p.desc, &one, b.data, first.layout, a.data, second.layout, &zero,
                              y.data, result.layout, y.data, result.layout, &choice.algo, library().workspace,
                              workspace_bytes, static_cast<cudaStream_t>(current_stream())),
               "multiplying");
  return true;
}

template bool matmul(View<const float, 2>, Transpose, View<const float, 2>, Transpose, View<float, 2>, const float*,
                     Activation);
template bool matmul(View<const bf16, 2>, Transpose, View<const bf16, 2>, Transpose, View<bf16, 2>, const bf16*,
                     Activation);

}  // namespace quern::inline QUERN_ABI::cuda::vendor
