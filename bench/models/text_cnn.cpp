/// The training step of Kim's text CNN, for bench/run.sh, which asks for it line by line beside its peers:
///
///   bench_models inputs DIR             writes the initial weights and the batches that every peer reads
///   bench_models serve DIR THREADS      answers each line of stdin with a line: check | time SECONDS | pieces SECONDS
///   |
///                                       machine | quit
///
/// 50 texts of 64 words, E 300, 100 filters of each width 3, 4, 5, vocabulary 20,000, dropout 0.5, Adam.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <string>

#include <quern/loss/cross_entropy.hpp>
#include <quern/models/text_cnn.hpp>
#include <quern/optim/adam.hpp>

#include "support/peak.hpp"

namespace {

using namespace quern;
using bench::seconds;

constexpr std::int64_t texts = 50, words = 64, vocabulary = 20000, classes = 2;
constexpr int batch_count = 8;  // taken in turn, so that the rows a step touches change
constexpr std::uint64_t seed = 1;

void write(const std::string& file, const void* data, std::size_t bytes, bool append) {
  std::ofstream out(file, append ? std::ios::binary | std::ios::app : std::ios::binary);
  out.write(static_cast<const char*>(data), std::streamsize(bytes));
  check(bool(out.flush()), "cannot write ", file);
}

/// All tensors of a model, one after the other in the order of `visit`, as raw floats.
void append_tensors(const std::string& file, const auto& model) {
  walk_tensors([&](const Path&, const auto& w) { write(file, w.data(), w.bytes(), true); }, model);
}

TextCnn<float> make_model(double dropout) {
  return make_text_cnn<float>({.vocabulary = vocabulary, .classes = classes, .dropout = dropout}, seed);
}

std::vector<Batch> make_batches() {
  const Random random(seed, Purpose::test);
  std::vector<Batch> batches;
  for (std::uint32_t n = 0; n < batch_count; ++n) {
    std::vector<std::vector<std::int32_t>> ids(texts, std::vector<std::int32_t>(words));
    std::vector<std::int32_t> labels(texts);
    for (std::int64_t b = 0; b < texts; ++b) {
      for (std::int64_t t = 0; t < words; ++t)
        ids[std::size_t(b)][std::size_t(t)] = std::int32_t(random.below(vocabulary, n, std::uint64_t(b * words + t)));
      labels[std::size_t(b)] = std::int32_t(random.below(classes, n + batch_count, std::uint64_t(b)));
    }
    batches.push_back(pack(ids, labels));
  }
  return batches;
}

void write_inputs(const std::string& folder) {
  for (const char* name : {"/weights.f32", "/ids.i32", "/labels.i32"}) write(folder + name, nullptr, 0, false);
  append_tensors(folder + "/weights.f32", make_model(0));
  for (const Batch& b : make_batches()) {
    write(folder + "/ids.i32", b.ids.data(), b.ids.bytes(), true);
    write(folder + "/labels.i32", b.labels.data(), b.labels.bytes(), true);
  }
}

/// A model in training.
struct Trainer {
  TextCnn<float> model;
  TextCnn<float> grads = zeros_like(model);
  Adam<TextCnn<float>> adam{model};
  std::vector<Batch> batches = make_batches();
  std::uint32_t step = 0;

  explicit Trainer(double dropout) : model(make_model(dropout)) {}

  const Batch& batch() const { return batches[step % batch_count]; }

  float forward_backward() {
    Tape tape(Random(seed, Purpose::dropout, step));
    const auto recorded = tape.watch(model, grads);
    const auto loss = cross_entropy(recorded(batch()), batch().labels);
    tape.backward(loss);
    return loss.item();
  }
  void run_step() {
    forward_backward();
    adam.step(model, grads);
    ++step;
  }
};

/// Without dropout: the loss of three steps, the gradients of the first, the weights after the third.
void write_check(const std::string& file) {
  Trainer t(0);
  write(file, nullptr, 0, false);
  float losses[3];
  for (float& loss : losses) {
    loss = t.forward_backward();
    if (t.step == 0) append_tensors(file, t.grads);
    t.adam.step(t.model, t.grads);
    ++t.step;
  }
  append_tensors(file, t.model);
  write(file, losses, sizeof losses, true);
}

/// Seconds by part of a step, each the least over the steps: the tape walked node by node, and the parts of the forward
/// pass called by hand.
class Pieces {
 public:
  void step(Trainer& t) {
    now_.clear();
    forward_parts(t.model, t.batch());
    {
      Tape tape(Random(seed, Purpose::dropout, t.step));
      const auto recorded = tape.watch(t.model, t.grads);
      const auto loss = cross_entropy(recorded(t.batch()), t.batch().labels);
      tape.begin_backward(loss);
      for (bool more = true; more;) {
        const std::string op = tape.next_op();
        note(op.starts_with("conv1d") || op == "embedding" ? "backward: " + op : "backward: the other ops",
             [&] { more = tape.step_back(); });
      }
    }
    note("adam, clearing of gradients", [&] { t.adam.step(t.model, t.grads); });
    ++t.step;
    for (const auto& [name, s] : now_) {
      auto [place, fresh] = least_.try_emplace(name, s);
      if (!fresh) place->second = std::min(place->second, s);
    }
  }

  /// {"part": milliseconds of a step, …}
  std::string json() const {
    std::string out = "{";
    for (const auto& [name, s] : least_) out += text_of(out.size() > 1 ? ", " : "", "\"", name, "\": ", s * 1e3);
    return out + "}";
  }

 private:
  void note(const std::string& name, auto&& f) { now_[name] += seconds(f); }

  void forward_parts(const TextCnn<float>& m, const Batch& batch) {
    Packed<float> e;
    note("forward: embedding", [&] { e = m.words(batch); });
    std::vector<Tensor<float, 2>> features;
    for (const auto& w : m.windows) {
      const std::int64_t width = w.weight.extent(2);
      Tensor<float, 2> padded, taps;
      note("forward: padding, order of the weights", [&] {
        padded = cpu::pad_texts(std::as_const(e.rows).view(), std::as_const(e.offsets).view(), width);
        taps = cpu::taps_of(w.weight.view());
      });
      auto y = Tensor<float, 2>::empty({e.rows.extent(0) + e.texts() * (width - 1), w.weight.extent(0)});
      note("forward: gemm of the convolutions",
           [&] { cpu::conv1d(padded, taps, w.bias.data(), Activation::relu, y.view()); });
      note("forward: max_over_time", [&] {
        features.push_back(max_over_time(Packed<float>{y.share(), window_offsets(e.offsets, width)}));
      });
    }
    note("forward: the other ops", [&] {
      const auto h = dropout_forward(concat(features), m.dropout, Random(seed), 0).y;
      cross_entropy(m.out(h), batch.labels);
    });
  }

  std::map<std::string, double> now_, least_;
};

/// Runs f() until `limit` seconds have passed, at least once: how often, and the seconds.
std::pair<int, double> repeat_for(double limit, auto&& f) {
  int count = 0;
  double passed = 0;
  for (; count == 0 || passed < limit; ++count) passed += seconds(f);
  return {count, passed};
}

void serve(const std::string& folder) {
  std::optional<Trainer> trainer;
  auto training = [&]() -> Trainer& { return trainer ? *trainer : trainer.emplace(0.5); };
  for (std::string line; std::getline(std::cin, line) && line != "quit";) {
    const double limit = line.find(' ') == std::string::npos ? 0 : std::stod(line.substr(line.find(' ')));
    if (line == "check") {
      const std::string file = text_of(folder, "/quern.", threads(), ".f32");
      write_check(file);
      std::cout << "\"" << file << "\"" << std::endl;
    } else if (line.starts_with("time")) {
      const auto [steps, s] = repeat_for(limit, [&] { training().run_step(); });
      std::cout << "[" << steps << ", " << s << "]" << std::endl;
    } else if (line.starts_with("pieces")) {
      Pieces pieces;
      repeat_for(limit, [&] { pieces.step(training()); });
      std::cout << pieces.json() << std::endl;
    } else if (line == "machine") {
      bench::Copy copy(256e6);
      double fma = 0, copied = 0;
      for (int i = 0; i < 20; ++i)
        fma = std::max(fma, bench::fma_gflops(threads())), copied = std::max(copied, copy.gbytes(threads()));
      std::cout << "{\"instruction_set\": \"" << name_of(instruction_set()) << "\", \"compiler\": \"" << __VERSION__
                << "\", \"fma_gflops\": " << fma << ", \"copy_gbytes\": " << copied << "}" << std::endl;
    } else {
      check(false, "unknown request '", line, "'; expected check, time, pieces, machine or quit");
    }
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "inputs" && argc == 3) return write_inputs(argv[2]), 0;
  if (what == "serve" && argc == 4) return set_threads(std::stoi(argv[3])), serve(argv[2]), 0;
  std::cerr << "usage: bench_models inputs DIR | serve DIR THREADS; bench/run.sh calls it\n";
  return 2;
} catch (const std::exception& e) {
  std::cerr << "bench_models: " << e.what() << "\n";
  return 1;
}
