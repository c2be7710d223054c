/// Ops that memory or cache bandwidth bounds, for bench/run.sh --memory, which asks for them line by line beside
/// PyTorch's:
///
///   bench_memory_bound DIR THREADS      answers each line of stdin with a line of JSON:
///     check OP ROWS COLUMNS               the file that the results were written to
///     time OP ROWS COLUMNS SECONDS        [calls, seconds, seconds of the shortest call]
///     copy BYTES                          GB/s of a copy of that many bytes, read and written together
///     machine                             compiler and instruction set
///
/// Inputs are raw floats in DIR, written by the caller: x.ROWSxCOLUMNS.f32, dy.…, weight.…, bias.…
#include <algorithm>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>

#include <quern/ops/gelu.hpp>
#include <quern/ops/layer_norm.hpp>
#include <quern/ops/softmax.hpp>
#include <quern/optim/adam.hpp>

#include "support/peak.hpp"

namespace {

using namespace quern;

std::string folder;

template <int Rank>
Tensor<float, Rank> read(const std::string& name, Shape<Rank> shape) {
  auto x = Tensor<float, Rank>::empty(shape);
  std::ifstream in(folder + "/" + name + ".f32", std::ios::binary);
  check(bool(in.read(reinterpret_cast<char*>(x.data()), std::streamsize(x.bytes()))), "cannot read ", folder, "/", name,
        ".f32");
  return x;
}

/// Parameters and gradients of a step of the optimizer.
template <class T = float>
struct Table {
  Tensor<T, 2> weight;
  static void visit(auto&& f, auto&... m) { f("weight", m.weight...); }
};

/// One op at one shape: its inputs, `call` to be timed, and what it gave.
struct Case {
  Tensor<float, 2> x, dy;
  Tensor<float, 1> weight, bias;
  Table<> model, grads;
  std::unique_ptr<Adam<Table<>>> adam;
  std::function<void()> prepare = [] {};  // before each sample
  std::function<void()> call;
  std::function<void(std::ostream&)> results;

  Case(const std::string& op, std::int64_t rows, std::int64_t columns) {
    const std::string size = text_of(rows, "x", columns);
    x = read("x." + size, Shape<2>{rows, columns}), dy = read("dy." + size, Shape<2>{rows, columns});
    weight = read("weight." + size, Shape<1>{columns}), bias = read("bias." + size, Shape<1>{columns});
    if (op == "layer_norm_forward") {
      times([this] { return layer_norm_forward(x, weight, bias, 1e-5).y; });
    } else if (op == "layer_norm_backward") {
      auto saved = std::make_shared<LayerNormSaved<float>>(layer_norm_forward(x, weight, bias, 1e-5).saved);
      call = [this, saved] { benchmark::DoNotOptimize(layer_norm_backward(dy, x, weight, *saved)); };
      results = [this, saved](std::ostream& out) {
        const auto d = layer_norm_backward(dy, x, weight, *saved);
        write(out, d.x), write(out, d.weight), write(out, d.bias);
      };
    } else if (op == "softmax_forward") {
      times([this] { return softmax(x); });
    } else if (op == "softmax_backward") {
      times([this, saved = share(softmax_forward(x).saved)] { return softmax_backward(dy, *saved); });
    } else if (op == "gelu_forward") {
      times([this] { return gelu(x); });
    } else if (op == "gelu_backward") {
      times([this, saved = share(gelu_forward(x).saved)] { return gelu_backward(dy, *saved); });
    } else if (op == "gelu_tanh_forward") {
      times([this] { return gelu(x, Approximate::tanh); });
    } else if (op == "gelu_tanh_backward") {
      times([this, saved = share(gelu_forward(x, Approximate::tanh).saved)] { return gelu_backward(dy, *saved); });
    } else if (op == "adamw_step") {
      optimizer();
    } else {
      check(false, "unknown op '", op, "'");
    }
  }

 private:
  template <class S>
  static std::shared_ptr<S> share(S&& saved) {
    return std::make_shared<S>(std::move(saved));
  }
  template <class X>
  static void write(std::ostream& out, const X& t) {
    out.write(reinterpret_cast<const char*>(t.data()), std::streamsize(t.bytes()));
  }
  template <class F>
  void times(F f) {
    call = [f] { benchmark::DoNotOptimize(f()); };
    results = [f](std::ostream& out) { write(out, f()); };
  }

  /// A step of AdamW, which also clears the gradient; each sample begins with dy. The results are the weights after
  /// three steps.
  void optimizer() {
    model.weight = x;
    grads = zeros_like(model);
    adam = std::make_unique<Adam<Table<>>>(model, AdamOptions{.rate = 1e-3, .weight_decay = 0.01, .decoupled = true});
    prepare = [this] {
      std::copy_n(dy.data(), dy.size(), grads.weight.data());
      grads.weight.storage()->touched->all = true;
    };
    call = [this] {
      grads.weight.storage()->touched->all = true;
      adam->step(model, grads);
    };
    results = [this](std::ostream& out) {
      for (int step = 0; step < 3; ++step) prepare(), call();
      write(out, model.weight);
    };
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
  std::int64_t rows = 0, columns = 0;
  double number = 0;
  request >> what;
  if (what == "machine")
    return text_of("{\"instruction_set\": \"", name_of(instruction_set()), "\", \"compiler\": \"", __VERSION__, "\"}");
  if (what == "copy") {
    request >> number;
    bench::Copy copy(number);
    double best = 0;
    for (int i = 0; i < 5; ++i) best = std::max(best, copy.gbytes(threads()));
    return text_of(best);
  }
  request >> op >> rows >> columns >> number;
  static std::map<std::string, std::unique_ptr<Case>> cases;  // inputs and pools stay warm
  auto& one = cases[text_of(op, rows, "x", columns)];
  if (!one) one = std::make_unique<Case>(op, rows, columns);
  if (what == "check") {
    const std::string file = text_of(folder, "/quern.", op, ".", rows, "x", columns, ".", threads(), ".f32");
    std::ofstream out(file, std::ios::binary);
    one->results(out);
    check(bool(out.flush()), "cannot write ", file);
    return "\"" + file + "\"";
  }
  check(what == "time", "unknown request '", what, "'; expected check, time, copy, machine or quit");
  one->prepare();
  return repeat_for(number, one->call);
}

}  // namespace

int main(int argc, char** argv) try {
  check(argc == 3, "usage: bench_memory_bound DIR THREADS; bench/run.sh --memory calls it");
  folder = argv[1];
  set_threads(std::stoi(argv[2]));
  for (std::string line; std::getline(std::cin, line) && line != "quit";)
    std::cout << answer(std::istringstream(line)) << std::endl;
} catch (const std::exception& e) {
  std::cerr << "bench_memory_bound: " << e.what() << "\n";
  return 1;
}
