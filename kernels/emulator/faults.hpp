/// Bad addresses and endless loops of kernels become failed launches. For the emulator's own files.
#pragma once
#include <quern/base/config.hpp>

namespace quern::inline QUERN_ABI::emulator {

/// At the beginning and at the end of a launch, on the thread that launches. Between launches others' handlers stand.
void catch_faults();
void leave_faults();

}  // namespace quern::inline QUERN_ABI::emulator
