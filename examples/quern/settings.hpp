/// The settings of `quern train`: one list for the command line, for the run's configuration and for --help.
#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
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
  std::string model = "text_cnn", from;
  std::int64_t embedding = 128, filters = 100, hidden = 128, layers = 1, heads = 4, feed_forward = 256;
  std::vector<std::int64_t> widths = {3, 4, 5};
  std::int64_t positions = 0;
  double dropout = 0.5, out_dropout = 0.5, word_dropout = 0;
  bool bidirectional = true, recompute = false, new_head = false;
  std::string precision = "float";
  // Training.
  std::int64_t epochs = 20, batch = 50, patience = 2, warmup = 0, folds = 0;
  double lr = 1e-3, weight_decay = 0, clip = 0, label_smoothing = 0, dev = 0.1, warmup_share = 0, layer_decay = 1;
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

  /// Calls f(name, member, help, models) for each setting that is in the run's configuration; `models`: those that have
  /// it, "" for all.
  static void visit(auto&& f, auto& s) {
    constexpr const char *all = "", *words = "text_cnn lstm gru transformer";
    f("data", s.data, "File of labelled texts, or a folder with one file for each class", all);
    f("model", s.model, "text_cnn, lstm, gru or transformer, from nothing; bert: fine-tuned, from --from", all);
    f("from", s.from, "Folder of a BERT as Hugging Face writes it: its tokenizer and weights are begun with", "bert");
    f("new_head", s.new_head, "Begin with a new last layer though the folder has one for other classes", "bert");
    f("seed", s.seed, "All chance comes from it: the same seed gives the same bytes", all);
    f("folds", s.folds, "Cross-validation with K parts: train on K-1, test on one, in turn; 0: none", all);
    f("epochs", s.epochs, "Most passes over the training texts", all);
    f("lr", s.lr, "Learning rate of Adam", all);
    f("layer_decay", s.layer_decay, "Times the rate of the layer above, for each layer down to the embeddings", "bert");
    f("batch", s.batch, "Texts in a batch", all);
    f("patience", s.patience, "Epochs without a better one before training stops", all);
    f("stop_on", s.stop_on, "What is watched on the development texts: loss or macro_f1", all);
    f("dev", s.dev, "Fraction held out as development texts; 0: none, the last epoch is kept", all);
    f("embedding", s.embedding, "Length of a word vector", "text_cnn lstm gru");
    f("filters", s.filters, "Filters of each width", "text_cnn");
    f("widths", s.widths, "Window widths in words, as 3,4,5", "text_cnn");
    f("hidden", s.hidden, "Units of a recurrent layer in each direction; length of a transformer's vectors",
      "lstm gru transformer");
    f("layers", s.layers, "Layers, one upon the other", "lstm gru transformer");
    f("heads", s.heads, "Heads of attention", "transformer");
    f("feed_forward", s.feed_forward, "Units between the two linear layers of a block", "transformer");
    f("positions", s.positions, "Learned places of the first tokens of a text; 0: sinusoids, for any length",
      "transformer");
    f("bidirectional", s.bidirectional, "Read texts in both directions; --bidirectional=false: forward alone",
      "lstm gru");
    f("dropout", s.dropout, "Dropout of the features before the last layer; of a transformer within its blocks", words);
    f("out_dropout", s.out_dropout, "Dropout of the features before the last layer", "transformer");
    f("word_dropout", s.word_dropout, "Dropout of the elements of word vectors", words);
    f("vectors", s.vectors, "File of word vectors as text (word2vec, GloVe, fastText .vec)", "text_cnn lstm gru");
    f("static", s.static_vectors, "Do not train the word vectors (with --vectors)", "text_cnn lstm gru");
    f("min_count", s.min_count, "Words that occur less often become <unk>", words);
    f("max_tokens", s.max_tokens, "Longer texts are cut; 0: never", all);
    f("clean", s.clean,
      "Names with commas between them: html, control, nfc or nfkc, urls, mentions, lower, space; default: "
      "html,control,nfc,space; none; auto: default where a hundredth of the texts holds HTML. Predicting cleans alike",
      all);
    f("augment", s.augment, "Changed copies of each training text, made anew in every epoch (EDA, Wei & Zou 2019)",
      words);
    f("augment_rate", s.augment_rate, "Share of a text's words that a change touches", words);
    f("synonyms", s.synonyms, "File for --augment: lines of word, tab, and synonyms with commas between them", words);
    f("tokenizer", s.tokenizer, "words, or characters for Chinese and Japanese", words);
    f("encoding", s.encoding, "UTF-8, ISO-8859-1 or GB18030; by default guessed from the whole file", all);
    f("format", s.format,
      "csv, tsv, jsonl, fasttext, trec, trec-fine, sentence@label or folder; by default from the name and the first "
      "line",
      all);
    f("text_column", s.text_column, "Column of the text in CSV, TSV and JSONL", all);
    f("label_column", s.label_column, "Column of the label in CSV, TSV and JSONL", all);
    f("class_weights", s.class_weights,
      "Weigh rare classes up. balanced: texts / (classes * texts of the class); root: its square root; none; auto: "
      "root where one class has 1.5 times the texts of another",
      all);
    f("label_smoothing", s.label_smoothing, "Share of each label spread over all classes", all);
    f("weight_decay", s.weight_decay, "Decoupled weight decay (AdamW), not of biases nor of layer norms", all);
    f("clip", s.clip, "Largest norm of all gradients together; 0: no clipping", all);
    f("recompute", s.recompute, "Compute each layer again in backward instead of keeping what it needs: less memory",
      "bert transformer");
    f("precision", s.precision,
      "Type that forward and backward compute in: float or bf16; the weights that learn are kept in float", "bert");
    f("adversarial", s.adversarial, "Train against moved word vectors too: none, fgm or pgd", all);
    f("epsilon", s.epsilon, "Length of the move of a text's word vectors together (with --adversarial)", all);
    f("attack_steps", s.attack_steps, "Steps of pgd", all);
    f("attack_step_size", s.attack_step_size, "Length of each; 0: 2.5 * epsilon / steps", all);
    f("warmup", s.warmup, "Steps in which the rate rises; then it falls to 0 at the last epoch; 0: constant", all);
    f("warmup_share", s.warmup_share, "The same as a share of all steps, where --warmup is 0", "transformer bert");
  }

  /// Whether a setting of these `models` is one of this run's model.
  bool has(std::string_view models) const;
};

/// The settings of `quern train --model MODEL` where nothing else is said. The model is known.
TrainSettings defaults_of(const std::string& model);

/// For --help: "  lstm  --lr 0.002 …", a line for each model whose defaults are not those of text_cnn.
std::string help_of_defaults();

/// The settings that the model has, as config.json has them. Paths are absolute.
nlohmann::ordered_json config_of(const TrainSettings& settings);

/// Fills every setting that is not in `given`, the names set on the command line, with what --config says, or with
/// --resume the run's own configuration, or else with the model's default; then checks them all.
void complete_settings(TrainSettings& settings, const std::set<std::string>& given);
