/// The code of the tour's side roads and of the architecture's parts on observers and bf16; see snippets.cpp.
#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include <data/files.hpp>
#include <quern/autograd/finite_check.hpp>
#include <quern/io/onnx.hpp>
#include <quern/quern.hpp>

// snippet: side-includes
#include <quern/cpu/eigen.hpp>      // Eigen's matrices
#include <quern/data/augment.hpp>   // more texts
#include <quern/data/survey.hpp>    // looking at data
#include <quern/data/xz.hpp>        // needs liblzma
#include <quern/io/jsonl.hpp>       // needs nlohmann-json
#include <quern/text/clean.hpp>     // needs utf8proc
#include <quern/train/trainer.hpp>  // hooks, attacks; needs nlohmann-json
// end

using namespace quern;

namespace {

const std::string reviews = QUERN_SOURCE_DIR "/examples/data/reviews_en/train.csv";

template <class T = float>
struct Layer {
  nn::Linear<T> linear{4, 3};
  static void visit(auto&& f, auto&... m) { f("linear", m.linear...); }
  auto operator()(const auto& x) const { return linear(x); }  // [B, 4] → [B, 3]
};

}  // namespace

TEST_CASE("reading, looking, cleaning") {
  const TemporaryFolder folder;
  const std::string path = folder.write("cafe.jsonl",
                                        "{\"text\": \"Caf&eacute;<br>open\", \"label\": \"pos\"}\n{\"text\": "
                                        "\"Caf&eacute;<br>open\", \"label\": \"neg\"}\n");
  // snippet: tour-read
  auto [data, notes] = read_dataset(path, {.readers = {.xz = read_xz, .jsonl = read_jsonl}});
  const Survey found = survey(data, Tokenizer::words());  // found.tokens.p95, found.duplicates, found.contradictions
  const Cleaner cleaner{clean_named("default"), clean};   // html, control, nfc, space
  data.texts = cleaner(data.texts);                       // "Caf&eacute;<br>open" → "Café open"
  // end
  CHECK(data.texts[0] == "Café open");
  REQUIRE(found.contradictions.size() == 1);
  CHECK(data.lines[std::size_t(found.contradictions[0][1])] == 2);
}

TEST_CASE("augmentation and attacks") {
  constexpr std::uint64_t seed = 1;
  const TemporaryFolder folder;
  const std::string list = folder.write("synonyms.tsv", "film\tmovie,picture\n");
  const Tokenizer tokenizer = Tokenizer::words();
  const auto data = read_dataset(reviews).data;
  const Split split = stratified_split(data.labels, 2, 0.1, seed);
  const Vocabulary vocabulary = Vocabulary::of(data.texts, tokenizer);
  const Encoded texts = encode(data.texts, tokenizer, vocabulary, data.labels);
  const auto model = make_text_cnn({.vocabulary = vocabulary.size(), .classes = 2, .embedding = 8, .filters = 4}, seed);
  // snippet: tour-augment
  const SynonymIds synonyms(read_synonyms(list, tokenizer), vocabulary);
  TrainHooks hooks;
  hooks.texts_of_epoch = [&](std::int64_t epoch) {
    return augment(texts, split.train, {.copies = 4, .rate = 0.1}, synonyms, seed, std::uint32_t(epoch));
  };
  // end
  CHECK(hooks.texts_of_epoch(0).size() == 5 * std::int64_t(split.train.size()));
  CHECK(hooks.texts_of_epoch(0).ids != hooks.texts_of_epoch(1).ids);

  // snippet: tour-attack
  const TrainOptions hardened{.attack = {.kind = AttackKind::fgm, .epsilon = 0.5}};  // given to train()
  const Metrics hit = evaluate_under_attack(model, texts, split.held, 2, {.kind = AttackKind::pgd, .epsilon = 0.5});
  // end
  CHECK(hardened.attack.steps_taken() == 1);
  CHECK(hit.texts == std::int64_t(split.held.size()));
  CHECK(hit.loss > evaluate_under_attack(model, texts, split.held, 2, {}).loss);
}

TEST_CASE("a program's own Eigen matrices") {
  Layer<> model;
  initialise(model, 1);
  Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> features = Eigen::MatrixXf::Random(5, 4);
  // snippet: tour-eigen
  const auto x = borrow(features);   // Tensor<float, 2> over the row-major matrix: nothing is copied
  const auto p = softmax(model(x));  // [B, 3]
  const Eigen::VectorXf surest = cpu::eigen_map(p).rowwise().maxCoeff();
  // end
  CHECK(static_cast<const void*>(x.data()) == features.data());
  for (int i = 0; i < 5; ++i) CHECK(surest(i) == std::max({p(i, 0), p(i, 1), p(i, 2)}));
}

TEST_CASE("somebody looks on") {
  Layer<> model;
  initialise(model, 1);
  model.linear.bias(1) = NAN;
  Layer<> grads = zeros_like(model);
  const auto x = Tensor<float, 2>::of({1, 4}, {1, 2, 3, 4});
  const auto labels = Ids::of({1}, {0});
  const auto step = [&] {
    // snippet: observe
    FiniteCheck check;  // or a Trace, a Stepper, a TapeObserver of your own
    Tape tape;
    tape.observe(&check);  // before watch
    tape.backward(cross_entropy(tape.watch(model, grads)(x), labels));
    // end
  };
  CHECK_THROWS_AS(step(), FiniteCheck::Failure);
  model.linear.bias(1) = 0;
  CHECK_NOTHROW(step());
}

TEST_CASE("bf16 computes, float is stepped") {
  Layer<> model;
  initialise(model, 1);
  Layer<> grads = zeros_like(model);
  Adam adam(model, {.rate = 1e-5});
  const auto x = Tensor<bf16, 2>::of({1, 4}, {bf16(1.0f), bf16(2.0f), bf16(3.0f), bf16(4.0f)});
  const auto labels = Ids::of({1}, {0});
  const Layer<> before = model;
  // snippet: mixed
  MixedPrecision mixed(model);  // model, grads and adam in float
  Tape tape;
  tape.backward(cross_entropy(tape.watch(mixed.working(), mixed.gradients())(x), labels));
  mixed.step(adam, model, grads);  // steps model, rounds it into mixed.working()
  // end
  static_assert(std::is_same_v<std::remove_cvref_t<decltype(mixed.working())>, Layer<bf16>>);
  walk_tensors([](const Path&, const auto& w, const auto& was) { CHECK(!same_bits(w, was)); }, model, before);
}

TEST_CASE("a model as an ONNX file") {
  const TemporaryFolder folder;
  const std::string path = folder / "model.onnx";
  const auto model = make_text_cnn({.vocabulary = 20, .classes = 2, .embedding = 4, .filters = 3}, 1);
  // snippet: onnx
  save_onnx(model, path, {"negative", "positive"});  // quern/io/onnx.hpp; needs protozero and nlohmann-json
  // end
  CHECK(read_file(path).size() > model.words.weight.bytes());
}
