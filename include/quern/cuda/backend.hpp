/// Which kernels compute: Quern's own, or NVIDIA's libraries where the program was built with them
/// (-D QUERN_WITH_CUBLAS=ON, -D QUERN_WITH_CUDNN=ON): a yardstick, and a second opinion when a result looks wrong.
///
///   cuda::use_backend(cuda::Backend::vendor);       // matrix products by cuBLASLt, softmax by cuDNN
///
/// What no library was built in for, or has no such kernel, stays Quern's own.
#pragma once
#include <quern/base/error.hpp>

namespace quern::inline QUERN_ABI::cuda {

enum class Backend { own, vendor };

/// "cuBLASLt, cuDNN"; empty where the program was built with neither.
const char* vendor_libraries() noexcept;
/// For all launches from now on. Throws Error where the program was built with no library.
void use_backend(Backend backend);
Backend backend() noexcept;

}  // namespace quern::inline QUERN_ABI::cuda
