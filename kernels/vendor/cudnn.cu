/// Softmax by cuDNN, along the last axis of [rows, C].
#include <cudnn.h>

#include <quern/cuda/runtime.hpp>

#include "kernels/vendor/vendor.hpp"

namespace quern::inline QUERN_ABI::cuda::vendor {
namespace {

void check_cudnn(cudnnStatus_t status, const char* what) {
  check(status == CUDNN_STATUS_SUCCESS, "cudnn: ", what, ": ", cudnnGetErrorString(status));
}

cudnnHandle_t library() {
  static const cudnnHandle_t handle = [] {
    cudnnHandle_t made = nullptr;
    check_cudnn(cudnnCreate(&made), "starting");
    return made;
  }();
  check_cudnn(cudnnSetStream(handle, static_cast<cudaStream_t>(current_stream())), "choosing a stream");
  return handle;
}

struct Rows {
  cudnnTensorDescriptor_t desc = nullptr;
  Rows(cudnnDataType_t type, std::int64_t rows, std::int64_t columns) {
    check_cudnn(cudnnCreateTensorDescriptor(&desc), "describing a tensor");
    check_cudnn(cudnnSetTensor4dDescriptor(desc, CUDNN_TENSOR_NCHW, type, int(rows), int(columns), 1, 1),
                "describing a tensor");
  }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;
  ~Rows() { cudnnDestroyTensorDescriptor(desc); }
};

}  // namespace

template <class T>
bool softmax(View<const T, 2> x, View<T, 2> y) {
  if (backend() != Backend::vendor || x.size() == 0) return false;
  const Rows rows(std::is_same_v<T, bf16> ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT, x.extent(0), x.extent(1));
  const float one = 1, zero = 0;
  check_cudnn(cudnnSoftmaxForward(library(), CUDNN_SOFTMAX_ACCURATE, CUDNN_SOFTMAX_MODE_INSTANCE, &one, rows.desc,
                                  x.data, &zero, rows.desc, y.data),
              "softmax");
  return true;
}
template bool softmax(View<const float, 2>, View<float, 2>);
template bool softmax(View<const bf16, 2>, View<bf16, 2>);

}  // namespace quern::inline QUERN_ABI::cuda::vendor
