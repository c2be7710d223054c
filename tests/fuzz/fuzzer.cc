// libFuzzer's entry. One program for all targets, so that it is built once: QUERN_FUZZ names the target. Not among the
// programs of CMake: tests/fuzz/run.sh builds it.
#include <cstdio>

#include "targets.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static const auto target = [] {
    const char* name = std::getenv("QUERN_FUZZ");
    const auto found = fuzz::targets().find(name ? name : "");
    if (found != fuzz::targets().end()) return found->second;
    std::fprintf(stderr, "QUERN_FUZZ names no target\n");
    std::exit(2);
  }();
  target(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
