/// Kernels that touch memory which is not there, and kernels that never end: the launch fails with a report, as it does
/// for a barrier. A signal's handler sends the running fiber to `landed`, which ends the launch. Under a sanitizer the
/// sanitizer reports instead.
#include "kernels/emulator/faults.hpp"

#include <pthread.h>
#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "kernels/emulator/machine.hpp"

namespace quern::inline QUERN_ABI::emulator {

namespace {

constexpr int overdue = SIGVTALRM;

struct sigaction before_segv, before_bus;
stack_t stack_before;
volatile int signal_number = 0;
const char* volatile address = nullptr;

/// Seconds without a barrier, a return or a begin of a thread after which a kernel counts as endless.
int patience() {
  const char* text = std::getenv("QUERN_EMULATOR_TIMEOUT");
  const int seconds = text ? std::atoi(text) : 0;
  return seconds > 0 ? seconds : 60;
}

std::string what_happened() {
  if (signal_number == overdue) return text_of("the thread has run for ", patience(), " s without an end or a barrier");
  const char* at = address;
  const long page = sysconf(_SC_PAGESIZE);
  if (at >= machine.arena && at < machine.arena + page)
    return text_of("the thread touches shared memory ", at - machine.shared - std::ptrdiff_t(machine.launch->shared),
                   " bytes past its end");
  if (at < machine.running->stack && at >= machine.running->stack - page)
    return text_of("the thread's stack of ", machine.running->size / 1024, " KB overflows");
  if (reinterpret_cast<std::uintptr_t>(at) < 4096) return "the thread uses a null pointer";
  return "the thread touches memory that is not there";
}

[[noreturn]] void landed() { fail(what_happened()); }

/// Makes the interrupted code go on in `landed`, on the stack of the fiber that will not go on itself.
bool send_to_landing(void* context) {
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext;
  const auto top =
      (reinterpret_cast<std::uintptr_t>(machine.running->stack) + machine.running->size) & ~std::uintptr_t{63};
#if defined(__x86_64__)
  registers.gregs[REG_RIP] = greg_t(reinterpret_cast<std::uintptr_t>(&landed));
  registers.gregs[REG_RSP] = greg_t(top - 8);  // as after a call
  return true;
#elif defined(__aarch64__)
  registers.pc = reinterpret_cast<std::uintptr_t>(&landed);
  registers.sp = top;
  return true;
#else
  (void)registers, (void)top;
  return false;
#endif
}

bool in_kernel() {
  return machine.launch && machine.running != &machine.host && pthread_equal(machine.launched_by, pthread_self());
}

void handle(int number, siginfo_t* info, void* context) {
  if (in_kernel()) {
    signal_number = number;
    const bool known = info->si_code == SEGV_MAPERR || info->si_code == SEGV_ACCERR;
    address = known ? static_cast<const char*>(info->si_addr) : reinterpret_cast<const char*>(~std::uintptr_t{0});
    if (send_to_landing(context)) return;
  }
  if (number == overdue) return;
  sigaction(number, number == SIGSEGV ? &before_segv : &before_bus, nullptr);  // the instruction is tried again
}

/// Asks once a second whether anything has happened.
void watch() {
  std::uint64_t seen = 0;
  for (int idle = 0;;) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    const std::uint64_t now = machine.progress.load(std::memory_order_relaxed);
    idle = now == seen && now % 2 ? idle + 1 : 0;  // odd: a launch is going on
    seen = now;
    if (idle >= patience()) pthread_kill(machine.launched_by, overdue), idle = 0;
  }
}

}  // namespace

void catch_faults() {
  machine.launched_by = pthread_self();
  if (sanitizer::address_checks || sanitizer::thread_checks) return;
  static thread_local char memory[64 * 1024];  // for the handler: a fiber's own stack may be what has run out
  stack_t mine{};
  mine.ss_sp = memory, mine.ss_size = sizeof memory;
  sigaltstack(&mine, &stack_before);
  struct sigaction action {};
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(SIGSEGV, &action, &before_segv);
  sigaction(SIGBUS, &action, &before_bus);
  static const bool watched = [&] {
    sigaction(overdue, &action, nullptr);  // stays: it may come when the launch has just ended
    std::thread(watch).detach();
    return true;
  }();
  (void)watched;
}

void leave_faults() {
  if (sanitizer::address_checks || sanitizer::thread_checks) return;
  sigaction(SIGSEGV, &before_segv, nullptr);
  sigaction(SIGBUS, &before_bus, nullptr);
  sigaltstack(&stack_before, nullptr);
}

}  // namespace quern::inline QUERN_ABI::emulator
