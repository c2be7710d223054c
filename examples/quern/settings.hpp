/// The settings of `quern train`: one list for the command line, for config.json and for --help.
#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

struct TrainSettings {
  // What is read.
  std::string data, format, encoding, text_column, label_column;
  // How texts become numbers.
  std::string clean = "auto", tokenizer = "words", vectors;
  std::int64_t min_count = 1, max_tokens = 5000;
  bool static_vectors = false;
  // More texts out of those there are.
  std::int64_t augment = 0;
  double augment_rate = 0.1;
  std::string synonyms;
  // The model.
  std::string model = "text_cnn";
  std::int64_t embedding = 128, filters = 100;
  std::vector<std::int64_t> widths = {3, 4, 5};
  double dropout = 0.5, word_dropout = 0;
  // Training.
  std::int64_t epochs = 20, batch = 50, patience = 2, warmup = 0, folds = 0;
  double lr = 1e-3, weight_decay = 0, clip = 0, label_smoothing = 0, dev = 0.1;
  std::string stop_on = "loss";
  std::string class_weights = "auto";
  std::string adversarial = "none";
  double epsilon = 1, attack_step_size = 0;
  std::int64_t attack_steps = 3;
  std::uint64_t seed = 1;

  // Of this call alone: none of these changes the result (a GPU's last bits apart), and none is in config.json.
  std::string out, config, tensorboard, trace, device = "auto";
  std::int64_t threads = 0;  // 0: one for each core
  double checkpoint_seconds = 60;
  std::int64_t tensorboard_steps = 20;
  bool resume = false, force = false, json = false;

  /// Calls f(name, member, help) for each setting that is in config.json.
  static void visit(auto&& f, auto& s) {
    f("data", s.data, "File of labelled texts, or a folder with one file for each class");
    f("model", s.model, "text_cnn: the convolutional network of Kim (2014)");
    f("seed", s.seed, "All chance comes from it: the same seed gives the same bytes");
    f("folds", s.folds, "Cross-validation with K parts: train on K-1, test on one, in turn; 0: none");
    f("epochs", s.epochs, "Most passes over the training texts");
    f("lr", s.lr, "Learning rate of Adam");
    f("batch", s.batch, "Texts in a batch");
    f("patience", s.patience, "Epochs without a better one before training stops");
    f("stop_on", s.stop_on, "What is watched on the development texts: loss or macro_f1");
    f("dev", s.dev, "Fraction held out as development texts; 0: none, the last epoch is kept");
    f("embedding", s.embedding, "Length of a word vector");
    f("filters", s.filters, "Filters of each width");
    f("widths", s.widths, "Window widths in words, as 3,4,5");
    f("dropout", s.dropout, "Dropout of the features before the last layer");
    f("word_dropout", s.word_dropout, "Dropout of the elements of word vectors");
    f("vectors", s.vectors, "File of word vectors as text (word2vec, GloVe, fastText .vec)");
    f("static", s.static_vectors, "Do not train the word vectors (with --vectors)");
    f("min_count", s.min_count, "Words that occur less often become <unk>");
    f("max_tokens", s.max_tokens, "Longer texts are cut; 0: never");
    f("clean", s.clean,
      "Names with commas between them: html, control, nfc or nfkc, urls, mentions, lower, space; default: "
      "html,control,nfc,space; none; auto: default where a hundredth of the texts holds HTML. Predicting cleans alike");
    f("augment", s.augment, "Changed copies of each training text, made anew in every epoch (EDA, Wei & Zou 2019)");
    f("augment_rate", s.augment_rate, "Share of a text's words that a change touches");
    f("synonyms", s.synonyms, "File for --augment: lines of word, tab, and synonyms with commas between them");
    f("tokenizer", s.tokenizer, "words, or characters for Chinese and Japanese");
    f("encoding", s.encoding, "UTF-8, ISO-8859-1 or GB18030; by default guessed from the whole file");
    f("format", s.format,
      "csv, tsv, jsonl, fasttext, trec, trec-fine, sentence@label or folder; by default from the name and the first "
      "line");
    f("text_column", s.text_column, "Column of the text in CSV, TSV and JSONL");
    f("label_column", s.label_column, "Column of the label in CSV, TSV and JSONL");
    f("class_weights", s.class_weights,
      "Weigh rare classes up. balanced: texts / (classes * texts of the class); root: its square root; none; auto: "
      "root "
      "where one class has 1.5 times the texts of another");
    f("label_smoothing", s.label_smoothing, "Share of each label spread over all classes");
    f("weight_decay", s.weight_decay, "Decoupled weight decay (AdamW), not of biases");
    f("clip", s.clip, "Largest norm of all gradients together; 0: no clipping");
    f("adversarial", s.adversarial, "Train against moved word vectors too: none, fgm or pgd");
    f("epsilon", s.epsilon, "Length of the move of a text's word vectors together (with --adversarial)");
    f("attack_steps", s.attack_steps, "Steps of pgd");
    f("attack_step_size", s.attack_step_size, "Length of each; 0: 2.5 * epsilon / steps");
    f("warmup", s.warmup, "Steps in which the rate rises; then it falls to 0 at the last epoch; 0: constant");
  }
};

/// The settings as config.json has them. Paths are absolute.
nlohmann::ordered_json config_of(const TrainSettings& settings);

/// Takes what --config says, or with --resume what the run's own config.json says, for every setting that is not in
/// `given`, the names set on the command line; then checks them all.
void complete_settings(TrainSettings& settings, const std::set<std::string>& given);
