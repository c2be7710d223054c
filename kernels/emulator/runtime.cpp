/// The emulated device: one, with one stream, in which everything is done at once.
#include <cstdlib>
#include <cstring>

#include <functional>
#include <vector>

#include <quern/cuda/graph.hpp>
#include <quern/cuda/stage.hpp>

#include "kernels/emulator/device_memory.hpp"
#include "kernels/emulator/recording.hpp"

namespace quern::inline QUERN_ABI::cuda {

int device_count() noexcept { return 1; }
std::string why_no_device() { return "the emulator is always there"; }
bool is_emulated() noexcept { return true; }

std::vector<DeviceInfo> devices() { return {{0, "emulator", 9, 0, 1, std::size_t{1} << 34, 227 << 10}}; }
void use_device(int device) { check_usable(Device::cuda(device), "use_device"); }
int current_device() noexcept { return 0; }
void* current_stream() { return nullptr; }
Fault* fault() {
  static Fault record{};
  return &record;
}

void* allocate(std::size_t bytes, int) noexcept { return emulator::allocate_device(bytes); }
void release(void* memory, int) noexcept { emulator::release_device(memory); }

struct GraphHandle {
  std::vector<std::function<void()>> launches;
};

namespace {
thread_local std::vector<std::function<void()>>* recording = nullptr;

void refuse_while_recording(const char* what) {
  check(!recording, "graph: ", what, " while it is recorded; do it before or after");
}
/// Does it now, or keeps it for the graph that is being recorded.
void in_order(std::function<void()> work) { recording ? recording->push_back(std::move(work)) : work(); }

/// What CUDA refuses, and memory of the host's own would take.
void check_place(const char* what, const void* at, std::size_t bytes, bool device) {
  if (!emulator::is_protecting() || emulator::on_device(at, bytes) == device) return;
  throw_error(text_of("cuda: ", what, ": ", bytes, " bytes at ", reinterpret_cast<std::uintptr_t>(at),
                      " are not in memory of the ", device ? "device" : "host"));
}
}  // namespace

void set_bytes(void* to, int value, std::size_t bytes, int) {
  check_place("memset", to, bytes, true);
  in_order([=] {
    const emulator::DeviceAccess access;
    std::memset(to, value, bytes);
  });
}
void copy_to_device(void* to, const void* from, std::size_t bytes, int) {
  refuse_while_recording("copying from the host");
  check_place("copying to the device: the target", to, bytes, true);
  check_place("copying to the device: the source", from, bytes, false);
  const emulator::DeviceAccess access;
  std::memcpy(to, from, bytes);
}
void copy_to_host(void* to, const void* from, std::size_t bytes, int) {
  refuse_while_recording("copying to the host");
  check_place("copying to the host: the target", to, bytes, false);
  check_place("copying to the host: the source", from, bytes, true);
  {
    const emulator::DeviceAccess access;
    std::memcpy(to, from, bytes);
  }
  throw_fault(*fault());
}
void copy_on_device(void* to, const void* from, std::size_t bytes, int) {
  check_place("copying: the target", to, bytes, true);
  check_place("copying: the source", from, bytes, true);
  in_order([=] {
    const emulator::DeviceAccess access;
    std::memmove(to, from, bytes);
  });
}
void synchronize(int) {
  refuse_while_recording("waiting for results (item(), to(Device::cpu()), synchronize())");
  throw_fault(*fault());
}

void* allocate_pinned(std::size_t bytes) { return std::malloc(bytes); }
void release_pinned(void* memory) noexcept { std::free(memory); }
struct Event {};  // everything has happened when it is asked for
Event* make_event() { return new Event; }
void destroy_event(Event* event) noexcept { delete event; }
void record(Event*, Stream) {}
void wait_for(Event*, Stream) {}
void wait_for(Event*) {}
void copy_beside(void* to, const void* from, std::size_t bytes) { copy_to_device(to, from, bytes, 0); }

GraphHandle* make_graph() { return new GraphHandle; }
void destroy_graph(GraphHandle* graph) noexcept { delete graph; }
void begin_recording(GraphHandle*) {
  check(!recording, "graph: another one is being recorded in this thread");
  recording = new std::vector<std::function<void()>>;
}
void end_recording(GraphHandle* graph, bool keep) {
  if (keep) graph->launches = std::move(*recording);
  delete std::exchange(recording, nullptr);
}
void launch_graph(GraphHandle* graph) {
  refuse_while_recording("launching a graph");
  check(!graph->launches.empty(), "graph: nothing was recorded; call record() first");
  for (const auto& launch : graph->launches) launch();
}

}  // namespace quern::inline QUERN_ABI::cuda

namespace quern::inline QUERN_ABI::emulator {
bool record_instead(std::function<void()> launch) {
  if (!cuda::recording) return false;
  cuda::recording->push_back(std::move(launch));
  return true;
}
bool is_recording() noexcept { return cuda::recording != nullptr; }
}  // namespace quern::inline QUERN_ABI::emulator
