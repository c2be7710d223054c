// Fine-tunes a BERT on a CSV file, as the classic example does: 80/20 split, cross-entropy from logits, AdamW with a
// warm-up, 5 epochs, batches of 32. FOLDER is one that Hugging Face wrote (config.json, model.safetensors, vocab.txt or
// tokenizer.json), DATA has a header with a text and a label column; OUT is a folder that transformers opens.
//
//   06_bert_finetune FOLDER DATA.csv OUT [EPOCHS]
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <quern/data/encode_wordpiece.hpp>  // needs utf8proc
#include <quern/io/hugging_face_save.hpp>   // these two need nlohmann-json
#include <quern/io/hugging_face_tokenizer.hpp>
#include <quern/optim/layerwise_decay.hpp>
#include <quern/quern.hpp>

using namespace quern;

/// How many rows of the logits [B, C] have their largest number where the label says.
std::int64_t count_right(const Tensor<float, 2>& logits, const Batch& batch) {
  std::int64_t right = 0;
  for (std::int64_t b = 0; b < batch.texts(); ++b) {
    std::int64_t best = 0;
    for (std::int64_t c = 1; c < logits.extent(1); ++c)
      if (logits(b, c) > logits(b, best)) best = c;
    right += best == batch.labels(b);
  }
  return right;
}

int run(const std::string& folder, const std::string& path, const std::string& out, std::uint32_t epochs) {
  constexpr std::uint64_t seed = 1;
  constexpr std::int64_t batch_size = 32;
  check(!std::filesystem::exists(out), out, ": is there already; give a new folder");
  const auto [data, notes] = read_csv(path);
  for (const auto& note : notes) std::fprintf(stderr, "%s\n", note.c_str());
  require_trainable(data);
  const Split split = stratified_split(data.labels, std::int64_t(data.classes.size()), 0.2, seed);

  // The encoder of the folder, and a new last layer for the classes of the data.
  auto [model, config, initialised, unused] =
      load_bert_classifier(folder, {.new_classifier = data.classes, .seed = seed});
  for (const auto& name : initialised) std::fprintf(stderr, "new: %s\n", name.c_str());
  const WordPiece wordpiece = load_wordpiece(folder);
  const Encoded texts = encode(data.texts, wordpiece, data.labels, config.model.positions);

  auto grads = zeros_like(model);
  const auto rule = layerwise_decay(config.model.layers, 1.0);  // biases and norms do not decay
  Adam adam(model, {.rate = 3e-5, .weight_decay = 0.01, .decoupled = true}, rule);
  const std::int64_t steps_of_epoch = (std::int64_t(split.train.size()) + batch_size - 1) / batch_size;
  const std::int64_t all_steps = steps_of_epoch * epochs;
  const LinearWarmup rate{3e-5, all_steps / 10 + 1, all_steps};

  std::int64_t step = 0;
  for (std::uint32_t epoch = 0; epoch < epochs; ++epoch) {
    double sum = 0;
    std::int64_t number = 0;
    for (const Batch& batch : batches(texts, split.train, batch_size, seed, epoch)) {
      Tape tape(Random(seed, Purpose::dropout, std::uint32_t(step)));
      const auto recorded = tape.watch(model, grads, rule);
      const auto loss = cross_entropy(recorded(batch), batch.labels);  // from logits, mean over the batch
      tape.backward(loss);
      clip_global_norm(grads, 1.0);
      adam.options.rate = rate(step++);
      adam.step(model, grads, rule);  // and zeroes grads
      std::printf("epoch %u  batch %lld/%lld  loss %.4f\n", epoch + 1, static_cast<long long>(++number),
                  static_cast<long long>(steps_of_epoch), double(loss.item()));
      sum += double(loss.item()) * double(batch.texts());
    }
    std::printf("epoch %u  loss %.4f\n", epoch + 1, sum / double(split.train.size()));
  }

  std::int64_t right = 0;
  for (const Batch& batch : batches_in_order(texts, split.held, batch_size)) right += count_right(model(batch), batch);
  std::printf("accuracy %.4f (%lld of %zu held-out texts)\n", double(right) / double(split.held.size()),
              static_cast<long long>(right), split.held.size());

  save_bert(out, model, config);
  for (const std::string name : {"vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"})
    if (std::filesystem::exists(folder + "/" + name)) atomic_write(out + "/" + name, read_file(folder + "/" + name));
  std::printf("saved in %s\n", out.c_str());
  return 0;
}

int main(int argc, char** argv) {
  std::uint32_t epochs = 5;
  const std::string given = argc > 4 ? argv[4] : "5";
  const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), epochs);
  if (argc < 4 || argc > 5 || error != std::errc() || end != given.data() + given.size() || epochs == 0) {
    std::fprintf(stderr, "usage: %s FOLDER DATA.csv OUT [EPOCHS, at least 1]\n", argv[0]);
    return 2;
  }
  try {
    return run(argv[1], argv[2], argv[3], epochs);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
