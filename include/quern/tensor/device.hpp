/// Where a tensor's memory lives. `Device{}` is the CPU.
///
///   auto y = x.to(Device::cuda());     // throws where there is no GPU, or none this program can use
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

[[gnu::cold, gnu::noinline]] inline void append_text(std::string& out, Device d) {
  out += d.is_cpu() ? "cpu" : "cuda:" + std::to_string(d.index);
}

}  // namespace quern::inline QUERN_ABI
