/// quern: from labelled texts to a classifier, and from texts to labels. `quern --help` tells all.
#include <charconv>
#include <csignal>
#include <cstdio>
#include <new>

#include <CLI/CLI.hpp>
#include <quern/base/error.hpp>
#include <quern/base/version.hpp>

#include "commands.hpp"

namespace {

/// CLI11 reads 99999999999999999999 as the largest number and -1 as 2^64-1; here they are errors.
template <class T>
std::string whole_number(const std::string& text) {
  T value;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? "" : "expected a whole number, got '" + text + "'";
}

std::string dashed(std::string name) {
  for (char& c : name)
    if (c == '_') c = '-';
  return name;
}

/// One option or flag for each setting; gives them by name.
std::map<std::string, CLI::Option*> add_train_options(CLI::App& app, TrainSettings& s) {
  std::map<std::string, CLI::Option*> options;
  TrainSettings::visit(
      [&](const std::string& name, auto& value, const char* help) {
        using T = std::remove_reference_t<decltype(value)>;
        const std::string flag = name == "data" ? "DATA" : "--" + dashed(name);
        CLI::Option*& option = options[name];
        if constexpr (std::is_same_v<T, bool>) {
          option = app.add_flag(flag, value, help);
        } else {
          option = app.add_option(flag, value, help);
          if constexpr (!std::is_same_v<T, std::string> && requires { value.size(); }) {
            option->delimiter(',')->allow_extra_args(false)->default_str("3,4,5");
          } else if (name != "data") {
            option->capture_default_str()->take_last();
          }
          if constexpr (std::is_integral_v<T>) option->check(whole_number<T>);
        }
      },
      s);
  app.add_option("--out", s.out, "Folder of the run: model, vocabulary, labels, configuration, metrics");
  app.add_option("--config", s.config, "Take settings from this config.json; options given here go before it");
  app.add_option("--threads", s.threads, "Threads, by default one for each core; results do not depend on it");
  app.add_option("--checkpoint-seconds", s.checkpoint_seconds,
                 "Write a checkpoint this often, besides after every epoch")
      ->capture_default_str();
  app.add_flag("--resume", s.resume, "Go on with the run in --out, bit for bit, with its settings");
  app.add_flag("--force", s.force, "Replace the run in --out");
  app.add_flag("--json", s.json, "Print one JSON object as the last line of stdout");
  return options;
}

void add_reading_options(CLI::App& app, UseSettings& s) {
  app.add_option("--format", s.format, "csv, tsv, fasttext, folder; for texts without labels csv, tsv, lines");
  app.add_option("--encoding", s.encoding, "UTF-8, ISO-8859-1 or GB18030; of files by default guessed");
  app.add_option("--text-column", s.text_column, "Column of the text in CSV and TSV (default: as in training)");
  app.add_option("--threads", s.threads, "Threads, by default one for each core");
}

constexpr const char* main_footer = R"(Examples:
  quern train reviews.csv --out model             train; a tenth of the texts is held out to stop in time
  quern evaluate model test.csv                   accuracy, precision, recall, F1 on other labelled texts
  quern predict model "I would watch it again."   classify one text
  quern predict model new.txt --json              classify each line of a file
  quern train reviews.csv --folds 10              how good would it be? cross-validation, nothing is written

Exit codes: 0 done, 1 failed or interrupted, 2 wrong usage. Results go to stdout, progress and notes to stderr.
'quern train --help' lists all settings.)";

constexpr const char* train_footer =
    R"(Data: CSV or TSV with a header (text and label are found by usual names, or given with --text-column and
--label-column); lines of '__label__name text'; or a folder with one file for each class, a text on each line.

Examples:
  quern train reviews.csv --out model
  quern train mr --folds 10 --seed 7              MR of Pang & Lee as it is published: a folder
  quern train zh.csv --out model --tokenizer characters
  quern train --out model --resume                go on after a crash; also after Ctrl-C
  quern train --config model/config.json --out again        the same run, the same bytes

Ctrl-C keeps the best model so far, writes the folder and exits with 1; a second Ctrl-C quits at once.)";

/// The first Ctrl-C asks training to stop; the second has its usual effect.
void on_interrupt(int) {
  stop_asked = true;
  std::signal(SIGINT, SIG_DFL);
}

int run(int argc, char** argv) {
  CLI::App app("Quern trains text classifiers and uses them.", "quern");
  app.set_version_flag("--version", QUERN_VERSION);
  app.require_subcommand(1);
  app.footer(main_footer);

  TrainSettings train;
  CLI::App* train_app = app.add_subcommand("train", "Train a classifier on labelled texts");
  const auto options = add_train_options(*train_app, train);
  train_app->footer(train_footer);

  UseSettings use;
  CLI::App* evaluate_app = app.add_subcommand("evaluate", "Measure a trained classifier on labelled texts");
  evaluate_app->add_option("DIR", use.folder, "Folder of a run: quern train --out DIR")->required();
  evaluate_app->add_option("DATA", use.input, "CSV, TSV or fastText file, or a folder with one file for each class")
      ->required();
  add_reading_options(*evaluate_app, use);
  evaluate_app->add_option("--label-column", use.label_column, "Column of the label (default: as in training)");
  evaluate_app->add_flag("--json", use.json, "Print one JSON object as the last line of stdout");

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
  predict_app->footer("Prints one line for each text: the label, a tab, and its probability.");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) { return app.exit(e) == 0 ? 0 : 2; }

  std::signal(SIGPIPE, SIG_IGN);  // writing reports it instead
  if (*train_app) {
    std::signal(SIGINT, on_interrupt);
    std::set<std::string> given;
    for (const auto& [name, option] : options)
      if (option->count() > 0) given.insert(name);
    complete_settings(train, given);
    return run_train(train);
  }
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
