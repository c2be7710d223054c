/// Memory of devices: what tensors need of a GPU. The functions of `cuda::` are declared here and defined by the
/// library that `quern::cuda` or `quern::emulated` links; a program without one never refers to them.
///
///   check_usable(Device::cuda());                          // throws where there is none: never a silent CPU run
///   copy_bytes(to, Device::cpu(), from, Device::cuda(), bytes);
///
/// All work of a device goes to one stream, in the order it was asked for. What a kernel found wrong with its data (an
/// id beyond its table, say) is thrown at the next copy to the host or `synchronize`.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>

#include <quern/base/dtype.hpp>
#include <quern/tensor/device.hpp>

namespace quern::inline QUERN_ABI {

/// Whether this program has kernels for elements of type T.
template <class T>
inline constexpr bool has_kernels = has_cuda && (std::is_same_v<T, float> || std::is_same_v<T, bf16>);

namespace cuda {
/// How many GPUs this program can use; 0 where there is no driver.
int device_count() noexcept;
/// Why there are none: "the driver is missing (…)".
std::string why_no_device();
/// Whether the device is the emulator, whose memory is the host's.
bool is_emulated() noexcept;

/// At least `bytes` bytes, aligned to 256; null where there is not so much.
void* allocate(std::size_t bytes, int device) noexcept;
void release(void* memory, int device) noexcept;

void set_bytes(void* to, int value, std::size_t bytes, int device);
/// When it returns `from` may be changed.
void copy_to_device(void* to, const void* from, std::size_t bytes, int device);
/// Waits for the work before it. Throws what kernels found wrong.
void copy_to_host(void* to, const void* from, std::size_t bytes, int device);
void copy_on_device(void* to, const void* from, std::size_t bytes, int device);
/// Waits for all work. Throws what kernels found wrong.
void synchronize(int device = 0);

/// y[i] += x[i], for float and bf16.
template <class T>
void accumulate(T* y, const T* x, std::int64_t n);
/// y[i] = value, for float and bf16: a kernel, so it can be part of a graph, as a copy from the host cannot.
template <class T>
void fill(T* y, T value, std::int64_t n);
/// y[i] = x[i], float to bf16 or back.
template <class X, class Y>
void convert(const X* x, Y* y, std::int64_t n);
/// Clears the rows of `row_bytes` bytes each that `marks` names, and the marks.
void zero_rows(void* data, std::int64_t rows, std::size_t row_bytes, char* marks);
}  // namespace cuda

namespace detail {
[[gnu::noinline]] inline void check_gpu(Device d, const char* what) {
  if constexpr (has_cuda) {
    static const int devices = cuda::device_count();
    check(devices > 0, what, ": asked for ", d, ", but there is no CUDA device: ", cuda::why_no_device());
    check(d.index >= 0 && d.index < devices, what, ": asked for ", d, ", but there are ", devices,
          " CUDA devices, 0 to ", devices - 1);
  } else {
    check(false, what, ": asked for ", d, ", but this program was built without a CUDA part; link quern::cuda, or ",
          "choose Device::cpu()");
  }
}
}  // namespace detail

/// Throws Error when this program cannot compute on `d`. `what` names the op that asks.
inline void check_usable(Device d, const char* what = "device") {
  if (!d.is_cpu()) detail::check_gpu(d, what);
}

/// memset on a device.
inline void set_bytes(void* to, Device device, int value, std::size_t bytes) {
  if (bytes == 0) return;
  if constexpr (has_cuda) {
    if (device.is_cuda()) return cuda::set_bytes(to, value, bytes, device.index);
  }
  std::memset(to, value, bytes);
}

/// memcpy between devices. From one GPU to another it goes through the host.
inline void copy_bytes(void* to, Device to_device, const void* from, Device from_device, std::size_t bytes) {
  if (bytes == 0) return;
  if constexpr (has_cuda) {
    if (from_device.is_cuda() && to_device == from_device)
      return cuda::copy_on_device(to, from, bytes, to_device.index);
    if (from_device.is_cuda() && to_device.is_cuda()) {
      std::string host(bytes, '\0');
      cuda::copy_to_host(host.data(), from, bytes, from_device.index);
      return cuda::copy_to_device(to, host.data(), bytes, to_device.index);
    }
    if (from_device.is_cuda()) return cuda::copy_to_host(to, from, bytes, from_device.index);
    if (to_device.is_cuda()) return cuda::copy_to_device(to, from, bytes, to_device.index);
  }
  std::memcpy(to, from, bytes);
}

}  // namespace quern::inline QUERN_ABI
