#include "one_run.hpp"

#include <cmath>
#include <filesystem>
#include <optional>

#include <quern/cuda/runtime.hpp>
#include <quern/data/augment.hpp>
#include <quern/data/class_weights.hpp>
#include <quern/io/tensorboard.hpp>
#include <quern/train/checkpoint.hpp>
#include <quern/train/plots.hpp>
#include <quern/train/progress.hpp>
#include <quern/train/report.hpp>

#include "commands.hpp"
#include "models.hpp"
#include "reading.hpp"
#include "texts.hpp"

namespace {

using namespace quern;

/// The weights of the classes for the training texts; says them, and why.
std::vector<double> weights_of_classes(const TrainSettings& s, const Dataset& data, const Split& split) {
  std::vector<std::int64_t> counts(data.classes.size(), 0);
  for (const auto i : split.train) ++counts[std::size_t(data.labels[std::size_t(i)])];
  const auto [weights, reason] = class_weights(counts, class_weighting_named(s.class_weights));
  std::string line = reason;
  for (std::size_t c = 0; c < weights.size() && c < 12; ++c) {
    char weight[40];
    std::snprintf(weight, sizeof weight, " %.3f", weights[c]);
    line += (c ? ", " : ": ") + data.classes[c] + weight;
  }
  say(line + (weights.size() > 12 ? ", …" : ""));
  return weights;
}

/// --augment: what the hook of training calls, and what must be equal when a run is resumed.
void add_augmentation(TrainHooks& hooks, const TrainSettings& s, const Encoded& texts, const Split& split,
                      const Synonyms& synonyms, const SynonymIds& ids) {
  if (!s.synonyms.empty())
    say(text_of(s.synonyms, ": ", ids.words(), " words of the vocabulary have synonyms",
                synonyms.passed_over ? "; " : "",
                synonyms.passed_over ? text_of(synonyms.passed_over, " that are more than one token were passed over")
                                     : std::string()));
  hooks.texts_of_epoch = [&](std::int64_t epoch) {
    return augment(texts, split.train, {s.augment, s.augment_rate}, ids, s.seed, std::uint32_t(epoch));
  };
  Fingerprint list;
  for (std::int32_t w = 0; w < synonyms.words.size(); ++w)
    for (const auto& synonym : synonyms.of[std::size_t(w)]) {
      list.add(synonyms.words[w]);
      for (const auto& token : synonym) list.add(token);
    }
  hooks.identity["augment"] = {s.augment, s.augment_rate, list.text()};
}

/// What must be equal when a run is resumed, besides options and ids: the model's settings and what ids stand for.
nlohmann::json identity_of(const Trainee& trainee, const TrainSettings& s, const TextToIds& ids, const Dataset& data,
                           const WordVectors& given) {
  Fingerprint words, vectors;
  for (std::int32_t i = 0; i < ids.size(); ++i) words.add(ids.token(i));
  for (const auto& name : data.classes) words.add(name);
  vectors.add(
      std::string_view(reinterpret_cast<const char*>(given.values.data()), given.values.size() * sizeof(float)));
  nlohmann::json identity = trainee.settings();
  identity["model"] = s.model, identity["words"] = words.text(), identity["vectors"] = vectors.text();
  return identity;
}

/// --warmup, or its share of all steps.
std::int64_t steps_of_warmup(const TrainSettings& s, std::size_t training_texts) {
  if (s.warmup > 0 || s.warmup_share == 0) return s.warmup;
  const auto texts = std::int64_t(training_texts) * (1 + s.augment);
  const auto steps = s.epochs * ((texts + s.batch - 1) / s.batch);
  return std::max<std::int64_t>(1, std::llround(s.warmup_share * double(steps)));
}

TrainOptions options_of(const TrainSettings& s, std::size_t training_texts) {
  return {.epochs = s.epochs,
          .batch = s.batch,
          .rate = s.lr,
          .weight_decay = s.weight_decay,
          .clip = s.clip,
          .warmup = steps_of_warmup(s, training_texts),
          .label_smoothing = s.label_smoothing,
          .seed = s.seed,
          .stop_on = stop_on_named(s.stop_on),
          .patience = s.patience,
          .device = choose_device(s.device).device,
          .attack = {attack_named(s.adversarial), s.epsilon, s.attack_steps, s.attack_step_size}};
}

}  // namespace

RunFolder folder_of(const TrainSettings& s) { return {s.out, s.model == "bert"}; }

void check_folder(const TrainSettings& s) {
  const RunFolder folder = folder_of(s);
  check(RunFolder::found(s.out).of_hugging_face || !is_of_hugging_face(s.out), s.out,
        ": holds a model that quern train did not write; give another --out");
  if (s.force) return;
  check(s.resume || !folder.is_finished(), s.out,
        ": holds a finished run; give another --out, or --force to replace it");
  check(s.resume || !(folder.is_begun() || is_folder(folder.fold(1).path)), s.out,
        ": holds a run that did not end; go on with --resume, or replace it with --force");
  if (!s.resume || !RunFolder::exists(folder.config())) return;
  auto then = read_json(folder.config());
  check(then.is_object(), folder.config(), ": expected an object of settings");
  nlohmann::json now = config_of(s);
  for (const char* key : {"data", "from", "vectors", "synonyms"})
    then.erase(key), now.erase(key);                                        // may move; what they hold is compared
  if (!s.vectors.empty()) then.erase("embedding"), now.erase("embedding");  // theirs counts
  const std::string differ = detail::differences(then, now);
  check(differ.empty(), folder.config(), ": is of another run:", differ,
        "\nResume with the same settings, or begin anew in another folder");
}

int lock_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  check(!error, path, ": the folder cannot be made: ", error.message());
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0 && ::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(fd);
    throw_error(text_of(path, ": another training writes into this folder now; give another --out"));
  }
  return fd;
}

void prepare_folder(const TrainSettings& s) {
  check_folder(s);  // again: another training may have ended here since the first look
  if (s.force) folder_of(s).clear();
  const std::string config = folder_of(s).config();
  if (!s.resume || !RunFolder::exists(config)) write_json(config, config_of(s));  // a resume may still be refused
}

OneRun train_once(const TrainSettings& asked, const Dataset& data, const Split& split,
                  const std::vector<std::int64_t>& test) {
  TrainSettings s = asked;
  const TextSide side = text_side(s, data, split.train);
  const TextToIds& ids = *side.ids;
  const auto texts = ids(data.texts, data.labels, s.max_tokens);
  if (texts.cut > 0) say(text_of(data.source, ": ", texts.cut, " texts were cut to ", s.max_tokens, " tokens"));
  WordVectors given;
  if (!s.vectors.empty()) {
    given = read_vectors(s.vectors, side.words->vocabulary());
    s.embedding = given.dim;
    say(text_of(s.vectors, ": ", given.found(), " of ", ids.size() - 1, " words have a vector, of length ", given.dim));
  }
  const auto trainee = kind_named(s.model).make(s, ids.size(), data.classes);
  trainee->use_vectors(given);
  say(text_of(split.train.size(), " texts to train on, ", split.held.size(), " to stop by; ", ids, "; ",
              trainee->weights(), " weights"));

  Progress progress;
  TrainHooks hooks{.progress = &progress, .stop = &stop_asked, .checkpoint_seconds = s.checkpoint_seconds};
  const RunFolder folder = folder_of(s);
  // Only now: a wrong --vectors or a model too large for the memory must not cost the run that --force replaces.
  const detail::Descriptor lock(s.out.empty() ? -1 : lock_folder(s.out));
  if (!s.out.empty())
    prepare_folder(s), hooks.checkpoint = folder.checkpoint(), hooks.failed_step = folder.failed_step();
  hooks.identity = identity_of(*trainee, s, ids, data, given);
  hooks.trace = s.trace;
  hooks.resume = s.resume, hooks.source = data.source, hooks.lines = data.lines;
  std::optional<EventWriter> events;
  if (!s.tensorboard.empty()) {
    events.emplace(s.tensorboard);
    hooks.scalar = [&](const char* tag, double value, std::int64_t step) { events->scalar(tag, value, step); };
    hooks.scalar_steps = s.tensorboard_steps;
  }
  auto options = options_of(s, split.train.size());
  options.class_weights = weights_of_classes(s, data, split);
  SynonymIds synonym_ids;
  if (s.augment > 0) {
    synonym_ids = SynonymIds(side.synonyms, side.words->vocabulary());
    add_augmentation(hooks, s, texts, split, side.synonyms, synonym_ids);
  }

  OneRun run;
  std::string trouble;
  try {
    run.result = trainee->train(texts, split, options, hooks);
  } catch (const Diverged& e) {
    if (e.result.history.empty()) throw;
    run.result = e.result, trouble = e.what();
  }
  const auto model = trainee->give();
  run.report = report_of(run.result, data.classes);
  if (!test.empty()) {
    run.test = evaluate(*model, texts, test);
    run.report["test"] = report_of(*run.test, data.classes);
  }
  if (!s.out.empty()) {
    const Predictor predictor(side.ids, data.classes, model, s.max_tokens,
                              Cleaner{clean_named(s.clean), cleaning_function()});
    if (folder.of_hugging_face) {
      save_bert_folder(folder.path, predictor, s.from);
      write_json(folder.config(), config_of(s));
      write_json(folder.split(), split_json(data, split));
    } else {
      save_run(folder, predictor, config_of(s), split_json(data, split));
    }
    atomic_write(folder.curves(), learning_curves_svg(run.result));
    if (run.result.dev.texts > 0) atomic_write(folder.confusion(), confusion_svg(run.result.dev, data.classes));
    write_json(folder.metrics(), run.report);
    if (!run.result.interrupted) ::unlink(folder.checkpoint().c_str());
  }
  if (!trouble.empty()) throw_error(trouble + (s.out.empty() ? "" : "; the folder " + s.out + " holds the best model"));
  return run;
}
