/// The choice between Quern's kernels and NVIDIA's libraries.
#include <atomic>

#include <quern/cuda/backend.hpp>

namespace quern::inline QUERN_ABI::cuda {
namespace {
std::atomic<Backend> chosen = Backend::own;
}

const char* vendor_libraries() noexcept {
#if defined(QUERN_WITH_CUBLAS) && defined(QUERN_WITH_CUDNN)
  return "cuBLASLt, cuDNN";
#elif defined(QUERN_WITH_CUBLAS)
  return "cuBLASLt";
#elif defined(QUERN_WITH_CUDNN)
  return "cuDNN";
#else
  return "";
#endif
}

void use_backend(Backend backend) {
  check(backend == Backend::own || *vendor_libraries(),
        "cuda: this program was built without NVIDIA's libraries; configure with -D QUERN_WITH_CUBLAS=ON or ",
        "-D QUERN_WITH_CUDNN=ON, or use Backend::own");
  chosen = backend;
}
Backend backend() noexcept { return chosen; }

}  // namespace quern::inline QUERN_ABI::cuda
