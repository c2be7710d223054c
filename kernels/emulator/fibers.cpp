/// Stacks, and switching between them.
#include <sys/mman.h>
#include <unistd.h>

#include "kernels/emulator/machine.hpp"

namespace quern::inline QUERN_ABI::emulator {

namespace context = boost::context::detail;

namespace {

constexpr std::size_t stack_bytes = 256 * 1024;

/// First on every stack and after every switch: whom we come from can be come back to.
void arrived(context::transfer_t from) {
  Fiber& left = *static_cast<Fiber*>(from.data);
  left.context = from.fctx;
#ifdef QUERN_ASAN
  __sanitizer_finish_switch_fiber(machine.running->fake_stack, &left.bottom, &left.size);
#endif
}

void run_threads(context::transfer_t from) {
  {
    Quiet quiet;
    arrived(from);
  }
  for (;;) {
    run_current_thread();
    Quiet quiet;
    Fiber* me = machine.running;
    const int next = pick();
    if (!sanitizer::thread_checks) {
      if (next != nobody && !machine.begun.has(unsigned(next))) {
        machine.current = unsigned(next);
        continue;
      }
      machine.idle.push_back(me);
    }
    go_on(next);
  }
}

/// Tops of stacks lie at different distances from the page's end: at equal ones they would share a few lines of the
/// nearest cache.
void place(Fiber& fiber, std::size_t number) {
  char* top = fiber.stack + stack_bytes - number % 61 * 64;
  fiber.context = context::make_fcontext(top, std::size_t(top - fiber.stack), run_threads);
}

Fiber* make_fiber() {
  const std::size_t page = std::size_t(sysconf(_SC_PAGESIZE));
  void* memory = mmap(nullptr, stack_bytes + page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) fail("emulator: no memory for another stack");
  mprotect(memory, page, PROT_NONE);
  Fiber* fiber = machine.all.emplace_back(std::make_unique<Fiber>()).get();
  fiber->stack = static_cast<char*>(memory) + page;
  fiber->bottom = fiber->stack, fiber->size = stack_bytes;
#ifdef QUERN_TSAN
  fiber->tsan = __tsan_create_fiber(0);
#endif
  place(*fiber, machine.all.size());
  return fiber;
}

}  // namespace

Fiber* fiber_for(unsigned thread) {
  Fiber*& its = machine.thread[thread].fiber;
  if (machine.begun.has(thread)) return its;
  if (sanitizer::thread_checks) {
    Fiber*& own = machine.own[machine.block_number % 2][thread];
    if (!own) own = make_fiber();
    return own;
  }
  if (machine.idle.empty()) return make_fiber();
  Fiber* fiber = machine.idle.back();
  machine.idle.pop_back();
  return fiber;
}

void switch_to(Fiber& to) {
  Fiber& from = *machine.running;
  machine.running = &to;
  ++machine.statistics.switches;
#ifdef QUERN_ASAN
  __sanitizer_start_switch_fiber(&from.fake_stack, to.bottom, to.size);
#endif
#ifdef QUERN_TSAN
  if (&from == &machine.host) machine.host.tsan = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(to.tsan, 1);  // 1: switching orders nothing
#endif
  arrived(context::jump_fcontext(to.context, &from));
}

void leave_launch() {
  switch_to(machine.host);
  __builtin_unreachable();  // nobody comes back to a fiber that has been abandoned
}

void abandon_fibers() {
  machine.idle.clear();
  for (auto& own : machine.own) own.fill(nullptr);
#ifdef QUERN_TSAN
  void* host = __tsan_get_current_fiber();
  for (const auto& fiber : machine.all) {  // what they have done comes before what the host does now
    __tsan_switch_to_fiber(fiber->tsan, 1);
    sanitizer::release(&machine.launch_order);
    __tsan_switch_to_fiber(host, 1);
  }
  sanitizer::acquire(&machine.launch_order);
  machine.all.clear();  // TSan may not see a fiber end within a kernel: they are left as they are
  return;
#endif
  for (std::size_t i = 0; i < machine.all.size(); ++i) {
    Fiber& fiber = *machine.all[i];
    sanitizer::unpoison(fiber.stack, stack_bytes);
    fiber.bottom = fiber.stack, fiber.size = stack_bytes, fiber.fake_stack = nullptr;
    place(fiber, i);
    machine.idle.push_back(&fiber);
  }
}

}  // namespace quern::inline QUERN_ABI::emulator
