/// Every file of the kept corpus goes through its reader in the ordinary tests, under every compiler and sanitizer.
#include <doctest/doctest.h>

#include "targets.hpp"

TEST_CASE("fuzz: the corpus of every target") {
  const std::string corpus = QUERN_SOURCE_DIR "/tests/fuzz/corpus/";
  for (const auto& entry : fuzz::targets()) {
    const std::string name = entry.first;
    int files = 0;
    for (const auto& file : quern::list_folder(corpus + name)) {
      CAPTURE(name);
      CAPTURE(file);
      CHECK_NOTHROW(entry.second(quern::read_file(corpus + name + "/" + file)));
      ++files;
    }
    CHECK(files >= 3);
  }
}

TEST_CASE("fuzz: every prefix of a file is read or refused") {
  const std::string corpus = QUERN_SOURCE_DIR "/tests/fuzz/corpus/";
  for (const auto& entry : fuzz::targets()) {
    const std::string name = entry.first;
    const auto bytes = quern::read_file(corpus + name + "/sound");
    for (std::size_t n = 0; n <= bytes.size(); n += 1 + bytes.size() / 60) {
      CAPTURE(name);
      CAPTURE(n);
      CHECK_NOTHROW(entry.second(std::string_view(bytes).substr(0, n)));
    }
  }
}
