/// Shared memory, fences, and the moments at which atomic operations let others run.
#include "kernels/emulator/memory.hpp"

#include "kernels/emulator/atomics.hpp"
#include "kernels/emulator/machine.hpp"

namespace quern::inline QUERN_ABI::emulator {

void* shared_memory(std::size_t bytes, std::size_t alignment, Caller at) {
  Quiet quiet;
  if (bytes > machine.launch->shared)
    fail(text_of("the kernel uses ", bytes, " bytes of shared memory, the launch gives ", machine.launch->shared), at);
  if (alignment > 1024) fail(text_of("shared memory begins at a multiple of 1024, not of ", alignment), at);
  return machine.shared;
}

void before_atomic(const void* at) {
  Quiet quiet;
  const bool now =
      machine.schedule.kind == Order::round_robin ? ++machine.me().atomic_count % 32 == 0 : machine.draw() % 4 == 0;
  if (now) let_others_run();
  if (machine.me().fenced) sanitizer::release(at);
}

void after_atomic(const void* at) {
  Quiet quiet;
  auto& last = machine.me().atomics;
  for (const void* known : last)
    if (known == at) return;
  for (std::size_t i = last.size() - 1; i > 0; --i) last[i] = last[i - 1];
  last[0] = at;
}

void fence() {
  Quiet quiet;
  machine.me().fenced = true;
  for (const void* at : machine.me().atomics)
    if (at) sanitizer::acquire(at);
}

}  // namespace quern::inline QUERN_ABI::emulator
