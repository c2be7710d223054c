/// attention for bench/run.sh --attention, which asks for it line by line beside PyTorch's:
///
///   bench_attention DIR THREADS      answers each line of stdin with a line of JSON:
///     check OP TEXTS TOKENS HEADS WIDTH           the file that the results were written to
///     time OP TEXTS TOKENS HEADS WIDTH SECONDS    [calls, seconds, seconds of the shortest call]
///     machine                                     compiler, instruction set and GFLOP/s of fma
///
/// OP is forward (y), or training (y, dq, dk, dv). Inputs are raw floats in DIR, written by the caller: q, k, v and dy,
/// [TEXTS · TOKENS, HEADS · WIDTH] each, as q.TEXTSxTOKENSxHEADSxWIDTH.f32.
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <sstream>
#include <string>

#include <quern/ops/attention.hpp>

#include "support/peak.hpp"

namespace {

using namespace quern;

std::string folder;

/// Texts of one length: what the op is given, and what it gives.
struct Case {
  Tensor<float, 2> q, k, v, dy;
  Offsets offsets;
  AttentionOptions options;

  Case(std::int64_t texts, std::int64_t tokens, std::int64_t heads, std::int64_t width) : offsets(texts + 1) {
    for (std::int64_t b = 0; b < texts; ++b) offsets(b + 1) = (b + 1) * tokens;
    options.heads = heads;
    const std::string size = text_of(texts, "x", tokens, "x", heads, "x", width);
    for (auto [x, name] : {std::pair{&q, "q"}, {&k, "k"}, {&v, "v"}, {&dy, "dy"}}) {
      *x = Tensor<float, 2>::empty({texts * tokens, heads * width});
      const std::string file = text_of(folder, "/", name, ".", size, ".f32");
      std::ifstream in(file, std::ios::binary);
      check(bool(in.read(reinterpret_cast<char*>(x->data()), std::streamsize(x->bytes()))), "cannot read ", file);
    }
  }

  AttentionForward<float> forward() const {
    return attention_forward(Packed{q.share(), offsets}, Packed{k.share(), offsets}, Packed{v.share(), offsets},
                             options);
  }
  /// y, and of a training step dq, dk, dv.
  std::vector<Tensor<float, 2>> run(bool training) const {
    std::vector<Tensor<float, 2>> results;
    auto f = forward();
    if (training) {
      auto d = attention_backward(dy, q, k, v, f.y.rows, f.saved);
      for (auto* x : {&d.q, &d.k, &d.v}) results.push_back(std::move(*x));
    }
    results.insert(results.begin(), std::move(f.y.rows));
    return results;
  }
};

/// "[calls, seconds, seconds of the shortest call]": at least one call, and until `limit` seconds have passed.
std::string repeat_for(double limit, auto&& f) {
  int calls = 0;
  double passed = 0, least = 1e30;
  for (; calls == 0 || passed < limit; ++calls) {
    const double s = bench::seconds(f);
    passed += s, least = std::min(least, s);
  }
  return text_of("[", calls, ", ", passed, ", ", least, "]");
}

std::string answer(std::istringstream request) {
  std::string what, op;
  std::int64_t texts = 0, tokens = 0, heads = 0, width = 0;
  double limit = 0;
  request >> what >> op >> texts >> tokens >> heads >> width >> limit;
  if (what == "machine")
    return text_of("{\"instruction_set\": \"", name_of(instruction_set()), "\", \"compiler\": \"", __VERSION__,
                   "\", \"fma_gflops\": ", bench::fma_gflops(threads()), "}");
  static std::map<std::string, Case> cases;  // inputs and pools stay warm
  const std::string size = text_of(texts, "x", tokens, "x", heads, "x", width);
  const Case& one = cases.try_emplace(size, texts, tokens, heads, width).first->second;
  const bool training = op == "training";
  check(training || op == "forward", "unknown op '", op, "'");
  if (what == "check") {
    const std::string file = text_of(folder, "/quern.", op, ".", size, ".", threads(), ".f32");
    std::ofstream out(file, std::ios::binary);
    for (const auto& x : one.run(training))
      out.write(reinterpret_cast<const char*>(x.data()), std::streamsize(x.bytes()));
    check(bool(out.flush()), "cannot write ", file);
    return "\"" + file + "\"";
  }
  check(what == "time", "unknown request '", what, "'; expected check, time, machine or quit");
  return repeat_for(limit, [&] { benchmark::DoNotOptimize(one.run(training)); });
}

}  // namespace

int main(int argc, char** argv) try {
  check(argc == 3, "usage: bench_attention DIR THREADS; bench/run.sh --attention calls it");
  folder = argv[1];
  set_threads(std::stoi(argv[2]));
  for (std::string line; std::getline(std::cin, line) && line != "quit";)
    std::cout << answer(std::istringstream(line)) << std::endl;
} catch (const std::exception& e) {
  std::cerr << "bench_attention: " << e.what() << "\n";
  return 1;
}
