/// quern pretrain: a BERT taught by texts without labels, as a folder of Hugging Face.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>

#include <quern/cuda/runtime.hpp>
#include <quern/data/encode_blocks.hpp>
#include <quern/data/encode_wordpiece.hpp>
#include <quern/data/read.hpp>
#include <quern/io/hugging_face_save.hpp>
#include <quern/io/hugging_face_tokenizer.hpp>
#include <quern/io/tensorboard.hpp>
#include <quern/text/wordpiece_trainer.hpp>
#include <quern/train/hugging_face_folder.hpp>
#include <quern/train/pretrain.hpp>

#include "commands.hpp"
#include "from_config.hpp"
#include "one_run.hpp"
#include "pretrain_settings.hpp"
#include "reading.hpp"

namespace {

using namespace quern;

/// The texts of one column of all files, cleaned. Puts the names in the place of --clean auto.
std::vector<std::string> read_column(PretrainSettings& s, const std::string& column) {
  Dataset all;
  for (const auto& path : s.data) {
    auto read = read_texts(path, reading(s.format, s.encoding, column, ""));
    say_all(read.notes);
    check(column.empty() || read.has_columns, path, ": is read as lines of text, which have no column '", column,
          "'; for a table give --format csv, tsv or jsonl");
    check(!read.texts.empty(), path, ": holds no texts");
    all.source = path;
    for (auto& text : read.texts) all.texts.push_back(std::move(text));
    for (const auto line : read.lines) all.lines.push_back(line);
  }
  if (s.clean == "auto") {
    std::string note;
    s.clean = automatic_cleaning(all, note);
    if (!note.empty()) say(note);
  }
  const CleanOptions options = clean_named(s.clean);
  return options == CleanOptions{} ? std::move(all.texts) : Cleaner{options, cleaning_function()}(all.texts);
}

/// Leaves out pairs of which one side is empty.
void drop_half_pairs(std::vector<std::string>& texts, std::vector<std::string>& partners) {
  check(partners.size() == texts.size(), "--pair-column: ", partners.size(), " texts, but ", texts.size(),
        " in the text column");
  std::size_t kept = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (detail::trimmed(texts[i]).empty() || detail::trimmed(partners[i]).empty()) continue;
    if (kept != i) texts[kept] = std::move(texts[i]), partners[kept] = std::move(partners[i]);
    ++kept;
  }
  if (kept < texts.size()) say(text_of("pairs left out, as a side is empty: ", texts.size() - kept));
  check(kept > 0, "--pair-column: every pair has an empty side");
  texts.resize(kept), partners.resize(kept);
}

WordPiece new_wordpiece(const PretrainSettings& s, std::span<const std::string> texts) {
  const BertWordsOptions words{.lowercase = !s.cased};
  const auto tokens = train_wordpiece(count_bert_words(texts, words), {.size = s.vocabulary, .alphabet = s.alphabet});
  if (std::int64_t(tokens.size()) < s.vocabulary)
    say(text_of("the texts give ", tokens.size(), " pieces with --alphabet ", s.alphabet, ", fewer than --vocabulary ",
                s.vocabulary));
  return WordPiece(tokens, {.words = words});
}

BertConfig config_of(const PretrainSettings& s, const WordPiece& wordpiece) {
  return {.vocabulary = wordpiece.size(),
          .hidden = s.hidden,
          .layers = s.layers,
          .heads = s.heads,
          .intermediate = s.feed_forward,
          .positions = s.positions,
          .pad_token = wordpiece.pad_id(),
          .dropout = s.dropout,
          .attention_dropout = s.dropout,
          .classifier_dropout = s.dropout,
          .initial_deviation = s.initializer_range};
}

nlohmann::ordered_json json_of(const PretrainSettings& s) {
  nlohmann::ordered_json json;
  PretrainSettings::visit([&](const char* name, const auto& value, const char*) { json[name] = value; }, s);
  make_absolute(json, {"data", "from"});
  return json;
}

bool there(const PretrainSettings& s, const char* file) { return RunFolder::exists(s.out + file); }

/// Throws Error when the folder holds a model that neither --force nor --resume covers.
void check_folder(const PretrainSettings& s) {
  check(!RunFolder::exists(s.out) || is_folder(s.out), s.out, ": is a file; give --out a folder");
  const bool ours = there(s, "/pretrain.json");
  check(ours || !there(s, "/config.json"), s.out,
        ": holds a model that quern pretrain did not write; give another --out");
  check(s.force || s.resume || !ours, s.out,
        ": holds a model; give another --out, go on with --resume, or replace it with --force");
}

void prepare_folder(const PretrainSettings& s) {
  check_folder(s);  // again: another training may have ended here since the first look
  if (s.force) {
    RunFolder{s.out}.clear();
    ::unlink((s.out + "/pretrain.json").c_str());
  }
  if (!there(s, "/pretrain.json")) write_json(s.out + "/pretrain.json", json_of(s));  // a resume may still be refused
}

void save_tokenizer(const PretrainSettings& s, const WordPiece& wordpiece) {
  if (!s.from.empty()) return copy_tokenizer(s.from, s.out);
  wordpiece.save_vocab(s.out + "/vocab.txt");
  const auto& names = wordpiece.options();
  write_json(s.out + "/tokenizer_config.json", nlohmann::ordered_json{{"tokenizer_class", "BertTokenizer"},
                                                                      {"do_lower_case", !s.cased},
                                                                      {"tokenize_chinese_chars", true},
                                                                      {"model_max_length", s.positions},
                                                                      {"unk_token", names.unk},
                                                                      {"sep_token", names.sep},
                                                                      {"pad_token", names.pad},
                                                                      {"cls_token", names.cls},
                                                                      {"mask_token", names.mask}});
}

nlohmann::ordered_json report_of(const PretrainResult& r, std::int64_t weights, bool with_dev) {
  nlohmann::ordered_json report = {{"interrupted", r.interrupted},
                                   {"seconds", r.seconds},
                                   {"tokens_per_second", r.tokens_per_second},
                                   {"weights", weights},
                                   {"epochs", nlohmann::ordered_json::array()}};
  for (const auto& e : r.history) {
    auto& epoch = report["epochs"].emplace_back(nlohmann::ordered_json{{"train_loss", e.train_loss}});
    if (with_dev) epoch["dev_loss"] = e.dev_loss, epoch["dev_accuracy"] = e.dev_accuracy;
    epoch["seconds"] = e.seconds;
  }
  return report;
}

/// Trains and writes the model, which is a BertMaskedLm or a BertSentence.
template <template <class> class M, class Objective>
int learn(const PretrainSettings& s, M<float> made, const BertConfig& config, const WordPiece& wordpiece,
          const Objective& objective, const Encoded& texts) {
  if (s.dropout != config.dropout) use_dropout(made.bert, s.dropout);
  auto model = to(made, choose_device(s.device).device);
  model.bert.recompute = s.recompute;
  const auto unknown = std::count(texts.ids.begin(), texts.ids.end(), wordpiece.unk_id());
  say(text_of(texts.size(), s.objective == "mlm" ? " blocks of texts, " : " texts, ", texts.ids.size(), " tokens of ",
              wordpiece.size(), " pieces, ",
              std::llround(1000.0 * double(unknown) / std::max(1.0, double(texts.ids.size()))),
              " in a thousand [UNK]; ", count_parameters(model), " weights"));
  const detail::Descriptor lock(lock_folder(s.out));
  prepare_folder(s);
  Progress progress;
  TrainHooks hooks{.progress = &progress,
                   .stop = &stop_asked,
                   .checkpoint = s.out + "/checkpoint.safetensors",
                   .checkpoint_seconds = s.checkpoint_seconds,
                   .identity = {{"objective", s.objective},
                                {"mask_rate", s.mask_rate},
                                {"whole_words", s.whole_words},
                                {"temperature", s.temperature},
                                {"layers", config.layers},
                                {"heads", config.heads},
                                {"dropout", s.dropout}},
                   .resume = s.resume};
  std::optional<EventWriter> events;
  if (!s.tensorboard.empty()) {
    events.emplace(s.tensorboard);
    hooks.scalar = [&](const char* tag, double value, std::int64_t step) { events->scalar(tag, value, step); };
    hooks.scalar_steps = s.tensorboard_steps;
  }
  const PretrainOptions options{.epochs = s.epochs,
                                .batch = s.batch,
                                .rate = s.lr,
                                .warmup = s.warmup_share,
                                .weight_decay = s.weight_decay,
                                .clip = s.clip,
                                .held = s.dev,
                                .seed = s.seed};
  const PretrainResult result = s.precision == "bf16" ? pretrain_in<bf16>(model, objective, texts, options, hooks)
                                                      : pretrain(model, objective, texts, options, hooks);
  HuggingFaceConfig written{config, {}};
  if (s.from.empty())
    written.model.dropout = written.model.attention_dropout = written.model.classifier_dropout = s.dropout_after;
  s.weights == "bf16" ? save_bert(s.out, cast<bf16>(model), written) : save_bert(s.out, model, written);
  save_tokenizer(s, wordpiece);
  const auto report = report_of(result, count_parameters(model), s.dev > 0);
  write_json(s.out + "/metrics.json", report);
  if (!result.interrupted) ::unlink(hooks.checkpoint.c_str());
  if (result.interrupted) say(text_of("interrupted: ", s.out, " holds the model as it is; go on with --resume"));
  if (s.json) {
    print(report.dump() + "\n");
  } else {
    char line[160];
    std::snprintf(line, sizeof line, "trained in %.1f s, %.0f tokens/s; the model is in ", result.seconds,
                  result.tokens_per_second);
    print(line + s.out + "\n");
  }
  return result.interrupted ? 1 : 0;
}

int learn_masked_words(const PretrainSettings& s, const WordPiece& wordpiece, std::span<const std::string> texts) {
  auto loaded = s.from.empty() ? LoadedBert<BertMaskedLm<float>>{make_bert_masked_lm(config_of(s, wordpiece), s.seed),
                                                                 {config_of(s, wordpiece), {}}}
                               : load_bert_masked_lm(s.from);
  const auto blocks = encode_blocks(texts, wordpiece, s.max_tokens);
  if (s.from.empty()) guess_by_frequency(loaded.model, blocks.ids);
  const MaskedLanguageModel objective(Masking(wordpiece, {.rate = s.mask_rate, .whole_words = s.whole_words}));
  return learn(s, std::move(loaded.model), loaded.config.model, wordpiece, objective, blocks);
}

int learn_sentences(const PretrainSettings& s, const WordPiece& wordpiece, std::vector<std::string> texts,
                    std::vector<std::string> partners) {
  auto loaded = s.from.empty() ? LoadedBert<BertSentence<float>>{make_bert_sentence(config_of(s, wordpiece), s.seed),
                                                                 {config_of(s, wordpiece), {}}}
                               : load_bert_sentence(s.from);
  const auto pairs = std::int64_t(partners.size());
  for (auto& text : partners) texts.push_back(std::move(text));
  return learn(s, std::move(loaded.model), loaded.config.model, wordpiece, Contrast(s.temperature, pairs),
               encode(texts, wordpiece, {}, s.max_tokens));
}

}  // namespace

int run_pretrain(const PretrainSettings& asked) {
  use_threads(asked.threads);
  use_device_named(asked.device, false);
  PretrainSettings s = asked;
  check_folder(s);
  if (s.resume && there(s, "/metrics.json") && !there(s, "/checkpoint.safetensors")) {
    say(text_of(s.out, ": this run has already ended; its metrics:"));
    print(read_json(s.out + "/metrics.json").dump(s.json ? -1 : 2) + "\n");
    return 0;
  }
  auto texts = read_column(s, s.text_column);
  std::vector<std::string> partners;
  if (!s.pair_column.empty()) partners = read_column(s, s.pair_column);
  if (!partners.empty()) drop_half_pairs(texts, partners);
  const WordPiece wordpiece = s.from.empty() ? new_wordpiece(s, texts) : load_wordpiece(s.from);
  if (!s.from.empty()) {
    const auto config = detail::config_in(s.from).model;
    check(wordpiece.size() <= config.vocabulary, s.from, ": its tokenizer has ", wordpiece.size(),
          " tokens, but config.json says 'vocab_size' ", config.vocabulary);
    check(s.max_tokens <= config.positions, s.from, ": the model has ", config.positions,
          " positions, --max-tokens is ", s.max_tokens);
  }
  return s.objective == "mlm" ? learn_masked_words(s, wordpiece, texts)
                              : learn_sentences(s, wordpiece, std::move(texts), std::move(partners));
}
