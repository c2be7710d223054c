/// How the texts of a training become ids.
#pragma once
#include <memory>

#include <quern/data/augment.hpp>
#include <quern/data/dataset.hpp>
#include <quern/data/text_to_ids.hpp>

#include "settings.hpp"

struct TextSide {
  std::shared_ptr<const quern::TextToIds> ids;
  const quern::WordsToIds* words = nullptr;  // the same, where ids are of words or characters
  quern::Synonyms synonyms{};
};

/// Of bert the pieces of its folder. Else a vocabulary of the training texts alone: words seen nowhere else must be
/// unknown in the development texts too.
TextSide text_side(const TrainSettings& settings, const quern::Dataset& data,
                   const std::vector<std::int64_t>& training);
