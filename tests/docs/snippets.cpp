/// The code of README.md and docs/*.md, compiled and run. What stands between `// snippet: NAME` and `// end` is in a
/// page, word for word: snippets.sh compares. What the pages say of it is checked around it.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <quern/cpu/eigen.hpp>

// snippet: tour-includes
#include <quern/quern.hpp>             // text to optimizer
#include <quern/train/report.hpp>      // these three need nlohmann-json: metrics as JSON,
#include <quern/train/run_folder.hpp>  // the folder of a trained model,
#include <quern/train/trainer.hpp>     // training with checkpoints
using namespace quern;
// end

// snippet: module
template <class T = float>
struct Perceptron {
  nn::Linear<T> hidden{4, 8}, out{8, 2};

  static void visit(auto&& f, auto&... m) { f("hidden", m.hidden...), f("out", m.out...); }
  auto operator()(const auto& x) const { return out(relu(hidden(x))); }  // [B, 4] → [B, 2]
};
// end

namespace {

/// A folder that goes away with it.
struct TemporaryFolder {
  std::string path = (std::filesystem::temp_directory_path() / "quern_docs_XXXXXX").string();
  TemporaryFolder() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
};

const std::string reviews = QUERN_SOURCE_DIR "/examples/data/reviews_en/train.csv";

/// The bits of every element of a model.
std::string bits_of(const auto& model) {
  std::string bits;
  walk_tensors([&](const Path&, const auto& w) { bits.append(reinterpret_cast<const char*>(w.data()), w.bytes()); },
               model);
  return bits;
}

}  // namespace

TEST_CASE("the tour") {
  const TemporaryFolder temporary;
  const std::string path = reviews, folder = temporary.path;

  // snippet: tour-text
  constexpr std::uint64_t seed = 1;
  const auto [data, notes] = read_dataset(path);  // Dataset
  std::puts(text_of(data).c_str());               // 1012 texts, 2 classes: negative 506, positive 506
  const auto classes = std::int64_t(data.classes.size());
  const Split split = stratified_split(data.labels, classes, 0.1, seed);  // indices: split.train, split.held
  // end
  CHECK(text_of(data) == "1012 texts, 2 classes: negative 506, positive 506");
  CHECK(std::int64_t(split.train.size() + split.held.size()) == data.size());

  // snippet: tour-tokens
  const Tokenizer tokenizer = Tokenizer::words();
  const std::vector<std::string> tokens = tokenizer("It isn't BAD!");  // it is n't bad !
  const Vocabulary vocabulary = Vocabulary::of(data.subset(split.train).texts, tokenizer);
  std::puts(text_of(vocabulary).c_str());  // 2235 tokens: <unk> , the and a i …
  // end
  CHECK(tokens == std::vector<std::string>{"it", "is", "n't", "bad", "!"});
  CHECK(vocabulary.token(0) == "<unk>");
  CHECK(text_of(vocabulary) == "2235 tokens: <unk> , the and a i …");

  // snippet: tour-ids
  const Encoded texts = encode(data.texts, tokenizer, vocabulary, data.labels);
  const std::span<const std::int32_t> ids = texts.text(2);  // of "Loved it!"
  // end
  CHECK(data.texts[2] == "Loved it!");
  REQUIRE(ids.size() == 3);
  CHECK(vocabulary.token(ids[1]) == "it");

  // snippet: tour-batch
  const Batch batch = pack({{4, 8, 15}, {16}}, {1, 0});  // by hand: ids [4], offsets [0, 3, 4], labels [1, 0]
  for (const Batch& b : batches(texts, split.train, 50, seed))
    std::printf("%d texts, %d tokens\n", int(b.texts()), int(b.tokens()));
  // end
  CHECK(batch.tokens() == 4);
  CHECK(batch.offsets(1) == 3);
  CHECK(batch.offsets(2) == 4);

  // snippet: tour-model
  TextCnn<float> model =
      make_text_cnn({.vocabulary = vocabulary.size(), .classes = classes, .embedding = 32, .filters = 16}, seed);
  const Tensor<float, 2> logits = model(batch);
  std::puts(text_of(described("logits", logits)).c_str());                  // logits is [2, 2] float cpu
  const Tensor<float, 0> plain_loss = cross_entropy(logits, batch.labels);  // one number, in nats
  // end
  CHECK(text_of(described("logits", logits)) == "logits is [2, 2] float cpu");
  CHECK(plain_loss.item() > 0);

  // snippet: tour-tape
  TextCnn<float> grads = zeros_like(model);
  Tape tape(Random(seed, Purpose::dropout, 0));
  const TextCnn<Recorded<float>> recorded = tape.watch(model, grads);
  const Tensor<Recorded<float>, 0> loss = cross_entropy(recorded(batch), batch.labels);
  // end
  CHECK(loss.item() > 0);
  std::string order;
  auto puts = [&](const char* op) { (order += op) += '\n'; };

  // snippet: tour-backward
  tape.begin_backward(loss);  // or all at once: tape.backward(loss)
  while (tape.size() > 0) {
    puts(tape.next_op());
    tape.step_back();
  }
  // end
  CHECK(order ==
        "cross_entropy\nlinear\ndropout\nconcat\nconv1d_relu_max_over_time\nconv1d_relu_max_over_time\n"
        "conv1d_relu_max_over_time\nembedding\n");
  CHECK(tape.without_gradient().empty());

  std::string shapes;
  // snippet: tour-gradients
  walk_tensors([&](const Path& at, const auto& w,
                   const auto& g) { shapes += text_of(at, " ", w.shape(), " ", g.shape(), "\n"); },
               model, grads);
  // end
  CHECK(shapes.starts_with("words.weight [2235, 32] [2235, 32]\nwindows.0.weight [16, 32, 3] [16, 32, 3]\n"));
  CHECK(shapes.ends_with("out.weight [2, 48] [2, 48]\nout.bias [2] [2]\n"));
  CHECK(is_row_sparse(grads.words.weight));

  const std::string before = bits_of(model);
  // snippet: tour-adam
  Adam adam(model, {.rate = 1e-3});  // its moments, adam.first and adam.second, are TextCnn<float> too
  adam.step(model, grads);           // and zeroes grads
  // end
  CHECK(bits_of(model) != before);
  CHECK(bits_of(grads) == std::string(before.size(), '\0'));
  static_assert(std::is_same_v<decltype(adam.first), TextCnn<float>>);

  // snippet: tour-loop
  std::uint32_t step = 1;
  for (const Batch& b : batches(texts, split.train, 50, seed)) {
    Tape t(Random(seed, Purpose::dropout, step++));
    t.backward(cross_entropy(t.watch(model, grads)(b), b.labels));
    adam.step(model, grads);
  }
  // end
  CHECK(adam.steps == std::int64_t(step));

  // snippet: tour-train
  TrainHooks hooks{.checkpoint = folder + "/checkpoint.safetensors", .resume = true};
  const TrainResult result = train(model, texts, split, classes, {.epochs = 3, .seed = seed}, hooks);
  // end
  CHECK(std::filesystem::exists(hooks.checkpoint));
  CHECK(result.history.size() == 3);
  CHECK(result.dev.texts == std::int64_t(split.held.size()));
  const std::string trained_bits = bits_of(model);
  const TextCnn<float> trained = model;

  // snippet: tour-save
  const nlohmann::ordered_json config = {
      {"model", "text_cnn"}, {"tokenizer", tokenizer.name()}, {"max_tokens", 0}, {"embedding", 32},
      {"filters", 16},       {"widths", {3, 4, 5}},           {"dropout", 0.5},  {"word_dropout", 0.0}};
  save_run({folder}, Predictor(tokenizer, vocabulary, data.classes, std::move(model)), config, split_json(data, split));
  write_json(folder + "/metrics.json", report_of(result, data.classes));
  // end

  // snippet: tour-predict
  const Predictor predictor = load_run(folder);
  const Tensor<float, 2> p = predictor.predict("I would happily see it again");  // [1, 2]
  for (std::size_t c = 0; c < predictor.classes().size(); ++c)
    std::printf("%s %.3f\n", predictor.classes()[c].c_str(), p(0, c));
  // end
  CHECK(bits_of(*model_in<TextCnn>(predictor.model())) == trained_bits);
  CHECK(p.shape() == Shape<2>{1, 2});
  CHECK(p(0, 0) + p(0, 1) == doctest::Approx(1));
  const std::vector<std::string> sentence{"I would happily see it again"};
  const Encoded one = encode(sentence, tokenizer, vocabulary);
  for (const Batch& b : batches_in_order(one, 1)) CHECK(same_bits(p, softmax(trained(b))));
}

TEST_CASE("the page that everyone opens first") {
  constexpr std::uint64_t seed = 1;
  const auto data = read_dataset(reviews).data;
  const Vocabulary vocabulary = Vocabulary::of(data.texts, Tokenizer::words());
  const Encoded texts = encode(data.texts, Tokenizer::words(), vocabulary, data.labels);
  std::uint32_t step = 0;
  // snippet: readme-train
  auto model = make_text_cnn({.vocabulary = vocabulary.size(), .classes = 2, .embedding = 32}, seed);
  auto grads = zeros_like(model);  // gradients are a value of the model's own type
  Adam adam(model, {.rate = 1e-3});
  for (const Batch& batch : batches(texts, 50, seed)) {
    Tape tape(Random(seed, Purpose::dropout, step++));
    auto recorded = tape.watch(model, grads);  // the same struct, over recorded numbers
    tape.backward(cross_entropy(recorded(batch), batch.labels));
    adam.step(model, grads);  // and zeroes grads
  }
  // end
  CHECK(adam.steps == 21);  // 1012 texts
  const auto fresh = make_text_cnn({.vocabulary = vocabulary.size(), .classes = 2, .embedding = 32}, seed);
  CHECK(evaluate(model, texts, 2).loss < evaluate(fresh, texts, 2).loss);
}

TEST_CASE("tensors") {
  // snippet: tensor
  Tensor<float, 2> x(35, 300);        // zeros
  Tensor<float, 2> y = x;             // a copy: memory of its own
  Tensor<float, 2> z = x.share();     // an alias: z(0, 0) is x(0, 0)
  Tensor<float, 2> w = std::move(y);  // y is empty now, nothing was copied
  View<float, 2> v = w.view();        // pointer and extents, what bodies of ops take
  // end
  x(0, 0) = 1;
  v(0, 1) = 2;
  CHECK(z(0, 0) == 1);
  CHECK(w(0, 0) == 0);
  CHECK(w(0, 1) == 2);
  CHECK(y.size() == 0);
}

TEST_CASE("three functions, and the recorded overload") {
  const auto x = Tensor<float, 2>::of({2, 3}, {1, -2, 3, -4, 5, -6}),
             dy = Tensor<float, 2>::of({2, 3}, {1, 1, 1, 1, 1, 1});
  // snippet: three-functions
  auto only_y = softmax(x);               // [B, C]
  auto [y, saved] = softmax_forward(x);   // the same y, and what backward needs
  auto dx = softmax_backward(dy, saved);  // [B, C]
  // end
  CHECK(same_bits(only_y, y));
  for (auto g : dx.span()) CHECK(g == doctest::Approx(0).epsilon(1e-6));

  // snippet: recorded
  auto x_gradient = zeros_like(x);
  Tape tape;
  auto r = relu(tape.watch(x, x_gradient));  // Tensor<Recorded<float>, 2>; relu(x) records nothing
  // end
  static_assert(std::is_same_v<decltype(r), Tensor<Recorded<float>, 2>>);
  CHECK(tape.size() == 1);
  CHECK(same_bits(r.value(), relu(x)));
}

TEST_CASE("walk") {
  // snippet: walk
  Perceptron<> model;
  initialise(model, 7);
  Perceptron<> grads = zeros_like(model);
  Perceptron<double> exact = cast<double>(model);
  double squares = 0;
  walk_tensors(
      [&](const Path&, const auto& w, const auto& e) {
        for (std::int64_t i = 0; i < w.size(); ++i) squares += w.data()[i] * e.data()[i];
      },
      model, exact);
  // end
  CHECK(squares > 0);
  CHECK(count_parameters(model) == 4 * 8 + 8 + 8 * 2 + 2);
  CHECK(count_parameters(grads) == count_parameters(model));
  CHECK(squares == doctest::Approx(std::pow(global_norm(model), 2)));
}

TEST_CASE("the gradient of an embedding lists its rows") {
  // snippet: touched
  nn::Embedding<> words(20000, 300);
  auto grads = zeros_like(words);
  Tape tape;
  const auto e = tape.watch(words, grads)(pack({{7, 9, 7}}));  // Packed<Recorded<float>>: rows [3, 300]
  tape.backward(cross_entropy(max_over_time(e), Ids::of({1}, {0})));
  const std::vector<std::int32_t>& rows = grads.weight.storage()->touched->rows;  // 7, 9
  // end
  CHECK(is_row_sparse(grads.weight));
  CHECK(rows == std::vector<std::int32_t>{7, 9});
}

TEST_CASE("chance is addressed") {
  // snippet: chance
  const Random random(1, Purpose::dropout, 40);  // seed, what for, step
  const float u = random.uniform(3, 1000);       // of op 3, element 1000: the same number at every call
  // end
  CHECK(u == Random(1, Purpose::dropout, 40).uniform(3, 1000));
  CHECK(u != Random(1, Purpose::dropout, 41).uniform(3, 1000));
  CHECK(u != Random(1, Purpose::order, 40).uniform(3, 1000));
}

TEST_CASE("loops over vectors") {
  constexpr std::int64_t n = 100'003;
  Tensor<float, 1> tx(n), ty(n);
  for (std::int64_t i = 0; i < n; ++i) tx(i) = float(i % 7) - 3;
  const float* x = tx.data();
  float* y = ty.data();
  // snippet: simd
  parallel_for(n, 1 << 14, [&](std::int64_t begin, std::int64_t end) {       // chunks: on all threads
    cpu::simd([&]<class V>(V) {                                              // V: 4, 8 or 16 floats
      cpu::for_each_vector<V>(end - begin, [&](std::int64_t i, int count) {  // count < V::width at the end alone
        V(0).max(V::load(x + begin + i, count)).store(y + begin + i, count);
      });
    });
  });
  // end
  CHECK(same_bits(ty, relu(tx)));
}

TEST_CASE("Eigen") {
  // snippet: eigen
  Tensor<float, 2> x(3, 4), w(4, 5), y(3, 5);
  x.fill(2), w.fill(3);
  cpu::eigen_map(y.data(), 3, 5).noalias() = cpu::eigen_map(x.data(), 3, 4) * cpu::eigen_map(w.data(), 4, 5);
  // end
  for (auto value : y.span()) CHECK(value == 24);
}

TEST_CASE("the pool hands memory out again") {
  Pool::instance().trim();  // or a block that another case gave back would do
  // snippet: pool
  { Tensor<float, 2> first(50, 300); }
  const auto before = pool_stats().system_allocations;
  { Tensor<float, 2> second(50, 300); }
  const auto asked = pool_stats().system_allocations - before;  // 0
  // end
  CHECK(asked == 0);
}
