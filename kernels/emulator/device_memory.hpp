/// The device's memory, and who may touch it. For the emulator's own files.
///
/// Protected memory lies in one range of addresses, which the host's processor refuses to touch except while a kernel
/// or a copy of `cuda::` lives in a DeviceAccess.
#pragma once
#include <cstddef>

#include <quern/base/config.hpp>

namespace quern::inline QUERN_ABI::emulator {

void* allocate_device(std::size_t bytes) noexcept;
void release_device(void* memory) noexcept;

/// Whether memory is protected now.
bool is_protecting() noexcept;
/// Whether these bytes are protected memory that is in use: what a GPU could reach. Only asked while is_protecting().
bool on_device(const void* at, std::size_t bytes) noexcept;

/// While one lives, device memory can be touched, by all threads of the host. They may nest.
struct DeviceAccess {
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

}  // namespace quern::inline QUERN_ABI::emulator
