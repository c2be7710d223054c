/// Whether launches are to be kept for a graph instead of run; what `launch` asks on the emulator.
#pragma once
#include <functional>

#include <quern/base/config.hpp>

namespace quern::inline QUERN_ABI::emulator {

bool is_recording() noexcept;
/// Keeps the launch for the graph that is being recorded; false where none is.
bool record_instead(std::function<void()> launch);

}  // namespace quern::inline QUERN_ABI::emulator
