/// Parity with PyTorch on the same weights: goldens/make_bert.py made the folders and what is expected. With
/// QUERN_BERT_FOLDER it is a folder of another shape that is compared, and the figures are printed.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <quern/io/hugging_face.hpp>
#include <quern/loss/cross_entropy.hpp>
#include <quern/optim/adam.hpp>
#include <quern/optim/layerwise_decay.hpp>

using namespace quern;

namespace {

const std::string shipped = QUERN_SOURCE_DIR "/tests/goldens/";

/// A tensor of a file, of whatever extents.
template <class T, int Rank>
Tensor<T, Rank> read(const SafetensorsFile& file, const std::string& name) {
  Shape<Rank> shape;
  const auto& extents = file.tensors().at(name).shape;
  REQUIRE(extents.size() == std::size_t(Rank));
  std::copy(extents.begin(), extents.end(), shape.extents.begin());
  Tensor<T, Rank> x(shape);
  file.read(name, x);
  return x;
}

struct Golden {
  SafetensorsFile file;
  explicit Golden(const std::string& folder) : file(folder + "/goldens.safetensors") {}

  bool has(const std::string& name) const { return file.tensors().contains(name); }
  Tensor<std::int32_t, 1> ids(std::int64_t k, const char* what) const {
    return read<std::int32_t, 1>(file, text_of("batch.", k, ".", what));
  }
  std::int64_t batches() const {
    std::int64_t n = 0;
    while (has(text_of("batch.", n, ".ids"))) ++n;
    return n;
  }
  Batch batch(std::int64_t k) const {
    return {ids(k, "ids"), read<std::int64_t, 1>(file, text_of("batch.", k, ".offsets")), ids(k, "labels"),
            ids(k, "types")};
  }
};

struct Norms {
  double difference = 0, size = 0;
};
template <class T, int Rank>
Norms norms(const Tensor<T, Rank>& a, const Tensor<T, Rank>& b) {
  Norms n;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    const double d = double(a.data()[i]) - double(b.data()[i]);
    n.difference += d * d, n.size += double(b.data()[i]) * double(b.data()[i]);
  }
  return {std::sqrt(n.difference), std::sqrt(n.size)};
}

/// f(name, what PyTorch has as "kind.name", what we have) for every parameter.
void each(const Golden& golden, const std::string& kind, const auto& model, auto&& f) {
  walk_tensors(
      [&](const Path& path, const auto& x) {
        using X = std::remove_cvref_t<decltype(x)>;
        const std::string name = hugging_face_name(path.text());
        f(name, read<typename X::Element, X::rank>(golden.file, kind + "." + name), x);
      },
      model);
}

void expect_logits(const Golden& golden, const Tensor<float, 2>& logits) {
  const auto expected = read<float, 2>(golden.file, "logits");
  REQUIRE(logits.shape() == expected.shape());
  double worst = 0;
  for (std::int64_t i = 0; i < logits.size(); ++i)
    worst = std::max(worst, std::abs(double(logits.data()[i]) - double(expected.data()[i])));
  CHECK(worst <= 1e-5);
  std::printf("  logits: at most %.1e from PyTorch's\n", worst);
}

/// ‖a - b‖ ≤ 1e-4 ‖b‖ + 1e-6 · the largest norm. Gives the names of those whose gradient is below that floor.
std::vector<std::string> expect_gradients(const Golden& golden, const auto& grads) {
  double largest = 0, worst = 0;
  each(golden, "gradient", grads,
       [&](const auto&, const auto& b, const auto& a) { largest = std::max(largest, norms(a, b).size); });
  std::vector<std::string> vanishing;
  each(golden, "gradient", grads, [&](const std::string& name, const auto& b, const auto& a) {
    const Norms n = norms(a, b);
    const double difference = n.difference, size = n.size;
    CHECK_MESSAGE(difference <= 1e-4 * size + 1e-6 * largest, name, ": differs by ", difference, " of ", size);
    if (size <= 1e-6 * largest) {
      vanishing.push_back(name);
    } else {
      worst = std::max(worst, difference / size);
    }
  });
  std::printf("  gradients: at most %.1e of their norm from PyTorch's; %zu vanish:\n", worst, vanishing.size());
  for (const auto& name : vanishing) std::printf("    %s\n", name.c_str());
  return vanishing;
}

/// The weights after ten steps, and how far they moved. A key's bias, whose gradient is zero but for rounding, is moved
/// by rounding alone.
void expect_steps(const Golden& golden, const auto& start, const auto& model,
                  const std::vector<std::string>& vanishing) {
  double worst = 0, moved = 0;
  std::map<std::string, Norms> way;
  walk_tensors(
      [&](const Path& path, const auto& from, const auto& to) {
        const std::string name = hugging_face_name(path.text());
        using X = std::remove_cvref_t<decltype(to)>;
        const auto expected = read<typename X::Element, X::rank>(golden.file, "after." + name);
        if (std::find(vanishing.begin(), vanishing.end(), name) != vanishing.end()) return;
        const Norms n = norms(to, expected);
        const double difference = n.difference, size = n.size;
        CHECK_MESSAGE(difference <= 1e-4 * size, name, ": differs by ", difference, " of ", size, " after ten steps");
        worst = std::max(worst, difference / size);
        moved = std::max(moved, difference / norms(from, expected).difference);
      },
      start, model);
  std::printf("  ten steps of AdamW: weights at most %.1e of their norm from PyTorch's, %.1e of their way\n", worst,
              moved);
  CHECK(moved <= 1e-2);
}

}  // namespace

TEST_CASE("bert: logits, gradients and ten steps of AdamW are PyTorch's") {
  const char* given = std::getenv("QUERN_BERT_FOLDER");
  const std::string folder = given ? given : shipped + "bert_classifier";
  const Golden golden(folder);
  auto model = load_bert_classifier(folder).model;
  expect_logits(golden, model(golden.batch(0)));
  auto grads = zeros_like(model);
  const auto pass = [&](std::int64_t k) {  // without a random stream: nothing is dropped
    const Batch batch = golden.batch(k);
    Tape tape;
    const auto loss = cross_entropy(tape.watch(model, grads)(batch), batch.labels);
    tape.backward(loss);
    return loss.item();
  };
  CHECK(double(pass(0)) == doctest::Approx(double(read<float, 1>(golden.file, "loss")(0))).epsilon(1e-5));
  const auto vanishing = expect_gradients(golden, grads);
  const auto rule = layerwise_decay(std::int64_t(model.bert.blocks.size()), 1);
  Adam adam(model, {.rate = double(read<float, 1>(golden.file, "rate")(0)), .weight_decay = 0.01, .decoupled = true},
            rule);
  const auto start = model;
  grads = zeros_like(model);
  for (std::int64_t step = 0; step < 10; ++step) {
    pass(step % golden.batches());
    adam.step(model, grads, rule);
  }
  expect_steps(golden, start, model, vanishing);
}

TEST_CASE("bert: the masked language model's logits and gradients are PyTorch's") {
  if (std::getenv("QUERN_BERT_FOLDER")) return;
  const Golden golden(shipped + "bert_masked_lm");
  const auto model = load_bert_masked_lm(shipped + "bert_masked_lm").model;
  const Batch batch = golden.batch(0);
  expect_logits(golden, model(batch, golden.ids(0, "rows")));
  auto grads = zeros_like(model);
  Tape tape;
  tape.backward(cross_entropy(tape.watch(model, grads)(batch, golden.ids(0, "rows")), batch.labels));
  CHECK(tape.without_gradient().empty());
  CHECK(expect_gradients(golden, grads) == std::vector<std::string>{"encoder.layer.0.attention.self.key.bias"});
}
