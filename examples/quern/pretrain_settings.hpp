/// The settings of `quern pretrain`: one list for the command line, for the folder's pretrain.json and for --help.
#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <vector>

struct PretrainSettings {
  // What is read.
  std::vector<std::string> data;
  std::string format, encoding, text_column, pair_column, clean = "auto";
  // What is learned, and what it begins with.
  std::string objective = "mlm", from;
  std::int64_t vocabulary = 8000, alphabet = 1000;
  bool cased = false;
  std::int64_t hidden = 256, layers = 4, heads = 4, feed_forward = 1024, positions = 512;
  double initializer_range = 0.02, dropout = 0.1, dropout_after = 0.1;
  // How.
  std::int64_t max_tokens = 0, epochs = 1, batch = 32;
  double mask_rate = 0.15, temperature = 0.05;
  bool whole_words = false, recompute = false;
  std::string precision = "float";
  double lr = 5e-4, warmup_share = 0.05, weight_decay = 0.01, clip = 1, dev = 0.01;
  std::string weights = "float";
  std::uint64_t seed = 1;

  // Of this call alone.
  std::string out, tensorboard, device = "auto";
  std::int64_t threads = 0, tensorboard_steps = 20;
  double checkpoint_seconds = 60;
  bool resume = false, force = false, json = false;

  /// Calls f(name, member, help) for each setting that is in pretrain.json.
  static void visit(auto&& f, auto& s) {
    f("data", s.data, "Files of texts: one on each line, or a column of CSV, TSV or JSONL; .xz is unpacked");
    f("objective", s.objective,
      "mlm: guess masked words (Devlin et al. 2019); simcse: sentences near to themselves under other dropout, or with "
      "--pair-column to their partners (Gao et al. 2021)");
    f("from", s.from, "Go on with the BERT of this folder, its tokenizer and its sizes; else all is made anew");
    f("vocabulary", s.vocabulary, "Pieces of the new WordPiece vocabulary, learned from the texts");
    f("alphabet", s.alphabet,
      "The most frequent characters that become pieces of it, the others [UNK]; 0: all. Chinese wants several "
      "thousand");
    f("cased", s.cased, "The new vocabulary keeps capitals and accents");
    f("hidden", s.hidden, "Length of the vectors");
    f("layers", s.layers, "Layers, one upon the other");
    f("heads", s.heads, "Heads of attention");
    f("feed_forward", s.feed_forward, "Units between the two linear layers of a block");
    f("positions", s.positions, "The most tokens of a text that the model can take");
    f("initializer_range", s.initializer_range, "Standard deviation of the new model's first weights");
    f("dropout", s.dropout,
      "Dropout while it learns here, that of attention included; with --from its own, where nothing is given");
    f("dropout_after", s.dropout_after, "What config.json of the new model tells those who fine-tune it");
    f("seed", s.seed, "All chance comes from it: the same seed gives the same bytes");
    f("epochs", s.epochs, "Passes over the texts");
    f("batch", s.batch, "Texts in a batch, or blocks, or pairs");
    f("max_tokens", s.max_tokens,
      "mlm: longer texts are cut into blocks; simcse: longer sentences lose their end; 0: as many as the model takes");
    f("mask_rate", s.mask_rate, "Share of the tokens to be guessed");
    f("whole_words", s.whole_words, "Mask all pieces of a word or none");
    f("temperature", s.temperature, "What cosines are divided by (simcse)");
    f("lr", s.lr, "Peak of the learning rate of AdamW");
    f("warmup_share", s.warmup_share, "Share of all steps in which the rate rises; then it falls to 0");
    f("weight_decay", s.weight_decay, "Decoupled weight decay, not of biases nor of layer norms");
    f("clip", s.clip, "Largest norm of all gradients together; 0: no clipping");
    f("dev", s.dev, "Share of the texts, or of their blocks, held out to measure on");
    f("recompute", s.recompute, "Compute each layer again in backward instead of keeping what it needs: less memory");
    f("precision", s.precision,
      "Type that forward and backward compute in: float or bf16; the weights that learn are kept in float");
    f("weights", s.weights, "Type of the numbers that are written: float or bf16");
    f("clean", s.clean, "As of quern train");
    f("encoding", s.encoding, "UTF-8, ISO-8859-1 or GB18030; by default guessed from the whole file");
    f("format", s.format, "csv, tsv, jsonl or lines; by default from the name");
    f("text_column", s.text_column, "Column of the text in CSV, TSV and JSONL");
    f("pair_column", s.pair_column, "Column of the text that belongs to it (simcse)");
  }
};

/// Fills what is not in `given` with what pretrain.json of a begun run says, where it is gone on with; then checks all.
void complete_settings(PretrainSettings& settings, const std::set<std::string>& given);

int run_pretrain(const PretrainSettings& settings);
