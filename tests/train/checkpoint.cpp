#include <doctest/doctest.h>

#include <data/files.hpp>
#include <train/toy.hpp>

using namespace quern;

namespace {

const Encoded texts = toy_texts();
const Split split = toy_split(texts);

/// A rule that trains everything and throws after a number of calls: a crash between two instructions of training.
struct Crash {};
struct CrashAfter {
  int calls;
  int* made;
  ParameterOptions operator()(const std::string&) const {
    if (++*made == calls) throw Crash{};
    return {};
  }
};

TextCnn<float> unbroken() {
  auto model = toy_model();
  train(model, texts, split, 2, toy_options());
  return model;
}

TrainHooks hooks_for(const std::string& path) {
  TrainHooks hooks;
  hooks.checkpoint = path, hooks.resume = true, hooks.checkpoint_seconds = 0;
  return hooks;
}

}  // namespace

TEST_CASE("checkpoint: a training that crashes anywhere ends with the bytes of the unbroken one") {
  const auto expected = unbroken();
  const Random random(5);
  for (std::uint32_t trial = 0; trial < 10; ++trial) {
    const TemporaryFolder folder;
    const auto hooks = hooks_for(folder / "checkpoint");
    bool ended = false;
    int crashes = 0;
    for (; !ended && crashes < 40; ++crashes) {
      auto model = toy_model();
      int made = 0;
      const CrashAfter crash{int(40 + random.below(1200, trial, std::uint64_t(crashes))), &made};
      try {
        train(model, texts, split, 2, toy_options(), hooks, crash);
        ended = true;
        CHECK(same_weights(model, expected));
      } catch (Crash) {}
    }
    CHECK(ended);
    CHECK(crashes > 1);
  }
}

TEST_CASE("checkpoint: an interrupt keeps the best model, and the run goes on to the same end") {
  const TemporaryFolder folder;
  std::atomic<bool> stop = true;
  auto hooks = hooks_for(folder / "checkpoint");
  hooks.stop = &stop;
  auto model = toy_model();
  const TrainResult first = train(model, texts, split, 2, toy_options(), hooks);
  CHECK(first.interrupted);
  CHECK(first.kept_epoch == -1);  // before the end of the first epoch
  CHECK(same_weights(model, toy_model()));
  CHECK(first.dev.texts == std::int64_t(split.held.size()));

  struct StopAfter {
    std::atomic<bool>& stop;
    int* made;
    ParameterOptions operator()(const std::string&) const {
      stop = ++*made > 900;
      return {};
    }
  };
  stop = false;
  int made = 0;
  model = toy_model();
  const TrainResult second = train(model, texts, split, 2, toy_options(), hooks, StopAfter{stop, &made});
  CHECK(second.interrupted);
  CHECK(second.kept_epoch >= 0);
  CHECK(second.dev.loss == second.history[std::size_t(second.kept_epoch)].dev_loss);

  stop = false;
  model = toy_model();
  const TrainResult third = train(model, texts, split, 2, toy_options(), hooks);
  CHECK(!third.interrupted);
  CHECK(third.history.size() == 6);
  CHECK(third.history[0].train_loss == second.history[0].train_loss);
  CHECK(same_weights(model, unbroken()));
}

TEST_CASE("checkpoint: one that was written at the end resumes to the end") {
  const TemporaryFolder folder;
  const auto hooks = hooks_for(folder / "checkpoint");
  auto model = toy_model(), again = toy_model();
  train(model, texts, split, 2, toy_options(), hooks);
  const TrainResult r = train(again, texts, split, 2, toy_options(), hooks);
  CHECK(same_weights(model, again));
  CHECK(r.history.size() == 6);
  CHECK(r.seconds > 0);
}

TEST_CASE("checkpoint: of another configuration, other data or another model it is refused, saying what differs") {
  const TemporaryFolder folder;
  auto hooks = hooks_for(folder / "checkpoint");
  hooks.identity = {{"words", "abc"}};
  auto model = toy_model();
  train(model, texts, split, 2, toy_options(), hooks);
  const auto refused = [&](const Encoded& t, const TrainOptions& o, const TrainHooks& h) {
    return error_of([&] {
      auto m = toy_model();
      train(m, t, split, 2, o, h);
    });
  };
  auto options = toy_options();
  options.rate = 0.03, options.seed = 9;
  CHECK(holds(refused(texts, options, hooks), "of another run", "options/lr: then 0.02, now 0.03",
              "options/seed: then 1, now 9"));
  CHECK(holds(refused(toy_texts(2), toy_options(), hooks), "data: then \""));
  auto other = hooks;
  other.identity = {{"words", "abd"}, {"new", 1}};
  CHECK(holds(refused(texts, toy_options(), other), "more/words: then \"abc\", now \"abd\"",
              "more/new: then absent, now 1"));
  CHECK(refused(texts, toy_options(), hooks) == "nothing was thrown");
}

TEST_CASE("checkpoint: damaged files and files of another kind are refused") {
  const TemporaryFolder folder;
  const auto hooks = hooks_for(folder / "checkpoint");
  auto model = toy_model();
  train(model, texts, split, 2, toy_options(), hooks);
  const std::string good = read_file(folder / "checkpoint");
  const auto refused = [&](const std::string& bytes) {
    folder.write("checkpoint", bytes);
    return error_of([&] {
      auto m = toy_model();
      train(m, texts, split, 2, toy_options(), hooks);
    });
  };
  CHECK(holds(refused(good.substr(0, good.size() / 2)), "truncated"));
  CHECK(holds(refused(""), "at least 8 bytes"));
  save_safetensors(model, folder / "other");
  CHECK(holds(refused(read_file(folder / "other")), "not a checkpoint that this version reads"));
  CHECK(refused(good) == "nothing was thrown");
}

TEST_CASE("checkpoint: the position comes back exactly") {
  TrainState s, t;
  s.epoch = 2, s.batch = 3, s.step = 1234567890123, s.loss_sum = 0.1 + 0.2, s.loss_texts = 7, s.trained_texts = 99;
  s.seconds = 1.0 / 3, s.epoch_seconds = 1e-9, s.stopping.best = 5e-324, s.stopping.best_epoch = 1;
  s.history = {{1.0 / 7, 2, 3, 4, 5}, {0.1, 0.2, 0.3, 0.4, 1e300}};
  detail::read_state(parse_json(detail::state_json(s).dump(), "x"), t, "x");
  CHECK(detail::state_json(t) == detail::state_json(s));
  CHECK(t.loss_sum == 0.1 + 0.2);
  CHECK(t.stopping.best == 5e-324);
  CHECK(t.history[1].seconds == 1e300);
  auto broken = detail::state_json(s);
  broken["epoch"] = -1;
  CHECK(holds(error_of([&] { detail::read_state(broken, t, "x"); }), "position is not possible"));
  broken.erase("batch");
  CHECK(holds(error_of([&] { detail::read_state(broken, t, "x"); }), "'batch' is missing"));
}

TEST_CASE("checkpoint: the fingerprint is FNV-1a over bytes and lengths, and tells everything apart") {
  const auto of = [](auto... parts) {
    Fingerprint f;
    (f.add(std::string_view(parts)), ...);
    return f.text();
  };
  CHECK(of() == "cbf29ce484222325");
  CHECK(of("ab", "c") != of("a", "bc"));
  CHECK(of("ab") != of("ba"));
  auto other = texts;
  other.labels[0] ^= 1;
  CHECK(fingerprint_of(texts, split) != fingerprint_of(other, split));
  auto pairs = texts;
  pairs.types.assign(pairs.ids.size(), 0);
  CHECK(fingerprint_of(texts, split) != fingerprint_of(pairs, split));
  CHECK(fingerprint_of(texts, split) != fingerprint_of(texts, {split.held, split.train}));
  CHECK(fingerprint_of(texts, split) == fingerprint_of(toy_texts(), toy_split(texts)));
}
