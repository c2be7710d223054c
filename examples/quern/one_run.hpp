/// One training, of `quern train` or of one fold of it.
#pragma once
#include <optional>
#include <vector>

#include <nlohmann/json.hpp>
#include <quern/data/dataset.hpp>
#include <quern/data/split.hpp>
#include <quern/train/options.hpp>
#include <quern/train/run_folder.hpp>

#include "settings.hpp"

struct OneRun {
  quern::TrainResult result;
  std::optional<quern::Metrics> test;  // of the examples asked for
  nlohmann::ordered_json report;       // what metrics.json holds
};

/// Where the run goes: settings.out, in Hugging Face's form for a model of theirs.
quern::RunFolder folder_of(const TrainSettings& settings);

/// Throws Error when the folder holds a run that neither --force nor --resume covers, or --resume with other settings.
void check_folder(const TrainSettings& settings);

/// Makes the folder if it is not there, and keeps other trainings out of it for as long as the descriptor is open.
int lock_folder(const std::string& path);

/// Checks the folder, clears it with --force, and writes config.json.
void prepare_folder(const TrainSettings& settings);

/// Trains on split.train, stops by split.held, measures on `test` (may be empty). With settings.out, leaves the folder.
OneRun train_once(const TrainSettings& settings, const quern::Dataset& data, const quern::Split& split,
                  const std::vector<std::int64_t>& test);
