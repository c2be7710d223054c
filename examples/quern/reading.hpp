/// How the program reads and cleans texts: with every reader Quern has.
#pragma once
#include <string>
#include <vector>

#include <quern/data/read.hpp>
#include <quern/text/clean_options.hpp>

#include "settings.hpp"

/// Throws UsageError for a --format or an --encoding that is not known, with those that are.
void check_reading(const std::string& format, const std::string& encoding, bool with_labels);

/// Options of read_dataset() and read_texts() with the readers that need a library; the format was checked.
quern::ReadOptions reading(const std::string& format, const std::string& encoding, const std::string& text_column,
                           const std::string& label_column, const std::vector<std::string>& classes = {});

/// What load_run() takes for runs whose texts are cleaned.
std::string (*cleaning_function())(std::string_view text, const quern::CleanOptions& options);

/// The names for --clean auto: "default" spelled out where one text in a hundred holds HTML, else "none"; why, in
/// `note`.
std::string automatic_cleaning(const quern::Dataset& data, std::string& note);

/// Puts names in the place of --clean auto, and cleans all texts; says what it does.
void clean_texts(TrainSettings& settings, quern::Dataset& data);
