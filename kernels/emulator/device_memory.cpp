/// The device's memory: the host's heap, or (QUERN_EMULATOR_PROTECT=1) pages that only kernels and copies may touch.
#include "kernels/emulator/device_memory.hpp"

#include <execinfo.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "kernels/emulator/emulator.hpp"

namespace quern::inline QUERN_ABI::emulator {

namespace {

constexpr std::size_t most_bytes = std::size_t{1} << 36;  // of addresses; memory is taken when it is touched

/// Protected memory: pages of one range, `used` bytes of which have been handed out. Neighbours are a page apart that
/// nobody may touch. Lives as long as the program: static tensors are given back late.
struct Range {
  std::mutex mutex;
  bool wanted = false;
  char *begin = nullptr, *end = nullptr;
  std::size_t used = 0;
  std::map<char*, std::size_t> blocks;          // in use
  std::multimap<std::size_t, char*> free_ones;  // by size
  int accesses = 0;
  struct sigaction before {};
};
Range& range() {
  static Range* const only = [] {
    auto* made = new Range;
    const char* text = std::getenv("QUERN_EMULATOR_PROTECT");
    made->wanted = text && *text && *text != '0';
    return made;
  }();
  return *only;
}

std::size_t page() {
  static const auto bytes = std::size_t(sysconf(_SC_PAGESIZE));
  return bytes;
}

void say(const char* text) {
  if (write(STDERR_FILENO, text, std::strlen(text)) < 0) return;
}

/// Says what happened and where, and lets the instruction be tried again under the handler of before: a debugger, a
/// test program or the system stops there.
void handle(int number, siginfo_t* info, void*) {
  Range& r = range();
  const char* at = static_cast<const char*>(info->si_addr);
  if (at >= r.begin && at < r.end) {
    char text[] = "the host touched device memory at 0x0000000000000000: on a GPU it has none there. Called from\n";
    auto rest = reinterpret_cast<std::uintptr_t>(at);
    for (char* digit = std::strchr(text, ':') - 1; rest; rest /= 16, --digit) *digit = "0123456789abcdef"[rest % 16];
    say(text);
    void* callers[24];
    const int depth = backtrace(callers, 24);
    backtrace_symbols_fd(callers, depth, STDERR_FILENO);
  }
  sigaction(number, &r.before, nullptr);
}

/// Test programs set handlers of their own again and again: ours is put before theirs each time.
void catch_host() {
  struct sigaction now {};
  sigaction(SIGSEGV, nullptr, &now);
  if (now.sa_flags & SA_SIGINFO && now.sa_sigaction == handle) return;
  struct sigaction action {};
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(SIGSEGV, &action, &range().before);
}

bool reserve(Range& r) {
  if (r.begin) return true;
  void* memory = mmap(nullptr, most_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return false;
  void* first[1];
  backtrace(first, 1);  // loads what the handler may not load
  r.begin = static_cast<char*>(memory), r.end = r.begin + most_bytes;
  return true;
}

void set_access(const Range& r, int protection) {
  if (r.used) mprotect(r.begin, r.used, protection);
}

}  // namespace

void set_protection(bool on) {
  const std::lock_guard lock(range().mutex);
  range().wanted = on;
}

bool is_protecting() noexcept { return range().wanted; }

void* allocate_device(std::size_t bytes) noexcept {
  Range& r = range();
  const std::lock_guard lock(r.mutex);
  if (!r.wanted) return std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (!reserve(r)) return nullptr;
  const std::size_t size = (bytes + page() - 1) / page() * page();
  char* block = nullptr;
  if (const auto found = r.free_ones.find(size); found != r.free_ones.end()) {
    block = found->second;
    r.free_ones.erase(found);
  } else {
    if (size + page() > most_bytes - r.used) return nullptr;
    block = r.begin + r.used;
    r.used += size;
    if (r.accesses) mprotect(block, size, PROT_READ | PROT_WRITE);
  }
  r.blocks[block] = size;
  if (!r.accesses) catch_host();
  return block;
}

void release_device(void* memory) noexcept {
  Range& r = range();
  char* block = static_cast<char*>(memory);
  const std::lock_guard lock(r.mutex);
  const auto found = r.blocks.find(block);
  if (found == r.blocks.end()) return std::free(memory);
  madvise(block, found->second, MADV_DONTNEED);
  r.free_ones.emplace(found->second, block);
  r.blocks.erase(found);
}

bool on_device(const void* at, std::size_t bytes) noexcept {
  Range& r = range();
  char* first = static_cast<char*>(const_cast<void*>(at));
  const std::lock_guard lock(r.mutex);
  auto block = r.blocks.upper_bound(first);
  if (block == r.blocks.begin()) return false;
  --block;
  return first + bytes <= block->first + block->second;
}

void check_on_device(const char* kernel, const void* argument) {
  if (!argument || !is_protecting() || on_device(argument, 1)) return;
  throw_error(text_of(kernel, ": an argument points to ", reinterpret_cast<std::uintptr_t>(argument),
                      ", which is not in memory of the device"));
}

DeviceAccess::DeviceAccess() {
  Range& r = range();
  const std::lock_guard lock(r.mutex);
  if (r.accesses++ == 0) set_access(r, PROT_READ | PROT_WRITE);
}
DeviceAccess::~DeviceAccess() {
  Range& r = range();
  const std::lock_guard lock(r.mutex);
  if (--r.accesses || !r.used) return;
  set_access(r, PROT_NONE);
  catch_host();
}

}  // namespace quern::inline QUERN_ABI::emulator
