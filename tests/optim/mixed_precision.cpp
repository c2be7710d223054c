#include <quern/optim/mixed_precision.hpp>

#include <quern/loss/cross_entropy.hpp>
#include <quern/models/text_cnn.hpp>
#include <quern/optim/adam.hpp>

#include "support/draw.hpp"
#include "support/expect_invalid.hpp"
#include "support/gradients.hpp"

using namespace test;

namespace {

/// Texts of random words; the label is whether some word is among the first ten.
Batch drawn_batch(std::int64_t texts, std::uint32_t stream) {
  std::vector<std::vector<std::int32_t>> words;
  std::vector<std::int32_t> labels;
  for (auto length : drawn_lengths(std::size_t(texts), 9, stream)) {
    const auto ids = drawn_ids(length, 120, stream + 1000 + std::uint32_t(words.size()));
    words.emplace_back(ids.span().begin(), ids.span().end());
    labels.push_back(*std::min_element(words.back().begin(), words.back().end()) < 10);
  }
  return to(pack(words, labels), test_device());
}

TextCnn<> make_model() {
  return to(make_text_cnn(
                {.vocabulary = 200, .classes = 2, .embedding = 16, .filters = 8, .widths = {1, 3}, .dropout = 0}, 5),
            test_device());
}

/// Adds the gradient of one batch; gives the loss.
template <class T>
double add_gradient(const TextCnn<T>& model, TextCnn<T>& grads, const Batch& batch) {
  Tape tape;
  const auto loss = cross_entropy(tape.watch(model, grads)(batch), batch.labels);
  tape.backward(loss);
  return double(loss.item());
}

std::int64_t differing(const TextCnn<bf16>& a, const TextCnn<bf16>& b) {
  std::int64_t n = 0;
  walk_tensors([&](const Path&, const auto& x, const auto& y) { n += !same_bits(x, y); }, a, b);
  return n;
}

}  // namespace

TEST_CASE("a text CNN trained in bf16 with float weights follows the one trained in float") {
  auto model = make_model(), master = make_model();
  auto grads = zeros_like(model), master_grads = zeros_like(master);
  Adam adam(model, {.rate = 5e-3}), master_adam(master, {.rate = 5e-3});
  MixedPrecision mixed(master);
  double first = 0, last = 0, worst = 0;
  for (std::uint32_t step = 0; step < 60; ++step) {
    const auto batch = drawn_batch(64, step % 4);
    const double loss = add_gradient(model, grads, batch);
    adam.step(model, grads);
    const double low = add_gradient(mixed.working(), mixed.gradients(), batch);
    mixed.step(master_adam, master, master_grads);
    if (step == 0) first = loss;
    last = loss, worst = std::max(worst, std::abs(low - loss));
    if (step % 10 == 0) CHECK(differing(mixed.working(), cast<bf16>(master)) == 0);
  }
  MESSAGE("loss in float ", first, " to ", last, ", largest difference ", worst);
  CHECK(last < first / 4);
  CHECK(worst <= 0.005);
}

TEST_CASE("bf16 weights without float ones stall, where a step is less than they can show") {
  const auto batch = drawn_batch(has_cuda ? 8 : 64, 1);
  auto plain = cast<bf16>(make_model());
  auto plain_grads = zeros_like(plain);
  auto master = make_model();
  auto grads = zeros_like(master);
  MixedPrecision mixed(master);
  const int steps = has_cuda ? 200 : 800;  // an emulated GPU takes its time
  const Sgd sgd{.rate = 2e-4};
  auto loss_of = [&](const TextCnn<bf16>& m) {  // with float's digits
    return double(cross_entropy(cast<float>(m)(batch), batch.labels).item());
  };
  const double before = loss_of(plain);
  for (int step = 0; step < steps; ++step) {
    add_gradient(plain, plain_grads, batch);
    sgd.step(plain, plain_grads);
    add_gradient(mixed.working(), mixed.gradients(), batch);
    mixed.step(sgd, master, grads);
    if (step % 20 == 0) CHECK(differing(mixed.working(), cast<bf16>(master)) == 0);  // refreshed by touched rows
  }
  const double without = before - loss_of(plain), with = before - loss_of(mixed.working());
  MESSAGE("loss ", before, ", less ", with, " with float weights, less ", without, " without");
  CHECK(with > (has_cuda ? 5e-4 : 0.01));
  CHECK(without < with / 4);
}

TEST_CASE("gradients are collected in float, row-sparse ones by row, and sum over batches") {
  auto model = make_model();
  MixedPrecision mixed(model);
  auto grads = zeros_like(model), twice = zeros_like(model);
  const auto batch = drawn_batch(3, 2);
  add_gradient(mixed.working(), mixed.gradients(), batch);
  const auto low = cast<float>(mixed.gradients());
  mixed.collect(grads);
  CHECK(same_bits(grads.words.weight, low.words.weight));
  CHECK(same_bits(grads.windows[1].weight, low.windows[1].weight));
  CHECK(same_bits(grads.out.bias, low.out.bias));
  CHECK(is_row_sparse(grads.words.weight));
  const auto ids = on_host(batch.ids);
  for (auto row : listed_rows(grads.words.weight))
    CHECK(std::find(ids.span().begin(), ids.span().end(), row) != ids.span().end());
  CHECK(count_parameters(mixed.gradients()) == count_parameters(model));
  const auto cleared = on_host(mixed.gradients().words.weight);
  for (auto g : cleared.span()) CHECK(float(g) == 0);
  for (int i = 0; i < 2; ++i) {
    add_gradient(mixed.working(), mixed.gradients(), batch);
    mixed.collect(twice);
  }
  const auto sum = on_host(twice.out.weight), once = on_host(low.out.weight);
  for (std::int64_t i = 0; i < once.size(); ++i) CHECK(sum.data()[i] == 2 * once.data()[i]);
}

TEST_CASE("mixed precision names a parameter whose gradient has another shape") {
  auto model = make_model();
  MixedPrecision mixed(model);
  auto grads = zeros_like(model);
  grads.out.bias = Tensor<float, 1>(3);
  const auto message = message_of<InvalidArgument>([&] { mixed.collect(grads); });
  expect_message(message, {"mixed_precision: ", "out.bias", "[2] in bf16", "[3] in float", "zeros_like"});
}
