/// The subcommands of the program, and what they share. Each gives the exit code.
#pragma once
#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <quern/tensor/device.hpp>

#include "settings.hpp"

/// The command line asks for something that cannot be: exit code 2.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Whoever read stdout has gone: nothing more to do, and no error.
struct BrokenPipe {};

/// How labelled or plain texts are read, and the threads, for evaluate and predict.
struct UseSettings {
  std::string folder, input, format, encoding, text_column, label_column;
  std::int64_t threads = 0;
  bool json = false, logits = false;
  std::string device = "auto";
  std::string attack = "none";  // of evaluate: also measure under it
  double epsilon = 1, attack_step_size = 0;
  std::int64_t attack_steps = 3;
};

/// What quern data looks at.
struct DataSettings {
  std::string data, format, encoding, text_column, label_column, tokenizer = "words";
  bool json = false, all = false;
};

/// What quern export writes.
struct ExportSettings {
  std::string folder, to, out;
  bool force = false;
};

/// What quern tokenize reads.
struct TokenizeSettings {
  std::string from, input = "-";
  bool cased = false;
};

/// The column given, else the one the model was trained with. `name`: text_column or label_column.
std::string column_of(const UseSettings& settings, const char* name);

int run_train(const TrainSettings& settings);
int run_evaluate(const UseSettings& settings);
int run_predict(const UseSettings& settings);
int run_data(const DataSettings& settings);
int run_export(const ExportSettings& settings);
int run_devices(bool json);
int run_tokenize(const TokenizeSettings& settings);

/// Set by the first Ctrl-C; the second ends the program.
extern std::atomic<bool> stop_asked;

/// Writes to stdout; throws BrokenPipe, or Error where writing fails (a full disk).
void print(std::string_view text);
void flush_output();

/// Writes a line to stderr, each line of notes after the program's name.
void say(const std::string& line);
void say_all(const std::vector<std::string>& lines);

/// "min_count" → "min-count", as an option is written.
std::string dashed(std::string name);

/// 0: one for each core.
void use_threads(std::int64_t threads);

/// The device of --device; says which and why. For evaluate and predict only where it is not the CPU by default.
quern::Device use_device_named(const std::string& name, bool quiet);
