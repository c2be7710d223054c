/// The emulated device's memory, which is the host's, and its one stream, in which everything is done at once.
#include <cstdlib>
#include <cstring>

#include <quern/cuda/runtime.hpp>

namespace quern::inline QUERN_ABI::cuda {

int device_count() noexcept { return 1; }
std::string why_no_device() { return "the emulator is always there"; }
bool is_emulated() noexcept { return true; }

std::vector<DeviceInfo> devices() { return {{0, "emulator", 9, 0, 1, std::size_t{1} << 34, 227 << 10}}; }
void use_device(int device) { check_usable(Device::cuda(device), "use_device"); }
int current_device() noexcept { return 0; }
void* current_stream() { return nullptr; }
Fault* fault() {
  static Fault record{};
  return &record;
}

void* allocate(std::size_t bytes, int) noexcept { return std::aligned_alloc(256, (bytes + 255) / 256 * 256); }
void release(void* memory, int) noexcept { std::free(memory); }

void set_bytes(void* to, int value, std::size_t bytes, int) { std::memset(to, value, bytes); }
void copy_to_device(void* to, const void* from, std::size_t bytes, int) { std::memcpy(to, from, bytes); }
void copy_to_host(void* to, const void* from, std::size_t bytes, int) {
  std::memcpy(to, from, bytes);
  throw_fault(*fault());
}
void copy_on_device(void* to, const void* from, std::size_t bytes, int) { std::memmove(to, from, bytes); }
void synchronize(int) { throw_fault(*fault()); }

}  // namespace quern::inline QUERN_ABI::cuda
