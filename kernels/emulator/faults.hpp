/// Bad addresses and endless loops of kernels become failed launches. For the emulator's own files.
#pragma once
#include <quern/base/config.hpp>

namespace quern::inline QUERN_ABI::emulator {

/// At the beginning of a launch, on the thread that launches.
void catch_faults();

}  // namespace quern::inline QUERN_ABI::emulator
