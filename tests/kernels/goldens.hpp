/// Files of golden vectors: the device's name, then a line for each thread, words in hexadecimal.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <sstream>
#include <string>
#include <vector>

#include <quern/base/error.hpp>

namespace test {

using quern::text_of;
using Word = std::uint32_t;

struct Golden {
  std::string device;
  std::vector<std::vector<Word>> lines;
};

inline std::string text_of_golden(const Golden& g) {
  std::string text = g.device + "\n";
  for (const auto& line : g.lines) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      char word[16];
      std::snprintf(word, sizeof word, i ? " %08x" : "%08x", line[i]);
      text += word;
    }
    text += '\n';
  }
  return text;
}

inline Golden parsed(const std::string& text) {
  std::istringstream in(text);
  Golden g;
  std::getline(in, g.device);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    g.lines.emplace_back();
    for (std::string word; words >> word;) g.lines.back().push_back(Word(std::stoul(word, nullptr, 16)));
  }
  return g;
}

/// The first difference, or nothing. Floats may differ by 1e-5 of the sums' size.
inline std::string difference(const Golden& golden, const Golden& got, bool floats) {
  if (golden.lines.size() != got.lines.size()) return text_of(golden.lines.size(), " threads, got ", got.lines.size());
  for (std::size_t t = 0; t < got.lines.size(); ++t) {
    if (golden.lines[t].size() != got.lines[t].size()) return text_of("thread ", t, ": another number of words");
    for (std::size_t i = 0; i < got.lines[t].size(); ++i) {
      const Word a = golden.lines[t][i], b = got.lines[t][i];
      const float x = __builtin_bit_cast(float, a), y = __builtin_bit_cast(float, b);
      if (a == b || (floats && std::abs(x - y) <= 1e-5f * (64 + std::abs(x)))) continue;
      return floats ? text_of("thread ", t, ", word ", i, ": ", x, ", got ", y)
                    : text_of("thread ", t, ", word ", i, ": ", a, ", got ", b);
    }
  }
  return "";
}

}  // namespace test
