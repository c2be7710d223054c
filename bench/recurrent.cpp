/// nn::Lstm and nn::Gru, bidirectional, forward and backward, for bench/run.sh --recurrent, which asks for them line by
/// line beside PyTorch's:
///
///   bench_recurrent DIR THREADS         answers each line of stdin with a line of JSON:
///     check CASE                          the file that y, dx and the gradients of all weights were written to
///     time CASE SECONDS                   [calls, seconds, seconds of the shortest call]
///     machine                             compiler and instruction set
///
/// CASE is KIND TEXTS LONGEST EMBEDDING UNITS LENGTHS: lstm or gru; equal lengths, or varied down to a quarter of the
/// longest. Inputs are raw floats in DIR, written by the caller: x.CASE.f32, dy.…, weights.…, dots for the spaces.
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <sstream>
#include <string>

#include <quern/nn/gru.hpp>
#include <quern/nn/lstm.hpp>

#include "support/peak.hpp"

namespace {

using namespace quern;

std::string folder;

void read(const std::string& name, std::istream& in, auto& x) {
  check(bool(in.read(reinterpret_cast<char*>(x.data()), std::streamsize(x.bytes()))), "cannot read ", name);
}

struct Case {
  std::string kind, lengths;
  std::int64_t texts, longest, embedding, units;

  std::string name() const { return text_of(kind, ".", texts, ".", longest, ".", embedding, ".", units, ".", lengths); }
  Offsets offsets() const {
    Offsets o(texts + 1);
    for (std::int64_t b = 0; b < texts; ++b)
      o(b + 1) = o(b) + longest - (lengths == "varied" ? 3 * longest * b / (4 * texts) : 0);
    return o;
  }
};

/// A net with its inputs: `call` computes y and all gradients, which `results` writes.
template <template <class> class Net>
struct Run {
  Net<float> net, grads;
  Packed<float> x;
  Tensor<float, 2> dx, dy, y;

  explicit Run(const Case& c) : net(c.embedding, c.units, {.bidirectional = true}), grads(zeros_like(net)) {
    const auto offsets = c.offsets();
    const std::int64_t rows = offsets(c.texts);
    x = {Tensor<float, 2>(rows, c.embedding), offsets};
    dx = x.rows, dy = Tensor<float, 2>(rows, 2 * c.units);
    const auto input = [&](const char* what, auto&& into) {
      const std::string name = folder + "/" + what + "." + c.name() + ".f32";
      std::ifstream in(name, std::ios::binary);
      into(name, in);
    };
    input("x", [&](const auto& name, auto& in) { read(name, in, x.rows); });
    input("dy", [&](const auto& name, auto& in) { read(name, in, dy); });
    input("weights",
          [&](const auto& name, auto& in) { walk_tensors([&](const Path&, auto& w) { read(name, in, w); }, net); });
  }
  void call() {
    set_bytes(dx.data(), {}, 0, dx.bytes());
    walk_tensors([](const Path&, auto& g) { set_bytes(g.data(), {}, 0, g.bytes()); }, grads);
    Tape tape;
    const auto recorded = tape.watch(net, grads)(Packed{tape.watch(x.rows, dx), x.offsets}).rows;
    tape.add(recorded, dy.share());
    while (tape.step_back()) {}
    y = recorded.value().share();
  }
  void results(std::ostream& out) {
    call();
    const auto write = [&](const auto& t) {
      out.write(reinterpret_cast<const char*>(t.data()), std::streamsize(t.bytes()));
    };
    write(y), write(dx);
    walk_tensors([&](const Path&, const auto& g) { write(g); }, grads);
  }
};

struct Answers {
  std::function<void()> call;
  std::function<void(std::ostream&)> results;
};
template <template <class> class Net>
Answers answers(const Case& c) {
  const auto run = std::make_shared<Run<Net>>(c);
  return {[run] { run->call(); }, [run](std::ostream& out) { run->results(out); }};
}

std::string answer(std::istringstream request) {
  std::string what;
  request >> what;
  if (what == "machine")
    return text_of("{\"instruction_set\": \"", name_of(instruction_set()), "\", \"compiler\": \"", __VERSION__, "\"}");
  Case c;
  double limit = 0;
  request >> c.kind >> c.texts >> c.longest >> c.embedding >> c.units >> c.lengths >> limit;
  static std::map<std::string, Answers> cases;  // inputs and pools stay warm
  auto& one = cases[c.name()];
  if (!one.call) one = c.kind == "lstm" ? answers<nn::Lstm>(c) : answers<nn::Gru>(c);
  if (what == "check") {
    const std::string file = text_of(folder, "/quern.", c.name(), ".", threads(), ".f32");
    std::ofstream out(file, std::ios::binary);
    one.results(out);
    check(bool(out.flush()), "cannot write ", file);
    return "\"" + file + "\"";
  }
  check(what == "time", "unknown request '", what, "'; expected check, time, machine or quit");
  int calls = 0;
  double passed = 0, least = 1e30;
  for (; calls == 0 || passed < limit; ++calls) {
    const double s = bench::seconds(one.call);
    passed += s, least = std::min(least, s);
  }
  return text_of("[", calls, ", ", passed, ", ", least, "]");
}

}  // namespace

int main(int argc, char** argv) try {
  check(argc == 3, "usage: bench_recurrent DIR THREADS; bench/run.sh --recurrent calls it");
  folder = argv[1];
  set_threads(std::stoi(argv[2]));
  for (std::string line; std::getline(std::cin, line) && line != "quit";)
    std::cout << answer(std::istringstream(line)) << std::endl;
} catch (const std::exception& e) {
  std::cerr << "bench_recurrent: " << e.what() << "\n";
  return 1;
}
