/// The GPUs, their memory and their streams, by the CUDA runtime. The emulator has kernels/emulator/runtime.cpp
/// instead.
///
/// One stream a device: what was asked for first is done first, so memory that is given back may be handed out again
/// at once.
#include <cuda_runtime.h>

#include <mutex>

#include <quern/cuda/graph.hpp>
#include <quern/cuda/stage.hpp>

namespace quern::inline QUERN_ABI::cuda {
namespace {

void check_cuda(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // forget it, unless it is one that stays
  throw_error(text_of("cuda: ", what, ": ", cudaGetErrorString(status), " (", cudaGetErrorName(status), ")"));
}

struct Count {
  int devices = 0;
  cudaError_t status = cudaSuccess;
  Count() {
    status = cudaGetDeviceCount(&devices);
    if (status != cudaSuccess) devices = 0, cudaGetLastError();
  }
};
const Count& count() {
  static const Count found;
  return found;
}

thread_local int current = 0;

/// While one lives CUDA's calls of this thread are about `device`, and then about the thread's current one again:
/// launches into a stream of another device fail.
class OnDevice {
 public:
  explicit OnDevice(int device) : other_(device != current) {
    if (other_) check_cuda(cudaSetDevice(device), "choosing a device");
  }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;
  ~OnDevice() {
    if (other_) cudaSetDevice(current);
  }

 private:
  bool other_;
};

/// What a device has once: its streams, a fault record that host and kernels see, and whether it reads ordinary memory
/// of the host by itself, some time after a copy was asked for.
struct Side {
  cudaStream_t stream = nullptr, copies = nullptr;
  Fault* fault = nullptr;
  int reads_host = 0;
};
Side& side_of(int device) {
  static Side sides[32];
  static std::mutex mutex;
  Side& side = sides[device];
  std::lock_guard lock(mutex);
  if (!side.stream) {
    const OnDevice here(device);
    Side made;
    check_cuda(cudaStreamCreateWithFlags(&made.stream, cudaStreamNonBlocking), "making a stream");
    check_cuda(cudaStreamCreateWithFlags(&made.copies, cudaStreamNonBlocking), "making a stream");
    void* memory = nullptr;
    check_cuda(cudaHostAlloc(&memory, sizeof(Fault), cudaHostAllocMapped | cudaHostAllocPortable), "pinned memory");
    made.fault = new (memory) Fault{};
    check_cuda(cudaDeviceGetAttribute(&made.reads_host, cudaDevAttrPageableMemoryAccess, device), "an attribute");
    side = made;
  }
  return side;
}

thread_local bool recording = false;  // a graph, in this thread

void refuse_while_recording(const char* what) {
  check(!recording, "graph: ", what, " while it is recorded; do it before or after");
}

void wait(int device) {
  refuse_while_recording("waiting for results (item(), to(Device::cpu()), synchronize())");
  Side& side = side_of(device);
  check_cuda(cudaStreamSynchronize(side.stream), "waiting for the kernels before this point");
  throw_fault(*side.fault);
}

bool is_pinned(const void* memory) {
  cudaPointerAttributes attributes{};
  if (cudaPointerGetAttributes(&attributes, memory) != cudaSuccess) return cudaGetLastError(), false;
  return attributes.type == cudaMemoryTypeHost;
}

}  // namespace

int device_count() noexcept { return count().devices; }

std::string why_no_device() {
  const auto status = count().status;
  if (status == cudaErrorInsufficientDriver)
    return "the NVIDIA driver is missing, or older than this program's CUDA runtime";
  if (status == cudaSuccess) return "the driver reports none";
  return cudaGetErrorString(status);
}

bool is_emulated() noexcept { return false; }

std::vector<DeviceInfo> devices() {
  std::vector<DeviceInfo> all;
  for (int i = 0; i < device_count(); ++i) {
    cudaDeviceProp p{};
    check_cuda(cudaGetDeviceProperties(&p, i), "asking for a device's properties");
    all.push_back({i, p.name, p.major, p.minor, p.multiProcessorCount, p.totalGlobalMem, p.sharedMemPerBlockOptin});
  }
  return all;
}

void use_device(int device) {
  check_usable(Device::cuda(device), "use_device");
  check_cuda(cudaSetDevice(device), "choosing a device");
  current = device;
}
int current_device() noexcept { return current; }
void* current_stream() { return side_of(current).stream; }
Fault* fault() { return side_of(current).fault; }

void* allocate(std::size_t bytes, int device) noexcept {
  void* memory = nullptr;
  const bool other = device != current;
  if (other && cudaSetDevice(device) != cudaSuccess) return cudaGetLastError(), nullptr;
  if (cudaMalloc(&memory, bytes ? bytes : 1) != cudaSuccess)
    memory = nullptr, cudaGetLastError();  // of 0 it gives null
  if (other) cudaSetDevice(current);
  return memory;
}
void release(void* memory, int) noexcept { cudaFree(memory); }  // at the program's end the driver may be gone already

void set_bytes(void* to, int value, std::size_t bytes, int device) {
  const OnDevice here(device);
  check_cuda(cudaMemsetAsync(to, value, bytes, side_of(device).stream), "memset");
}
void copy_to_device(void* to, const void* from, std::size_t bytes, int device) {
  refuse_while_recording("copying from the host");
  const OnDevice here(device);
  Side& side = side_of(device);
  check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, side.stream), "copying to the device");
  if (side.reads_host || is_pinned(from))  // else it was staged
    check_cuda(cudaStreamSynchronize(side.stream), "copying to the device");
}
void copy_to_host(void* to, const void* from, std::size_t bytes, int device) {
  refuse_while_recording("copying to the host");
  const OnDevice here(device);
  Side& side = side_of(device);
  check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, side.stream), "copying to the host");
  wait(device);
}
void copy_on_device(void* to, const void* from, std::size_t bytes, int device) {
  const OnDevice here(device);
  check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, side_of(device).stream), "copying");
}
void synchronize(int device) { wait(device); }

void* allocate_pinned(std::size_t bytes) {
  void* memory = nullptr;
  check_cuda(cudaHostAlloc(&memory, bytes, cudaHostAllocPortable), "pinned memory");
  return memory;
}
void release_pinned(void* memory) noexcept { cudaFreeHost(memory); }

struct Event {
  cudaEvent_t event = nullptr;
};
namespace {
cudaStream_t stream_of(Stream stream) {
  const Side& side = side_of(current);
  return stream == Stream::compute ? side.stream : side.copies;
}
}  // namespace

Event* make_event() {
  cudaEvent_t event = nullptr;
  check_cuda(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "making an event");
  return new Event{event};
}
void destroy_event(Event* event) noexcept {
  cudaEventDestroy(event->event);
  delete event;
}
void record(Event* event, Stream stream) { check_cuda(cudaEventRecord(event->event, stream_of(stream)), "an event"); }
void wait_for(Event* event, Stream stream) {
  check_cuda(cudaStreamWaitEvent(stream_of(stream), event->event, 0), "waiting for an event");
}
void wait_for(Event* event) { check_cuda(cudaEventSynchronize(event->event), "waiting for an event"); }
void copy_beside(void* to, const void* from, std::size_t bytes) {
  refuse_while_recording("copying from the host");
  check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_of(Stream::copy)), "copying a batch");
}

struct GraphHandle {
  cudaGraphExec_t executable = nullptr;
};

GraphHandle* make_graph() { return new GraphHandle; }
void destroy_graph(GraphHandle* graph) noexcept {
  if (graph->executable) cudaGraphExecDestroy(graph->executable);
  delete graph;
}

void begin_recording(GraphHandle*) {
  check(!recording, "graph: another one is being recorded in this thread");
  const auto stream = static_cast<cudaStream_t>(current_stream());
  // Relaxed: the pool may ask for memory meanwhile.
  check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), "graph: beginning to record");
  recording = true;
}

void end_recording(GraphHandle* handle, bool keep) {
  recording = false;
  cudaGraph_t graph = nullptr;
  const auto status = cudaStreamEndCapture(static_cast<cudaStream_t>(current_stream()), &graph);
  if (!keep) {
    if (graph) cudaGraphDestroy(graph);
    cudaGetLastError();
    return;
  }
  check_cuda(status, "graph: ending to record");
  cudaGraphExecUpdateResultInfo result{};
  bool updated = handle->executable && cudaGraphExecUpdate(handle->executable, graph, &result) == cudaSuccess;
  if (!updated) {  // the first time, or another sequence of kernels
    cudaGetLastError();
    if (handle->executable) cudaGraphExecDestroy(std::exchange(handle->executable, nullptr));
    const auto made = cudaGraphInstantiate(&handle->executable, graph, 0);
    cudaGraphDestroy(graph);
    check_cuda(made, "graph: making it ready");
    return;
  }
  cudaGraphDestroy(graph);
}

void launch_graph(GraphHandle* graph) {
  check(graph->executable != nullptr, "graph: nothing was recorded; call record() first");
  refuse_while_recording("launching a graph");
  check_cuda(cudaGraphLaunch(graph->executable, static_cast<cudaStream_t>(current_stream())), "graph: launching");
}

}  // namespace quern::inline QUERN_ABI::cuda
