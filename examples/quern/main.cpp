/// quern: from labelled texts to a classifier, and from texts to labels. `quern --help` tells all.
#include <charconv>
#include <csignal>
#include <cstdio>
#include <new>

#include <CLI/CLI.hpp>
#include <quern/base/error.hpp>
#include <quern/base/version.hpp>

#include "commands.hpp"
#include "pretrain_settings.hpp"

namespace {

/// CLI11 reads 99999999999999999999 as the largest number and -1 as 2^64-1; here they are errors.
template <class T>
std::string whole_number(const std::string& text) {
  T value;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? "" : "expected a whole number, got '" + text + "'";
}

void add_device_option(CLI::App& app, std::string& device) {
  app.add_option("--device", device, "cpu, cuda, cuda:N, or auto: a GPU where there is one (quern devices)")
      ->capture_default_str();
}

using Options = std::map<std::string, CLI::Option*>;  // by the names of the settings

/// One option or flag for each setting.
template <class Settings>
Options add_settings(CLI::App& app, Settings& s) {
  Options options;
  Settings::visit(
      [&](const std::string& name, auto& value, std::string help, const std::string& models = "") {
        using T = std::remove_reference_t<decltype(value)>;
        const std::string flag = name == "data" ? "DATA" : "--" + dashed(name);
        CLI::Option*& option = options[name];
        if (!models.empty()) help += " [" + models + "]";
        if constexpr (std::is_same_v<T, bool>) {
          option = app.add_flag(flag, value, help);
        } else {
          option = app.add_option(flag, value, help);
          if constexpr (std::is_same_v<T, std::vector<std::int64_t>>) {
            option->delimiter(',')->allow_extra_args(false)->default_str("3,4,5");
          } else if (name != "data") {
            option->capture_default_str()->take_last();
          }
          if constexpr (std::is_integral_v<T>) option->check(whole_number<T>);
        }
      },
      s);
  return options;
}

/// The settings that stand on the command line.
std::set<std::string> given_of(const Options& options) {
  std::set<std::string> given;
  for (const auto& [name, option] : options)
    if (option->count() > 0) given.insert(name);
  return given;
}

/// What is of this call alone, of every training.
void add_call_options(CLI::App& app, auto& s) {
  app.add_option("--threads", s.threads, "Threads, by default one for each core; results do not depend on it");
  add_device_option(app, s.device);
  app.add_option("--checkpoint-seconds", s.checkpoint_seconds,
                 "Write a checkpoint this often, besides after every epoch")
      ->capture_default_str();
  app.add_option("--tensorboard", s.tensorboard, "Folder for TensorBoard event files: figures of steps and epochs");
  app.add_option("--tensorboard-steps", s.tensorboard_steps, "Write the figures of a step this often")
      ->capture_default_str();
  app.add_flag("--resume", s.resume, "Go on with the run in --out, bit for bit, with its settings");
  app.add_flag("--force", s.force, "Replace the run in --out");
  app.add_flag("--json", s.json, "Print one JSON object as the last line of stdout");
}

Options add_train_options(CLI::App& app, TrainSettings& s) {
  const Options options = add_settings(app, s);
  app.add_option("--out", s.out, "Folder of the run: model, vocabulary, labels, configuration, metrics");
  app.add_option("--trace", s.trace, "Write the first step as an HTML page, op by op with values and gradients");
  app.add_option("--config", s.config, "Take settings from this config.json; options given here go before it");
  add_call_options(app, s);
  return options;
}

Options add_pretrain_options(CLI::App& app, PretrainSettings& s) {
  const Options options = add_settings(app, s);
  app.add_option("--out", s.out, "Folder to write: a BERT that transformers and quern train --from read");
  add_call_options(app, s);
  app.footer(
      "Examples:\n"
      "  quern pretrain reviews.txt --out encoder --epochs 3           a small BERT and its vocabulary, from nothing\n"
      "  quern pretrain news.txt --from bert --out tuned --lr 5e-5     go on with another's\n"
      "  quern pretrain news.txt --from encoder --objective simcse --out sentences\n"
      "  quern train labelled.csv --model bert --from encoder --out model\n\n"
      "Ctrl-C (or SIGTERM) keeps the model as it is; --resume goes on bit for bit.");
  return options;
}

void add_reading_options(CLI::App& app, UseSettings& s) {
  app.add_option(
      "--format", s.format,
      "csv, tsv, jsonl, fasttext, trec, trec-fine, sentence@label, folder; for texts without labels csv, tsv, "
      "jsonl, lines");
  app.add_option("--encoding", s.encoding, "UTF-8, ISO-8859-1 or GB18030; of files by default guessed");
  app.add_option("--text-column", s.text_column, "Column of the text in CSV, TSV and JSONL (default: as in training)");
  app.add_option("--threads", s.threads, "Threads, by default one for each core");
  add_device_option(app, s.device);
}

void add_attack_options(CLI::App& app, UseSettings& s) {
  app.add_option("--attack", s.attack, "Measure with word vectors moved against the labels too: none, fgm or pgd")
      ->check(CLI::IsMember({"none", "fgm", "pgd"}));
  app.add_option("--epsilon", s.epsilon, "Length of the move of a text's word vectors together")->capture_default_str();
  app.add_option("--attack-steps", s.attack_steps, "Steps of pgd")
      ->check(whole_number<std::int64_t>)
      ->capture_default_str();
  app.add_option("--attack-step-size", s.attack_step_size, "Length of each; 0: 2.5 * epsilon / steps")
      ->capture_default_str();
}

void add_data_options(CLI::App& app, DataSettings& s) {
  app.add_option("DATA", s.data, "File of labelled texts, or a folder with one file for each class")->required();
  app.add_option("--format", s.format,
                 "csv, tsv, jsonl, fasttext, trec, trec-fine, sentence@label or folder; lines: texts without labels");
  app.add_option("--encoding", s.encoding, "UTF-8, ISO-8859-1 or GB18030; by default guessed");
  app.add_option("--text-column", s.text_column, "Column of the text in CSV, TSV and JSONL");
  app.add_option("--label-column", s.label_column, "Column of the label in CSV, TSV and JSONL");
  app.add_option("--tokenizer", s.tokenizer, "What counts as a token, and which texts are the same")
      ->check(CLI::IsMember({"words", "characters"}))
      ->capture_default_str();
  app.add_flag("--all", s.all, "Show all lines and classes, not only the first");
  app.add_flag("--json", s.json, "Print one JSON object with all of it");
  app.footer(
      "Shows counts and lengths, texts that stand there several times or with several labels, and suspicious\n"
      "lines; nothing is written. Line numbers are those of the file, in a folder of a class's own file.");
}

void add_export_options(CLI::App& app, ExportSettings& s) {
  app.add_option("DIR", s.folder, "Folder of a run, or a BERT classifier as Hugging Face writes it")->required();
  app.add_option("--to", s.to, "onnx: a file for ONNX Runtime; huggingface: a folder for transformers, of bert alone")
      ->required()
      ->check(CLI::IsMember({"onnx", "huggingface"}));
  app.add_option("--out", s.out, "File or folder to write")->required();
  app.add_flag("--force", s.force, "Replace the model that is in the folder");
  app.footer("docs/onnx.md tells what the ONNX graph takes and gives.");
}

void add_tokenize_options(CLI::App& app, TokenizeSettings& s) {
  app.add_option("--from", s.from, "Folder of a Hugging Face model, its tokenizer.json, or a vocab.txt")->required();
  app.add_flag("--cased", s.cased, "Keep capitals and accents, whatever the files say");
  app.add_option("FILE", s.input, "Each line is a text, ended by \\n alone; - or nothing: lines of stdin");
  app.footer(
      "Prints one JSON object for each line, as the encode of Hugging Face's tokenizers gives it: ids, tokens and\n"
      "offsets (in characters), [CLS] and [SEP] with them. What is not UTF-8 is read as U+FFFD.");
}

constexpr const char* main_footer = R"(Examples:
  quern data reviews.csv                          counts, lengths, duplicates, contradicting labels
  quern train reviews.csv --out model             train; a tenth of the texts is held out to stop in time
  quern evaluate model test.csv                   accuracy, precision, recall, F1 on other labelled texts
  quern predict model "I would watch it again."   classify one text
  quern predict model new.txt --json              classify each line of a file
  quern tokenize --from bert new.txt              the pieces that a BERT model sees
  quern pretrain texts.txt --out encoder          a BERT from texts without labels
  quern train reviews.csv --folds 10              how good would it be? cross-validation, nothing is written

Exit codes: 0 done, 1 failed or interrupted, 2 wrong usage. Results go to stdout, progress and notes to stderr.
'quern train --help' lists all settings.)";

constexpr const char* train_footer =
    R"(Data: CSV or TSV with a header, or JSONL (text and label are found by usual names, or given with --text-column and
--label-column); lines of '__label__name text', of 'COARSE:fine text' (TREC) or of 'sentence@label'; or a folder with
one file for each class, a text on each line. A file that ends in .xz is unpacked as it is read.

Examples:
  quern train reviews.csv --out model
  quern train mr --folds 10 --seed 7              MR of Pang & Lee as it is published: a folder
  quern train zh.csv --out model --tokenizer characters
  quern train --out model --resume                go on after a crash; also after Ctrl-C
  quern train --config model/config.json --out again        the same run, the same bytes

Ctrl-C (or SIGTERM) keeps the best model so far, writes the folder and exits with 1; a second one quits at once.

Defaults of --model, where they are not those above:
)";

/// The first Ctrl-C or SIGTERM asks training to stop; the second of the same has its usual effect.
void on_interrupt(int signal) {
  stop_asked = true;
  std::signal(signal, SIG_DFL);
}

/// --max_tokens is taken for --max-tokens: in config.json the settings are written so.
void write_options_with_dashes(int argc, char** argv) {
  for (int i = 1; i < argc && std::string_view(argv[i]) != "--"; ++i) {
    if (!std::string_view(argv[i]).starts_with("--")) continue;
    for (char* c = argv[i]; *c && *c != '='; ++c)
      if (*c == '_') *c = '-';
  }
}

int run(int argc, char** argv) {
  write_options_with_dashes(argc, argv);
  CLI::App app("Quern trains text classifiers and uses them.", "quern");
  app.set_version_flag("--version", QUERN_VERSION);
  app.require_subcommand(1);
  app.footer(main_footer);

  TrainSettings train;
  CLI::App* train_app = app.add_subcommand("train", "Train a classifier on labelled texts");
  const auto options = add_train_options(*train_app, train);
  train_app->footer(std::string(train_footer) + help_of_defaults());

  PretrainSettings pretrain;
  CLI::App* pretrain_app = app.add_subcommand("pretrain", "Teach a BERT from texts without labels");
  const auto pretrain_options = add_pretrain_options(*pretrain_app, pretrain);

  UseSettings use;
  CLI::App* evaluate_app = app.add_subcommand("evaluate", "Measure a trained classifier on labelled texts");
  evaluate_app->add_option("DIR", use.folder, "Folder of a run: quern train --out DIR")->required();
  evaluate_app
      ->add_option("DATA", use.input,
                   "Labelled texts in any format that train reads, or a folder with one file for each class")
      ->required();
  add_reading_options(*evaluate_app, use);
  evaluate_app->add_option("--label-column", use.label_column, "Column of the label (default: as in training)");
  evaluate_app->add_flag("--json", use.json, "Print one JSON object as the last line of stdout");
  add_attack_options(*evaluate_app, use);

  CLI::App* predict_app = app.add_subcommand("predict", "Classify texts");
  predict_app->add_option("DIR", use.folder, "Folder of a run: quern train --out DIR")->required();
  predict_app->add_option(
      "TEXT", use.input,
      "A text; or a file: each line is a text, of CSV and TSV each row; - or nothing: lines of stdin");
  add_reading_options(*predict_app, use);
  predict_app->parse_complete_callback([&] {
    if (predict_app->count("TEXT") == 0) use.input = "-";  // an empty TEXT is a text
  });
  predict_app->add_flag("--json", use.json, "Print one JSON object a line: label and probabilities");
  predict_app->add_flag("--logits", use.logits, "Print what the last layer gives for each class too");
  predict_app->footer(
      "Prints one line for each text: the label, a tab, and its probability; with --logits, tabs and the logits.");

  DataSettings data;
  CLI::App* data_app = app.add_subcommand("data", "Look at labelled texts before training on them");
  add_data_options(*data_app, data);

  ExportSettings to_export;
  CLI::App* export_app = app.add_subcommand("export", "Write a trained model in a form that other programs run");
  add_export_options(*export_app, to_export);

  bool devices_json = false;
  CLI::App* devices_app = app.add_subcommand("devices", "Show what this program can compute on");
  devices_app->add_flag("--json", devices_json, "Print one JSON object");

  TokenizeSettings tokenize;
  CLI::App* tokenize_app = app.add_subcommand("tokenize", "Cut texts into the pieces of a BERT vocabulary");
  add_tokenize_options(*tokenize_app, tokenize);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) { return app.exit(e) == 0 ? 0 : 2; }

  std::signal(SIGPIPE, SIG_IGN);  // writing reports it instead
  if (*train_app || *pretrain_app) {
    std::signal(SIGINT, on_interrupt);
    std::signal(SIGTERM, on_interrupt);
  }
  if (*train_app) {
    complete_settings(train, given_of(options));
    return run_train(train);
  }
  if (*pretrain_app) {
    complete_settings(pretrain, given_of(pretrain_options));
    return run_pretrain(pretrain);
  }
  if (*data_app) return run_data(data);
  if (*export_app) return run_export(to_export);
  if (*tokenize_app) return run_tokenize(tokenize);
  if (*devices_app) return run_devices(devices_json);
  return *evaluate_app ? run_evaluate(use) : run_predict(use);
}

int fail(int code, const std::string& message) {
  std::fflush(stdout);
  std::fprintf(stderr, "quern: %s\n", message.c_str());
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const int code = run(argc, argv);
    flush_output();
    return code;
  } catch (const BrokenPipe&) { return 0; } catch (const UsageError& e) {
    return fail(2, std::string(e.what()) + " (quern --help)");
  } catch (const std::bad_alloc&) {
    return fail(1, "not enough memory; a smaller --batch, --embedding or --max-tokens may help");
  } catch (const std::exception& e) { return fail(1, e.what()); }
}
