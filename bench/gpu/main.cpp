/// bench_gpu [--small] [memory_bound] [matrix_products] [text_cnn]: each kernel against its ceiling, as lines of JSON.
/// bench/gpu.sh runs it beside PyTorch and draws the result.
#include <cstring>
#include <string>
#include <vector>

#include "gpu/benchmarks.hpp"

int main(int argc, char** argv) {
  using namespace bench;
  bool small = false;
  std::vector<std::string> parts;
  for (int i = 1; i < argc; ++i) std::strcmp(argv[i], "--small") == 0 ? void(small = true) : parts.push_back(argv[i]);
  if (parts.empty()) parts = {"memory_bound", "matrix_products", "text_cnn"};
  Report report;
  try {
    const auto [device, why] = choose_device("cuda");
    report.line({{"device", cuda::devices().front().text()}, {"emulated", cuda::is_emulated()}});
    for (const auto& part : parts) {
      if (part == "memory_bound")
        memory_bound(report, small);
      else if (part == "matrix_products")
        matrix_products(report, small);
      else if (part == "text_cnn")
        text_cnn(report, small);
      else
        check(false, "bench_gpu: '", part, "' is not known; expected memory_bound, matrix_products, text_cnn");
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench_gpu: %s\n", e.what());
    return 1;
  }
  return report.failed ? 1 : 0;
}
