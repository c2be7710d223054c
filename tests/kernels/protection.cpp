/// Device memory that the host touches although a GPU would not let it: the program ends with a message.
#include <doctest/doctest.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include <quern/cuda/runtime.hpp>
#include <quern/tensor/view.hpp>
#include "kernels/emulator/device_memory.hpp"
#include "kernels/emulator/emulator.hpp"
#include "kernels/emulator/sanitizers.hpp"
#include "kernels/launch.cuh"

using namespace quern;
using namespace quern::kernels;

namespace {

__global__ void twice(float* x) { x[threadIdx.x] *= 2; }
__global__ void of_view(View<float, 1> x) {
  if (threadIdx.x < x.size()) x.data[threadIdx.x] *= 2;
}

struct Protected {
  bool before = emulator::is_protecting();
  Protected() { emulator::set_protection(true); }
  ~Protected() { emulator::set_protection(before); }
};

float* ones_on_device() {
  auto* x = static_cast<float*>(cuda::allocate(4 * sizeof(float), 0));
  const std::vector<float> ones(4, 1);
  cuda::copy_to_device(x, ones.data(), 4 * sizeof(float), 0);
  return x;
}

/// How a process that calls f ends, and what it says.
struct End {
  int signal = 0;
  std::string text;
};
template <class F>
End end_of(F&& f) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    dup2(ends[1], STDOUT_FILENO);  // where doctest says that a test crashed
    alarm(30);
    f();
    _exit(0);
  }
  close(ends[1]);
  End end;
  char part[256];
  for (ssize_t n; (n = read(ends[0], part, sizeof part)) > 0;) end.text.append(part, std::size_t(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  return end;
}

std::string error_of(auto&& f) {
  try {
    f();
  } catch (const Error& e) { return e.what(); }
  return "no error";
}

}  // namespace

TEST_CASE("kernels and copies reach protected memory, the host does not") {
  if (emulator::sanitizer::address_checks || emulator::sanitizer::thread_checks) return;  // they report themselves
  const Protected on;
  float* x = ones_on_device();
  launch("twice", twice, {.block = {4}}, x);
  std::vector<float> y(4);
  cuda::copy_to_host(y.data(), x, 4 * sizeof(float), 0);
  CHECK(y == std::vector<float>(4, 2));

  const auto touched = [](const End& end, const void* at) {
    CHECK(end.signal == SIGSEGV);
    const auto found = end.text.find("the host touched device memory at 0x");
    REQUIRE_MESSAGE(found != std::string::npos, end.text);
    CHECK(std::stoull(end.text.substr(found + std::strlen("the host touched device memory at ")), nullptr, 16) ==
          reinterpret_cast<std::uintptr_t>(at));
  };
  touched(end_of([&] { y[0] = x[3]; }), x + 3);
  touched(end_of([&] { x[2] = 1; }), x + 2);
  touched(end_of([&] {
            launch("twice", twice, {.block = {4}}, x);
            y[0] = *x;
          }),
          x);
  CHECK(end_of([&] { cuda::copy_on_device(x, x + 1, 4, 0); }).signal == 0);
  cuda::release(x, 0);
}

TEST_CASE("copies say which side a pointer is on") {
  const Protected on;
  float* x = ones_on_device();
  float y[4] = {};
  CHECK(error_of([&] { cuda::copy_to_host(x, x, 4, 0); }).find("the target: 4 bytes at") != std::string::npos);
  CHECK(error_of([&] { cuda::copy_to_host(y, y, 4, 0); }).find("not in memory of the device") != std::string::npos);
  CHECK(error_of([&] { cuda::copy_to_device(x, x, 4, 0); }).find("not in memory of the host") != std::string::npos);
  CHECK(error_of([&] { cuda::copy_on_device(x, y, 4, 0); }).find("copying: the source") != std::string::npos);
  CHECK(error_of([&] { cuda::set_bytes(y, 0, 4, 0); }).find("memset: 4 bytes at") != std::string::npos);
  CHECK(error_of([&] { cuda::set_bytes(x, 0, 1 << 20, 0); }).find("memset") != std::string::npos);
  cuda::release(x, 0);
  CHECK(error_of([&] { cuda::set_bytes(x, 0, 4, 0); }).find("memset") != std::string::npos);
}

TEST_CASE("kernels are given no pointers of the host's") {
  const Protected on;
  float y[4] = {};
  CHECK(error_of([&] { launch("twice", twice, {.block = {4}}, y); }).find("twice: an argument points to") !=
        std::string::npos);
  const View<float, 1> view{y, {4}}, none{y, {0}};
  const auto launch_view = [](const View<float, 1>& x) { launch("of_view", of_view, {.block = {4}}, x); };
  CHECK(error_of([&] { launch_view(view); }).find("of_view: an argument points to") != std::string::npos);
  CHECK(error_of([&] { launch_view(none); }) == "no error");
}

TEST_CASE("memory given back is handed out again") {
  const Protected on;
  float* x = ones_on_device();
  cuda::release(x, 0);
  CHECK(ones_on_device() == x);
  cuda::release(x, 0);
}
