#include "kernels/emulator/async.hpp"

#include "kernels/emulator/machine.hpp"

namespace quern::inline QUERN_ABI::emulator {

void begin_asynchronous() {}
void end_asynchronous() {}
void abandon_asynchronous() {}
void complete_one_copy() {}
void end_thread_copies() {}
std::string asynchronous_report() { return {}; }

}  // namespace quern::inline QUERN_ABI::emulator
