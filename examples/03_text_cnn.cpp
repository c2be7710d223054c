// A text CNN (Kim 2014) built from layers and trained on a CSV file, with quern.hpp alone and no build system:
//
//   g++ -std=c++20 -O2 -I include -I /usr/include/eigen3 examples/03_text_cnn.cpp -o text_cnn -pthread
//   ./text_cnn examples/data/reviews_en/train.csv "I would happily see it again"
//
// The file has a header with a text and a label column. A tenth of it is held back to watch.
#include <cstdio>
#include <quern/quern.hpp>

using namespace quern;

template <class T = float>
struct Classifier {
  nn::Embedding<T> words;
  std::vector<nn::Conv1d<T>> windows;  // widths 3, 4, 5
  nn::Linear<T> out;

  static void visit(auto&& f, auto&... m) { f("words", m.words...), f("windows", m.windows...), f("out", m.out...); }

  auto operator()(const Batch& text) const {  // ids [N] of B texts → logits [B, C]
    const auto e = words(text);               // rows [N, E] with their texts' offsets
    const auto h = concat(windows, [&](const auto& w) { return conv1d_relu_max_over_time(e, w.weight, w.bias); });
    return out(dropout(h, 0.5));  // h: [B, 300]; dropout acts on a tape with a random stream
  }
};

/// The share of texts whose most probable class is their label.
double accuracy(const Classifier<>& model, const Encoded& data, const std::vector<std::int64_t>& texts) {
  std::int64_t right = 0;
  for (const Batch& batch : batches_in_order(data, texts, 256)) {
    const auto logits = model(batch);
    for (std::int64_t b = 0; b < batch.texts(); ++b) {
      std::int64_t best = 0;
      for (std::int64_t c = 1; c < logits.extent(1); ++c)
        if (logits(b, c) > logits(b, best)) best = c;
      right += best == batch.labels(b);
    }
  }
  return double(right) / double(texts.size());
}

int run(const std::string& path, const std::string& sentence) {
  constexpr std::uint64_t seed = 1;
  const auto [data, notes] = read_csv(path);
  for (const auto& note : notes) std::fprintf(stderr, "%s\n", note.c_str());
  require_trainable(data);
  const auto classes = std::int64_t(data.classes.size());
  const auto split = stratified_split(data.labels, classes, 0.1, seed);

  const auto tokenizer = Tokenizer::words();
  const auto vocabulary = Vocabulary::of(data.subset(split.train).texts, tokenizer, {.min_count = 1});
  const auto encoded = encode(data.texts, tokenizer, vocabulary, data.labels);

  Classifier<> model;
  model.words = {vocabulary.size(), 128};
  for (int width : {3, 4, 5}) model.windows.emplace_back(128, 100, width);
  model.out = {300, classes};
  initialise(model, seed);

  auto grads = zeros_like(model);
  Adam adam(model, {.rate = 1e-3});
  std::uint32_t step = 0;
  for (std::uint32_t epoch = 0; epoch < 10; ++epoch) {
    double sum = 0;
    for (const Batch& batch : batches(encoded, split.train, 32, seed, epoch)) {
      Tape tape(Random(seed, Purpose::dropout, step++));
      const auto recorded = tape.watch(model, grads);
      const auto loss = cross_entropy(recorded(batch), batch.labels);
      tape.backward(loss);
      adam.step(model, grads);  // and zeroes grads
      sum += double(loss.item()) * double(batch.texts());
    }
    std::printf("epoch %2u  loss %.4f  accuracy on held-back texts %.3f\n", epoch + 1, sum / double(split.train.size()),
                accuracy(model, encoded, split.held));
  }

  const std::vector<std::string> texts{sentence};
  const Encoded one = encode(texts, tokenizer, vocabulary);
  for (const Batch& batch : batches_in_order(one, 1)) {
    const auto verdict = softmax(model(batch));  // the same model, no tape: inference
    for (std::int64_t c = 0; c < classes; ++c)
      std::printf("%s %.3f\n", data.classes[std::size_t(c)].c_str(), verdict(0, c));
  }
  return 0;
}

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s DATA.csv [SENTENCE]\n", argv[0]);
    return 2;
  }
  try {
    return run(argv[1], argc > 2 ? argv[2] : "It is a joy from the first minute to the last");
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
