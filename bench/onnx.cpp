/// Kim's text CNN, answering: for bench/run.sh --onnx, which asks for it line by line beside ONNX Runtime with the file
/// that is written here.
///
///   bench_onnx inputs DIR               writes text_cnn.onnx, and the batches and their logits as JSON
///   bench_onnx serve DIR THREADS        answers each line of stdin with a line: time SECONDS CASE | quit
///
/// E 300, 100 filters of each width 3, 4, 5, vocabulary 20,000, 2 classes.
#include <chrono>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include <quern/base/file.hpp>
#include <quern/base/parallel_for.hpp>
#include <quern/io/onnx_text_cnn.hpp>

namespace {

using namespace quern;

struct Case {
  const char* name;
  std::vector<std::vector<std::int32_t>> texts;
};

std::vector<Case> cases() {
  const Random random(1);
  std::uint64_t drawn = 0;
  const auto texts = [&](std::size_t count, std::uint64_t shortest, std::uint64_t longest) {
    std::vector<std::vector<std::int32_t>> all(count);
    for (auto& text : all) {
      text.resize(shortest + random.below(longest - shortest + 1, 0, drawn++));
      for (auto& id : text) id = std::int32_t(random.below(20000, 0, drawn++));
    }
    return all;
  };
  return {{"1 text of 32 words", texts(1, 32, 32)},
          {"32 texts of 64 words", texts(32, 64, 64)},
          {"32 texts of 8 to 128 words", texts(32, 8, 128)}};
}

TextCnn<float> make_model() { return make_text_cnn({.vocabulary = 20000, .classes = 2}, 1); }

/// [[1, 2], [3]]
std::string json(const auto& rows) {
  std::string out = "[";
  for (const auto& row : rows) {
    out += out.size() > 1 ? ", [" : "[";
    for (const auto& x : row) out += text_of(&x == &*row.begin() ? "" : ", ", x);
    out += "]";
  }
  return out + "]";
}

void write_inputs(const std::string& folder) {
  const auto model = make_model();
  atomic_write(folder + "/text_cnn.onnx", onnx_graph(model).bytes());
  std::string out = "[";
  for (const Case& c : cases()) {
    const auto logits = model(pack(c.texts));
    std::vector<std::vector<double>> rows;
    for (std::int64_t b = 0; b < logits.extent(0); ++b) rows.push_back({logits(b, 0), logits(b, 1)});
    out += text_of(out.size() > 1 ? ",\n" : "", "{\"name\": \"", c.name, "\", \"texts\": ", json(c.texts),
                   ", \"logits\": ", json(rows), "}");
  }
  atomic_write(folder + "/text_cnn_batches.json", out + "]\n");
}

void serve(int threads) {
  set_threads(threads);
  const auto model = make_model();
  std::vector<Batch> batches;
  for (const Case& c : cases()) batches.push_back(pack(c.texts));
  std::string request;
  while (std::cin >> request && request != "quit") {
    double duration = 0;
    std::size_t which = 0;
    std::cin >> duration >> which;
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    std::int64_t calls = 0;
    double passed = 0;
    for (; passed < duration; ++calls) {
      model(batches.at(which));
      passed = std::chrono::duration<double>(Clock::now() - begin).count();
    }
    std::printf("[%lld, %.9f]\n", static_cast<long long>(calls), passed);
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (argc == 3 && what == "inputs") return write_inputs(argv[2]), 0;
  if (argc == 4 && what == "serve") return serve(std::atoi(argv[3])), 0;
  std::fprintf(stderr, "usage: bench_onnx inputs DIR | bench_onnx serve DIR THREADS\n");
  return 2;
}
