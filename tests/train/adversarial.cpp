#include <doctest/doctest.h>

#include <data/files.hpp>
#include <train/toy.hpp>

using namespace quern;

namespace {

const Encoded texts = toy_texts();
const Split split = toy_split(texts);

constexpr Attack fgm{.kind = AttackKind::fgm, .epsilon = 0.8};
constexpr Attack pgd{.kind = AttackKind::pgd, .epsilon = 0.8, .steps = 4};

/// A training that may freeze the word vectors, and crashes after a number of looks at the rule.
struct Crash {};
struct FreezeOrCrash {
  bool freeze_words = false;
  int calls = -1;
  int* made = nullptr;
  ParameterOptions operator()(const std::string& name) const {
    if (calls >= 0 && ++*made == calls) throw Crash{};
    return {.train = !freeze_words || name != "words.weight"};
  }
};

TextCnn<float> trained(const Attack& attack, bool freeze_words = false) {
  auto options = toy_options();
  options.attack = attack, options.epochs = options.patience = 20;
  auto model = toy_model();
  train(model, texts, split, 2, options, {}, FreezeOrCrash{freeze_words});
  return model;
}

Batch first_batch(std::int64_t size = 30) {
  const auto indices = std::span(split.train).first(std::size_t(size));
  return *batches_in_order(texts, indices, size).begin();
}

/// The loss's gradient by the word vectors, which are watched by themselves.
Tensor<float, 2> gradient_at(const TextCnn<float>& model, const Packed<float>& e, const Batch& batch) {
  Tensor<float, 2> gradient(e.rows.shape());
  TextCnn<float> none;
  Tape tape;
  const auto recorded = tape.watch(model, none, TrainNone{});
  const Packed<Recorded<float>> watched{tape.watch(e.rows, gradient), e.offsets};
  tape.backward(cross_entropy(recorded.logits(watched), batch.labels));
  return gradient;
}

double norm_of_text(const Tensor<float, 2>& x, const Offsets& offsets, std::int64_t b) {
  double sum = 0;
  for (auto i = offsets(b); i < offsets(b + 1); ++i)
    for (std::int64_t j = 0; j < x.extent(1); ++j) sum += double(x(i, j)) * double(x(i, j));
  return std::sqrt(sum);
}

/// How far the vectors of the batch were moved.
Tensor<float, 2> moves(const TextCnn<float>& model, const Batch& batch, const Packed<float>& to) {
  auto r = model.embedded(batch).rows;
  for (std::int64_t i = 0; i < r.size(); ++i) r.data()[i] = to.rows.data()[i] - r.data()[i];
  return r;
}

double attacked_loss(const TextCnn<float>& model, const Attack& attack) {
  return evaluate_under_attack(model, texts, split.held, 2, attack).loss;
}

}  // namespace

TEST_CASE("fgm: every text moves by epsilon along its own gradient") {
  const auto model = trained({});
  const Batch batch = first_batch();
  const auto e = model.embedded(batch);
  const auto g = gradient_at(model, e, batch);
  const auto r = moves(model, batch, attacked(model, batch, fgm));
  for (std::int64_t b = 0; b < batch.texts(); ++b) {
    const double slope = norm_of_text(g, e.offsets, b);
    REQUIRE(slope > 0);
    CHECK(norm_of_text(r, e.offsets, b) == doctest::Approx(fgm.epsilon).epsilon(1e-5));
    double far = 0;
    for (auto i = e.offsets(b); i < e.offsets(b + 1); ++i)
      for (std::int64_t j = 0; j < r.extent(1); ++j)
        far = std::max(far, std::abs(r(i, j) - fgm.epsilon * double(g(i, j)) / slope));
    CHECK(far < 1e-6);
  }
  const Batch alone = first_batch(1);  // a text is attacked alike alone and among others
  const auto r1 = moves(model, alone, attacked(model, alone, fgm));
  for (std::int64_t i = 0; i < r1.size(); ++i) CHECK(std::abs(r1.data()[i] - r.data()[i]) < 1e-6);
}

TEST_CASE("pgd: stays in the ball, and one step of size epsilon is fgm") {
  const auto model = trained({});
  const Batch batch = first_batch();
  const auto r = moves(model, batch, attacked(model, batch, pgd));
  bool inside = false;
  for (std::int64_t b = 0; b < batch.texts(); ++b) {
    const double length = norm_of_text(r, batch.offsets, b);
    CHECK(length < pgd.epsilon * (1 + 1e-5));
    inside = inside || length < pgd.epsilon * 0.999;
  }
  CHECK(!inside);  // 4 steps of 2.5/4 epsilon: all have reached the border
  const auto small =
      moves(model, batch, attacked(model, batch, {.kind = AttackKind::pgd, .epsilon = 0.8, .step_size = 0.1}));
  CHECK(norm_of_text(small, batch.offsets, 0) < 0.3 * (1 + 1e-5));
  const Attack one{.kind = AttackKind::pgd, .epsilon = fgm.epsilon, .steps = 1, .step_size = fgm.epsilon};
  CHECK(same_bits(attacked(model, batch, one).rows, attacked(model, batch, fgm).rows));
}

TEST_CASE("evaluate_under_attack: worse than without, by more for a stronger attack, the same for any threads") {
  const auto model = trained({});
  const Metrics clean = evaluate(model, texts, split.held, 2);
  const Attack strong{.kind = AttackKind::fgm, .epsilon = 2};
  const Metrics hit = evaluate_under_attack(model, texts, split.held, 2, strong);
  CHECK(clean.accuracy > 0.9);
  CHECK(hit.accuracy < clean.accuracy - 0.1);
  CHECK(hit.texts == clean.texts);
  CHECK(attacked_loss(model, {}) == clean.loss);
  CHECK(attacked_loss(model, {.kind = AttackKind::fgm, .epsilon = 1e-9}) == doctest::Approx(clean.loss));
  CHECK(attacked_loss(model, {.kind = AttackKind::fgm, .epsilon = 1}) < hit.loss);
  CHECK(attacked_loss(model, {.kind = AttackKind::pgd, .epsilon = 2}) > hit.loss);
  const int before = threads();
  for (const int n : {1, 2, 5}) {
    set_threads(n);
    CHECK(evaluate_under_attack(model, texts, split.held, 2, strong).loss == hit.loss);
  }
  set_threads(before);
}

TEST_CASE("adversarial training: one step is that of the sum of both losses") {
  TrainOptions options = toy_options();
  options.attack = pgd;
  auto model = toy_model();
  model.dropout = 0;
  auto by_hand = model;
  const Batch batch = first_batch();
  TrainStep<TextCnn, float> step(model, 2, options, TrainAll{});
  const double loss = step(batch, 0);
  auto grads = zeros_like(by_hand);
  Adam adam(by_hand, {.rate = options.rate, .decoupled = true});
  {
    Tape tape;
    const auto clean = cross_entropy(tape.watch(by_hand, grads)(batch), batch.labels);
    CHECK(double(clean.item()) == loss);
    tape.backward(clean);
  }
  const auto e = attacked(by_hand, batch, pgd);
  auto de = Tensor<float, 2>(e.rows.shape());
  {
    Tape tape;
    const auto recorded = tape.watch(
        by_hand, grads, [](const std::string& name) { return ParameterOptions{.train = name != "words.weight"}; });
    tape.backward(
        cross_entropy(recorded.logits(Packed<Recorded<float>>{tape.watch(e.rows, de), e.offsets}), batch.labels));
  }
  embedding_backward_into(grads.words.weight, de, {batch.ids.share(), by_hand.words.weight.shape()});
  adam.step(by_hand, grads);
  CHECK(same_weights(model, by_hand));
}

TEST_CASE("adversarial training: makes the attack weaker, and the same bytes for 1, 2 and 5 threads") {
  const auto plain = trained({}), hard = trained(fgm), harder = trained(pgd);
  CHECK(attacked_loss(hard, fgm) < attacked_loss(plain, fgm) / 2);
  CHECK(attacked_loss(hard, pgd) < attacked_loss(plain, pgd) / 2);
  CHECK(attacked_loss(harder, pgd) < attacked_loss(hard, pgd) / 2);
  for (const auto* model : {&plain, &hard, &harder}) CHECK(evaluate(*model, texts, split.held, 2).accuracy > 0.9);
  const int before = threads();
  for (const int n : {1, 5}) {
    set_threads(n);
    CHECK(same_weights(trained(fgm), hard));
    CHECK(same_weights(trained(pgd), harder));
  }
  set_threads(before);
}

TEST_CASE("adversarial training: of word vectors that are not trained") {
  const auto plain = trained({}, true), hard = trained(fgm, true);
  CHECK(same_bits(hard.words.weight, toy_model().words.weight));
  CHECK(!same_bits(hard.out.weight, plain.out.weight));
  CHECK(attacked_loss(hard, fgm) < attacked_loss(plain, fgm));
}

TEST_CASE("adversarial training: a crash anywhere changes nothing") {
  auto options = toy_options();
  options.epochs = 3;
  for (const Attack& attack : {fgm, pgd}) {
    options.attack = attack;
    auto expected = toy_model(), model = toy_model();
    train(expected, texts, split, 2, options, {}, FreezeOrCrash{});
    const TemporaryFolder folder;
    TrainHooks hooks{.checkpoint = folder / "checkpoint", .checkpoint_seconds = 0, .resume = true};
    int crashes = 0;
    for (bool ended = false; !ended && crashes < 40;) {
      model = toy_model();
      int made = 0;
      try {
        train(model, texts, split, 2, options, hooks, FreezeOrCrash{false, 200 + 37 * crashes, &made});
        ended = true;
      } catch (Crash) { ++crashes; }
    }
    CHECK(crashes > 1);
    CHECK(same_weights(model, expected));
  }
  // A checkpoint of another attack is refused.
  const TemporaryFolder folder;
  std::atomic<bool> stop = true;
  TrainHooks hooks{.stop = &stop, .checkpoint = folder / "checkpoint", .resume = true};
  auto model = toy_model();
  train(model, texts, split, 2, options, hooks, FreezeOrCrash{});
  options.attack.epsilon = 0.7;
  CHECK(holds(error_of([&] { train(model, texts, split, 2, options, hooks, FreezeOrCrash{}); }),
              "epsilon: then 0.8, now 0.7"));
}

TEST_CASE("attacks: wrong calls") {
  const auto message = [](const Attack& attack) {
    return error_of<InvalidArgument>([&] { attacked(toy_model(), first_batch(), attack); });
  };
  CHECK(holds(message({.kind = AttackKind::fgm, .epsilon = 0}), "epsilon above 0, got 0"));
  CHECK(holds(message({.kind = AttackKind::fgm, .epsilon = std::nan("")}), "epsilon"));
  CHECK(holds(message({.kind = AttackKind::pgd, .steps = 0}), "at least 1 step, got 0"));
  CHECK(holds(message({.kind = AttackKind::pgd, .step_size = -1}), "at least 0, got -1"));
  CHECK(holds(error_of([] { attack_named("hfgm"); }), "'hfgm' is not known; expected none, fgm or pgd"));
  for (const auto kind : {AttackKind::none, AttackKind::fgm, AttackKind::pgd})
    CHECK(attack_named(name_of(kind)) == kind);
}
