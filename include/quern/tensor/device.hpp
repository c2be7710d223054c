/// Where a tensor's memory lives. `Device{}` is the CPU.
///
///   check_usable(Device::cuda());     // throws where the program has no GPU branch: never a silent CPU run
#pragma once
#include <string>

#include <quern/base/error.hpp>

namespace quern::inline QUERN_ABI {

struct Device {
  enum class Kind : int { cpu, cuda };
  Kind kind = Kind::cpu;
  int index = 0;

  static constexpr Device cpu() { return {}; }
  static constexpr Device cuda(int index = 0) { return {Kind::cuda, index}; }
  constexpr bool is_cpu() const { return kind == Kind::cpu; }
  constexpr bool is_cuda() const { return kind == Kind::cuda; }
  friend constexpr bool operator==(Device, Device) = default;
};

inline void append_text(std::string& out, Device d) { out += d.is_cpu() ? "cpu" : "cuda:" + std::to_string(d.index); }

/// Throws Error when this program cannot compute on `d`. `what` names the op that asks.
inline void check_usable(Device d, const char* what = "device") {
#if !defined(QUERN_CUDA)
  check(d.is_cpu(), what, ": asked for ", d, ", but this program was built without a CUDA part; link quern::cuda, or ",
        "choose Device::cpu()");
#else
  (void)d, (void)what;
#endif
}

}  // namespace quern::inline QUERN_ABI
