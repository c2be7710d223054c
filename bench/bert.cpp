/// Fine-tuning and inference of a BERT, for bench/run.sh --bert, which asks for them line by line beside PyTorch's:
///
///   bench_bert DIR THREADS            answers each line of stdin with a line of JSON:
///     check                             the file of logits, losses and gradients, and of the weights after three steps
///     train SECONDS                     [steps, seconds]
///     infer TEXTS TOKENS SECONDS        [batches, seconds]
///     pieces SECONDS                    milliseconds of a training step by op
///     machine                           compiler, instruction set and GFLOP/s of fma
///
/// DIR is a Hugging Face folder with ids.i32 and labels.i32 beside it, written by the caller: 8 batches of 32 texts of
/// 128 tokens. A step: dropout 0.1, clipping to a norm of 1, AdamW with decay 0.01 but of biases and norms.
#include <algorithm>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <sstream>
#include <string>

#include <quern/io/hugging_face.hpp>
#include <quern/loss/cross_entropy.hpp>
#include <quern/optim/adam.hpp>
#include <quern/optim/clip.hpp>
#include <quern/optim/layerwise_decay.hpp>

#include "support/peak.hpp"

namespace {

using namespace quern;
using bench::seconds;

constexpr std::int64_t texts = 32, tokens = 128, batch_count = 8;
std::string folder;

std::vector<std::int32_t> read_numbers(const std::string& file, std::int64_t n) {
  std::vector<std::int32_t> numbers(std::size_t(n), 0);
  std::ifstream in(folder + "/" + file, std::ios::binary);
  check(bool(in.read(reinterpret_cast<char*>(numbers.data()), std::streamsize(n) * 4)), "cannot read ", folder, "/",
        file);
  return numbers;
}

/// `count` texts of `length` tokens each, out of the first ids.
Batch batch_of(const std::int32_t* ids, const std::int32_t* labels, std::int64_t count, std::int64_t length) {
  Batch batch{Tensor<std::int32_t, 1>::of({count * length}, std::span(ids, std::size_t(count * length))),
              Offsets(count + 1), Tensor<std::int32_t, 1>::of({count}, std::span(labels, std::size_t(count)))};
  for (std::int64_t b = 0; b < count; ++b) batch.offsets(b + 1) = (b + 1) * length;
  return batch;
}

struct Inputs {
  std::vector<std::int32_t> ids = read_numbers("ids.i32", batch_count* texts* tokens);
  std::vector<std::int32_t> labels = read_numbers("labels.i32", batch_count* texts);
  Batch batch(std::int64_t k) const {
    k %= batch_count;
    return batch_of(ids.data() + k * texts * tokens, labels.data() + k * texts, texts, tokens);
  }
};

using Model = BertClassifier<float>;

/// A model in training.
struct Trainer {
  Inputs inputs;
  Model model = load_bert_classifier(folder).model;
  LayerwiseDecay rule = layerwise_decay(std::int64_t(model.bert.blocks.size()), 1);
  Model grads = zeros_like(model, rule);
  Adam<Model> adam{model, {.rate = 2e-5, .weight_decay = 0.01, .decoupled = true}, rule};
  std::uint32_t step = 0;
  bool drops = true;

  float forward_backward() {
    const Batch batch = inputs.batch(step);
    std::optional<Tape> tape;
    drops ? tape.emplace(Random(1, Purpose::dropout, step)) : tape.emplace();
    const auto loss = cross_entropy(tape->watch(model, grads, rule)(batch), batch.labels);
    tape->backward(loss);
    return loss.item();
  }
  void update() {
    clip_global_norm(grads, 1);
    adam.step(model, grads, rule);
    ++step;
  }
  void run_step() { forward_backward(), update(); }
};

/// Without dropout: logits and gradients of the first batch, the losses of three steps, the weights after them.
std::string write_check() {
  Trainer t;
  t.drops = false;
  SafetensorsWriter writer;
  const auto logits = t.model(t.inputs.batch(0));
  writer.add("logits", logits);
  Tensor<float, 1> losses(3);
  Model first;
  for (auto& loss : losses.span()) {
    loss = t.forward_backward();
    if (t.step == 0) first = t.grads;
    t.update();
  }
  writer.add("losses", losses);
  const auto add = [&](const char* kind, const Model& m) {
    walk_tensors([&](const Path& path, const auto& x) { writer.add(kind + hugging_face_name(path.text()), x); }, m);
  };
  add("gradient.", first), add("after.", t.model);
  const std::string file = text_of(folder, "/quern.", threads(), ".safetensors");
  writer.save(file);
  return "\"" + file + "\"";
}

/// Seconds by op of a training step, each the least over the steps: the tape walked node by node, the forward pass as a
/// whole.
class Pieces {
 public:
  void step(Trainer& t) {
    now_.clear();
    const Batch batch = t.inputs.batch(t.step);
    Tape tape(Random(1, Purpose::dropout, t.step));
    const auto recorded = tape.watch(t.model, t.grads, t.rule);
    std::optional<Tensor<Recorded<float>, 0>> loss;
    note("forward", [&] { loss = cross_entropy(recorded(batch), batch.labels); });
    tape.begin_backward(*loss);
    for (bool more = true; more;) {
      const std::string op = tape.next_op();
      note("backward: " + op, [&] { more = tape.step_back(); });
    }
    note("clipping", [&] { clip_global_norm(t.grads, 1); });
    note("adam", [&] { t.adam.step(t.model, t.grads, t.rule); });
    ++t.step;
    for (const auto& [name, s] : now_) {
      auto [place, fresh] = least_.try_emplace(name, s);
      if (!fresh) place->second = std::min(place->second, s);
    }
  }
  std::string json() const {
    std::string out = "{";
    for (const auto& [name, s] : least_) out += text_of(out.size() > 1 ? ", " : "", "\"", name, "\": ", s * 1e3);
    return out + "}";
  }

 private:
  void note(const std::string& name, auto&& f) { now_[name] += seconds(f); }
  std::map<std::string, double> now_, least_;
};

/// Runs f() until `limit` seconds have passed, at least once.
std::string repeat_for(double limit, auto&& f) {
  int count = 0;
  double passed = 0;
  for (; count == 0 || passed < limit; ++count) passed += seconds(f);
  return text_of("[", count, ", ", passed, "]");
}

std::string answer(const std::string& line) {
  static std::optional<Trainer> trainer;
  static std::optional<std::pair<Inputs, Model>> inference;
  const auto training = [&]() -> Trainer& {
    inference.reset();
    return trainer ? *trainer : trainer.emplace();
  };
  std::istringstream words(line);
  std::string what;
  words >> what;
  double limit = 0;
  if (what == "check") return write_check();
  if (what == "train") return words >> limit, repeat_for(limit, [&] { training().run_step(); });
  if (what == "infer") {
    std::int64_t count = 0, length = 0;
    words >> count >> length >> limit;
    if (!inference) inference.emplace(Inputs{}, load_bert_classifier(folder).model);
    const Batch batch = batch_of(inference->first.ids.data(), inference->first.labels.data(), count, length);
    return repeat_for(limit, [&] { (void)inference->second(batch); });
  }
  if (what == "pieces") {
    Pieces pieces;
    words >> limit, repeat_for(limit, [&] { pieces.step(training()); });
    return pieces.json();
  }
  check(what == "machine", "unknown request '", line, "'");
  double fma = 0;
  for (int i = 0; i < 20; ++i) fma = std::max(fma, bench::fma_gflops(threads()));
  return text_of("{\"instruction_set\": \"", name_of(instruction_set()), "\", \"compiler\": \"", __VERSION__,
                 "\", \"fma_gflops\": ", fma, "}");
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::cerr << "usage: bench_bert DIR THREADS; bench/run.sh --bert calls it\n";
    return 2;
  }
  folder = argv[1];
  set_threads(std::stoi(argv[2]));
  for (std::string line; std::getline(std::cin, line) && line != "quit";) std::cout << answer(line) << std::endl;
  return 0;
} catch (const std::exception& e) {
  std::cerr << "bench_bert: " << e.what() << "\n";
  return 1;
}
