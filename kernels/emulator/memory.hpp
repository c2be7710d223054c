/// The block's shared memory, for device/memory.cuh.
#pragma once
#include <cstddef>

#include <quern/base/error.hpp>

namespace quern::inline QUERN_ABI::emulator {

/// Its beginning, if the launch asked for `bytes` at least.
void* shared_memory(std::size_t bytes, std::size_t alignment, Caller at);

}  // namespace quern::inline QUERN_ABI::emulator
