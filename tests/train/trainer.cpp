#include <doctest/doctest.h>

#include <data/files.hpp>
#include <train/toy.hpp>

using namespace quern;

namespace {
const Encoded texts = toy_texts();
const Split split = toy_split(texts);

/// A text CNN beside two parameters nobody uses.
template <class T = float>
struct WithUnused {
  TextCnn<T> inner;
  Tensor<T, 1> first_unused, second_unused;
  static void visit(auto&& f, auto&... m) {
    f("inner", m.inner...), f("first_unused", m.first_unused...), f("second_unused", m.second_unused...);
  }
  auto operator()(const Batch& batch) const { return inner(batch); }
};
}  // namespace

TEST_CASE("train: learns, reports every epoch and keeps the weights of the best") {
  auto model = toy_model();
  const double before = evaluate(model, texts, split.held, 2).accuracy;
  const TrainResult r = train(model, texts, split, 2, toy_options());
  CHECK(before < 0.8);
  CHECK(r.dev.accuracy > 0.9);
  CHECK(r.history.size() == 6);
  CHECK(r.history.back().train_loss < r.history.front().train_loss);
  CHECK(r.dev.texts == std::int64_t(split.held.size()));
  double least = 1e9;
  for (const auto& e : r.history) least = std::min(least, e.dev_loss);
  CHECK(r.history[std::size_t(r.kept_epoch)].dev_loss == least);
  CHECK(r.dev.loss == least);  // the weights in the model are those
  CHECK(evaluate(model, texts, split.held, 2).loss == least);
  CHECK(r.seconds > 0);
  CHECK(r.texts_per_second > 0);
}

TEST_CASE("train: the same bytes for 1, 2 and 5 threads, others for another seed") {
  const int before = threads();
  std::vector<TextCnn<float>> models;
  for (const int n : {1, 2, 5}) {
    set_threads(n);
    models.push_back(toy_model());
    train(models.back(), texts, split, 2, toy_options());
  }
  set_threads(before);
  CHECK(same_weights(models[0], models[1]));
  CHECK(same_weights(models[0], models[2]));
  auto options = toy_options();
  options.seed = 2;
  auto other = toy_model();
  train(other, texts, split, 2, options);
  CHECK(!same_weights(models[0], other));
}

TEST_CASE("train: stops when patience is over") {
  auto options = toy_options();
  options.epochs = 50, options.patience = 2, options.rate = 0.1;
  auto model = toy_model();
  const TrainResult r = train(model, texts, split, 2, options);
  CHECK(std::int64_t(r.history.size()) == r.kept_epoch + 3);
  CHECK(r.history.size() < 50);
}

TEST_CASE("train: without development texts the last epoch is kept") {
  const Split all{split.train, {}};
  auto model = toy_model(), same = toy_model();
  const TrainResult r = train(model, texts, all, 2, toy_options());
  CHECK(r.kept_epoch == 5);
  CHECK(r.dev.texts == 0);
  CHECK(r.history.size() == 6);
  train(same, texts, all, 2, toy_options());
  CHECK(same_weights(model, same));
  CHECK(!same_weights(model, toy_model()));
}

TEST_CASE("train: frozen weights stay, their neighbours move") {
  auto model = toy_model();
  const auto rule = [](const std::string& name) { return ParameterOptions{.train = name != "words.weight"}; };
  train(model, texts, split, 2, toy_options(), {}, rule);
  CHECK(same_bits(model.words.weight, toy_model().words.weight));
  CHECK(!same_bits(model.out.weight, toy_model().out.weight));
}

TEST_CASE("train: options change what they should") {
  const auto trained = [](auto change) {
    auto options = toy_options();
    options.epochs = 2;
    change(options);
    auto model = toy_model();
    train(model, texts, split, 2, options);
    return model;
  };
  const auto plain = trained([](auto&) {});
  CHECK(same_weights(plain, trained([](auto&) {})));
  CHECK(!same_weights(plain, trained([](auto& o) { o.weight_decay = 0.1; })));
  CHECK(!same_weights(plain, trained([](auto& o) { o.clip = 0.01; })));
  CHECK(same_weights(plain, trained([](auto& o) { o.clip = 1e6; })));
  CHECK(!same_weights(plain, trained([](auto& o) { o.warmup = 5; })));
  CHECK(!same_weights(plain, trained([](auto& o) { o.label_smoothing = 0.1; })));
  CHECK(!same_weights(plain, trained([](auto& o) { o.class_weights = {1, 2}; })));
  CHECK(same_weights(plain, trained([](auto& o) { o.class_weights = {1, 1}; })));
}

TEST_CASE("train: weight decay leaves biases alone") {
  auto options = toy_options();
  options.epochs = 1, options.batch = 1000, options.rate = 1e-3, options.weight_decay = 100;  // one step, 10 % decay
  auto decayed = toy_model(), plain = toy_model();
  train(decayed, texts, {split.train, {}}, 2, options);
  options.weight_decay = 0;
  train(plain, texts, {split.train, {}}, 2, options);
  CHECK(same_bits(decayed.out.bias, plain.out.bias));
  CHECK(same_bits(decayed.windows[1].bias, plain.windows[1].bias));
  CHECK(!same_bits(decayed.out.weight, plain.out.weight));
}

TEST_CASE("train: a loss that is not finite names epoch, step and lines, and the best weights stay") {
  auto model = toy_model();
  model.out.weight(0, 0) = std::numeric_limits<float>::quiet_NaN();
  std::vector<std::int64_t> lines;
  for (std::int64_t i = 0; i < texts.size(); ++i) lines.push_back(1000 + i);
  TrainHooks hooks;
  hooks.source = "reviews.csv", hooks.lines = lines;
  CHECK(holds(error_of<Diverged>([&] { train(model, texts, split, 2, toy_options(), hooks); }), "loss is nan",
              "epoch 1, step 1", "texts of lines 1", "of reviews.csv", "no epoch had ended"));

  // A rate that grows beyond all bounds breaks a later epoch.
  auto options = toy_options();
  options.rate = 0.02;
  auto sound = toy_model();
  std::atomic<bool> never = false;
  struct Breaking {  // after two epochs the embedding of a common token is no number any more
    TextCnn<float>& model;
    mutable int asked = 0;
    ParameterOptions operator()(const std::string& name) const {
      if (name == "words.weight" && ++asked == 60) model.words.weight.fill(std::nanf(""));
      return {};
    }
  };
  hooks.stop = &never;
  try {
    train(sound, texts, split, 2, options, hooks, Breaking{sound});
    FAIL("nothing was thrown");
  } catch (const Diverged& e) {
    CHECK(holds(e.what(), "the best, are kept"));
    CHECK(e.result.kept_epoch >= 0);
    CHECK(std::isfinite(evaluate(sound, texts, split.held, 2).loss));
    CHECK(evaluate(sound, texts, split.held, 2).loss == e.result.dev.loss);
  }
}

TEST_CASE("train: a loss that is no number after the last step names the last epoch") {
  auto model = toy_model();
  auto options = toy_options();
  options.epochs = 1, options.batch = 1000, options.rate = 1e30;  // one step, which breaks the weights
  CHECK(holds(error_of<Diverged>([&] {
                train(model, texts, {split.train, {}}, 2, options);
              }),
              "the loss after the last step is", "in epoch 1, step 1;"));
}

TEST_CASE("train: figures are given with the number of steps made") {
  struct Given {
    std::string tag;
    double value;
    std::int64_t step;
  };
  std::vector<Given> given;
  TrainHooks hooks;
  hooks.scalar = [&](const char* tag, double value, std::int64_t step) { given.push_back({tag, value, step}); };
  hooks.scalar_steps = 5;
  auto model = toy_model(), same = toy_model();
  const TrainResult r = train(model, texts, split, 2, toy_options(), hooks);
  const std::int64_t steps = (std::int64_t(split.train.size()) + 6) / 7;  // of an epoch
  std::int64_t batches = 0, epochs = 0;
  for (const auto& g : given) {
    if (g.tag == "loss/batch") CHECK(g.step == 5 * ++batches);
    if (g.tag == "learning_rate") CHECK(g.value == 0.02);
    if (g.tag == "loss/train") CHECK(g.value == r.history[std::size_t(epochs)].train_loss);
    if (g.tag != "macro_f1/dev") continue;
    CHECK(g.value == r.history[std::size_t(epochs)].dev_macro_f1);
    CHECK(g.step == steps * ++epochs);
  }
  CHECK(batches == 6 * steps / 5);
  CHECK(epochs == 6);
  train(same, texts, split, 2, toy_options());
  CHECK(same_weights(model, same));  // being looked at changes nothing
}

TEST_CASE("train: a parameter the loss does not depend on is an error") {
  WithUnused<> model{toy_model(), Tensor<float, 1>(3), Tensor<float, 1>(2)};
  CHECK(holds(error_of([&] { train(model, texts, split, 2, toy_options()); }),
              "does not depend on first_unused, second_unused"));
  const auto rule = [](const std::string& name) { return ParameterOptions{.train = !name.ends_with("unused")}; };
  CHECK(error_of([&] { train(model, texts, split, 2, toy_options(), {}, rule); }) == "nothing was thrown");
}

TEST_CASE("train: wrong calls") {
  auto model = toy_model();
  auto options = toy_options();
  options.class_weights = {1, 2, 3};
  CHECK(holds(error_of<InvalidArgument>([&] { train(model, texts, split, 2, options); }), "3 class weights for 2"));
  CHECK(holds(error_of<InvalidArgument>([&] { train(model, texts, {}, 2, toy_options()); }), "no texts"));
  options = toy_options();
  options.epochs = 0;
  CHECK(holds(error_of<InvalidArgument>([&] { train(model, texts, split, 2, options); }), "epochs 0"));
  options = toy_options();
  options.attack.kind = AttackKind::fgm;
  WithUnused<> whole{toy_model(), {}, {}};
  CHECK(holds(error_of<InvalidArgument>([&] { train(whole, texts, split, 2, options); }), "a model in two parts"));
}

TEST_CASE("train: asks for no tensor memory once it has seen the longest batch") {
  auto model = toy_model();
  auto options = toy_options();
  std::vector<std::uint64_t> asked;
  struct Watching {
    std::vector<std::uint64_t>& asked;
    ParameterOptions operator()(const std::string& name) const {
      if (name == "words.weight") asked.push_back(pool_stats().system_allocations);
      return {};
    }
  };
  options.epochs = 12;
  train(model, texts, split, 2, options, {}, Watching{asked});
  CHECK(asked.size() > 200);
  CHECK(asked.back() == asked[asked.size() / 2]);
}

TEST_CASE("train: the first step as a page; a step that breaks is kept, and its first bad op named") {
  const TemporaryFolder folder;
  TrainHooks hooks;
  hooks.trace = folder / "step.html", hooks.failed_step = folder / "failed_step.safetensors";
  auto plain = toy_model(), traced = toy_model();
  auto options = toy_options();
  options.epochs = 2;
  train(plain, texts, split, 2, options);
  train(traced, texts, split, 2, options, hooks);
  CHECK(same_weights(plain, traced));
  CHECK(holds(read_file(folder / "step.html"), "\"title\":\"Step 1\"", "7 texts", "windows.2"));
  CHECK(list_folder(folder.path) == std::vector<std::string>{"step.html"});

  auto model = toy_model(), again = toy_model(2);
  model.words.weight.fill(2), model.windows[1].weight.fill(3e38f);
  const std::string said = error_of<Diverged>([&] { train(model, texts, split, 2, options, hooks); });
  CHECK(holds(said, "what broke first: conv1d_relu_max_over_time 2 (windows.1), forward", hooks.failed_step.c_str()));
  const std::string found = error_of([&] { rerun_failed_step(hooks.failed_step, again); });
  CHECK(holds(said, found.c_str()));
}

TEST_CASE("train in bf16: learns, keeps float weights, goes on after a stop with the same bytes") {
  auto model = toy_model(), in_float = toy_model();
  auto options = toy_options();
  options.attack = {.kind = AttackKind::fgm, .epsilon = 0.1}, options.clip = 5;
  const TrainResult r = train_in<bf16>(model, texts, split, 2, options);
  train(in_float, texts, split, 2, options);
  CHECK(r.dev.accuracy > 0.9);
  CHECK(!same_weights(model, in_float));
  std::int64_t fine = 0;  // weights with more digits than bf16 has
  walk_tensors(
      [&](const Path&, const auto& w) {
        for (std::int64_t i = 0; i < w.size(); ++i) fine += float(bf16(w.data()[i])) != w.data()[i];
      },
      model);
  CHECK(fine > count_parameters(model) / 2);

  const TemporaryFolder folder;
  TrainHooks hooks{.checkpoint = folder / "checkpoint.safetensors", .resume = true};
  std::atomic<bool> stop = false;
  hooks.stop = &stop;
  hooks.scalar = [&](const char*, double, std::int64_t step) { stop = step == 20; };
  hooks.scalar_steps = 1;
  auto resumed = toy_model();
  CHECK(train_in<bf16>(resumed, texts, split, 2, options, hooks).interrupted);
  stop = false, hooks.scalar = {};
  resumed = toy_model();
  CHECK(!train_in<bf16>(resumed, texts, split, 2, options, hooks).interrupted);
  CHECK(same_weights(model, resumed));
  CHECK(holds(error_of([&] { train(resumed, texts, split, 2, options, hooks); }),
              "precision: then \"bf16\", now absent"));
}
