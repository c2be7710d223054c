/// The training step of Kim's text CNN on the GPU: 50 texts of 64 words, vocabulary 20,000, vectors of 300, 100 filters
/// of widths 3, 4 and 5, dropout 0.5, Adam. Before it is timed, three steps without dropout must follow the CPU's.
#include <vector>

#include <quern/loss/cross_entropy.hpp>
#include <quern/models/text_cnn.hpp>
#include <quern/optim/adam.hpp>

#include "gpu/benchmarks.hpp"

namespace bench {
namespace {

constexpr std::uint64_t seed = 1;

struct Sizes {
  std::int64_t texts = 50, words = 64, vocabulary = 20000, embedding = 300, filters = 100;
};

std::vector<Batch> make_batches(const Sizes& s, int count) {
  const Random random(seed, Purpose::test);
  std::vector<Batch> batches;
  for (int n = 0; n < count; ++n) {
    std::vector<std::vector<std::int32_t>> ids(std::size_t(s.texts), std::vector<std::int32_t>(std::size_t(s.words)));
    std::vector<std::int32_t> labels;
    std::uint64_t at = 0;
    for (auto& text : ids)
      for (auto& id : text) id = std::int32_t(random.below(std::uint64_t(s.vocabulary), std::uint32_t(n), at++));
    for (std::int64_t b = 0; b < s.texts; ++b) labels.push_back(std::int32_t(b % 2));
    batches.push_back(pack(ids, labels));
  }
  return batches;
}

/// A model in training on one device.
struct Trainer {
  TextCnn<float> model, grads;
  Adam<TextCnn<float>> adam;
  std::vector<Batch> batches;
  std::uint32_t step = 0;

  Trainer(const Sizes& s, double dropout, Device device)
      : model(to(make_text_cnn<float>({.vocabulary = s.vocabulary,
                                       .classes = 2,
                                       .embedding = s.embedding,
                                       .filters = s.filters,
                                       .dropout = dropout},
                                      seed),
                 device)),
        grads(zeros_like(model)),
        adam(model) {
    for (const Batch& b : make_batches(s, 8)) batches.push_back(to(b, device));
  }

  Tensor<float, 0> run_step() {
    const Batch& batch = batches[step % batches.size()];
    Tape tape(Random(seed, Purpose::dropout, step++));
    const auto loss = cross_entropy(tape.watch(model, grads)(batch), batch.labels);
    tape.backward(loss);
    adam.step(model, grads);
    return loss.value();
  }
};

}  // namespace

void text_cnn(Report& report, bool small) {
  const Sizes sizes = small ? Sizes{4, 9, 40, 16, 8} : Sizes{};
  Trainer ours(sizes, 0, Device::cuda()), reference(sizes, 0, Device::cpu());
  const auto start = reference.model;
  double worst = 0;
  for (int i = 0; i < 3; ++i) worst = std::max(worst, distance(ours.run_step(), reference.run_step()));
  walk_tensors(
      [&](const Path& path, const auto& a, const auto& b, const auto& from) {
        auto moved = a.to(Device::cpu()), expected = b;  // how far the steps took the weights
        for (std::int64_t i = 0; i < moved.size(); ++i)
          moved.data()[i] -= from.data()[i], expected.data()[i] -= from.data()[i];
        report.agrees("text_cnn: how far " + path.text() + " moved", distance(moved, expected), 1e-3);
      },
      ours.model, reference.model, start);
  if (!report.agrees("text_cnn: the loss", worst, 1e-5) || report.failed) return;
  Trainer trainer(sizes, 0.5, Device::cuda());
  Timer timer;
  const double us = timer.microseconds([&](int) { (void)trainer.run_step(); });
  report.line({{"kernel", "text_cnn_step"},
               {"type", "float"},
               {"us", us},
               {"texts_per_second", 1e6 * double(sizes.texts) / us}});
}

}  // namespace bench
