/// The GPUs of this machine, and the stream their work goes to. Memory is in tensor/device_memory.hpp.
///
///   for (const auto& d : cuda::devices()) std::puts(d.text().c_str());
///   const auto [device, why] = choose_device("auto");     // a GPU where there is one, else the CPU, and why
#pragma once
#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include <quern/cuda/fault.hpp>
#include <quern/tensor/device_memory.hpp>

namespace quern::inline QUERN_ABI::cuda {

struct DeviceInfo {
  int index = 0;
  std::string name;
  int major = 0, minor = 0;  // compute capability
  int multiprocessors = 0;
  std::size_t memory = 0;         // bytes
  std::size_t shared_memory = 0;  // bytes that one block can have

  /// "cuda:0  NVIDIA H100 80GB HBM3, sm_90, 132 multiprocessors, 79 GiB"
  std::string text() const {
    return text_of("cuda:", index, "  ", name, ", sm_", major, minor, ", ", multiprocessors, " multiprocessors, ",
                   std::int64_t(memory >> 30), " GiB");
  }
};

std::vector<DeviceInfo> devices();

/// The device that this thread's kernels run on, 0 until another is chosen. Tensors of another device are refused.
void use_device(int device);
int current_device() noexcept;
/// The stream that kernels are launched into, a cudaStream_t: of the current device.
void* current_stream();

/// Where kernels of the current device write it.
Fault* fault();

inline std::string text_of_fault(const Fault& f) {
  const double number = __builtin_bit_cast(double, f.value);
  switch (FaultKind(f.kind)) {
    case FaultKind::id:
      return text_of("embedding: id ", f.value, " at position ", f.place, "; the table has ", f.limit,
                     " rows, so ids are 0 to ", f.limit - 1);
    case FaultKind::label:
      return text_of(f.op ? f.op : "loss", ": label ", f.value, " of text ", f.place, "; the logits have ", f.limit,
                     " classes, so labels are 0 to ", f.limit - 1);
    case FaultKind::empty_text:
      return f.op ? text_of(f.op, ": text ", f.place, " of ", f.limit, " has no rows")
                  : text_of("max_over_time: text ", f.place, " has no rows");
    case FaultKind::class_weight:
      return text_of(f.op, ": the weight of class ", f.place, " is ", number,
                     "; expected a finite number of at least 0");
    case FaultKind::pos_weight:
      return text_of(f.op, ": the pos_weight of class ", f.place, " is ", number,
                     "; expected a finite number of at least 0");
    case FaultKind::no_weight:
      return text_of(f.op, ": the classes of this batch all have weight 0, so it has no mean loss");
    case FaultKind::target:
      return text_of(f.op, ": target ", f.place, " of ", f.limit, " is ", number, "; expected 0 to 1");
    case FaultKind::probability:
      return text_of(f.op, ": target (", f.place / f.limit, ", ", f.place % f.limit, ") is ", number,
                     "; expected a probability, 0 to 1");
    default:
      return text_of("a kernel reported an unknown fault, ", f.kind);
  }
}
/// Throws the fault that was recorded, if there is one, and forgets it.
inline void throw_fault(Fault& f) {
  if (FaultKind(f.kind) == FaultKind::none) return;
  const Fault seen = f;
  f = {};
  throw_invalid(text_of_fault(seen));
}

}  // namespace quern::inline QUERN_ABI::cuda

namespace quern::inline QUERN_ABI {

struct DeviceChoice {
  Device device;
  std::string why;
};

/// The device a user names: cpu, cuda (the first GPU), cuda:N, or auto (the first GPU, or else the CPU). Throws Error
/// where that GPU is not there: never a silent CPU run.
inline DeviceChoice choose_device(std::string_view name) {
  if (name == "cpu") return {Device::cpu(), "as asked"};
  std::string missing = "this program was built without a CUDA part";
  int devices = 0;
  if constexpr (has_cuda) {
    devices = cuda::device_count();
    if (devices == 0) missing = "no CUDA device: " + cuda::why_no_device();
  }
  if (name == "auto")
    return devices > 0 ? DeviceChoice{Device::cuda(), "the first GPU"} : DeviceChoice{Device::cpu(), missing};
  int index = 0;
  const bool is_cuda = name.substr(0, 4) == "cuda";
  const auto number = name.substr(is_cuda ? 4 : 0);
  if (is_cuda && !number.empty()) {
    const auto [end, error] = std::from_chars(number.data() + 1, number.data() + number.size(), index);
    if (number[0] != ':' || error != std::errc() || end != number.data() + number.size()) index = -1;
  }
  check(is_cuda && index >= 0, "device '", name, "' is not known; expected cpu, cuda, cuda:0, cuda:1, … or auto");
  check(devices > 0, "device ", name, ": ", missing);
  check(index < devices, "device ", name, ": there are ", devices, " CUDA devices, cuda:0 to cuda:", devices - 1);
  return {Device::cuda(index), "as asked"};
}

}  // namespace quern::inline QUERN_ABI
