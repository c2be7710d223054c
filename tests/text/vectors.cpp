#include <quern/text/vectors.hpp>

#include <doctest/doctest.h>

#include "data/files.hpp"

using namespace quern;

namespace {
const Vocabulary vocabulary = Vocabulary::of({"a a a b b c"}, Tokenizer::words());

WordVectors read(std::string_view bytes) {
  const TemporaryFolder folder;
  return read_vectors(folder.write("v.vec", bytes), vocabulary);
}
std::string failure(std::string_view bytes) {
  return error_of([&] { read(bytes); });
}
}  // namespace

TEST_CASE("vectors of the words of the vocabulary, with a header or without") {
  for (const char* header : {"", "4 3\n"}) {
    const WordVectors v = read(header + std::string("c 1 2 3\nother 4 5 6\na -1.5 2e-3 +0\nc 7 8 9\n"));
    CHECK(v.dim == 3);
    CHECK(v.found() == 2);
    CHECK(v.ids == std::vector<std::int32_t>{3, 1});
    CHECK(v.values == std::vector<float>{1, 2, 3, -1.5f, 2e-3f, 0});
  }
  CHECK(read("a 1 2 \r\nb 3 4 \r\n").values == std::vector<float>{1, 2, 3, 4});  // fastText ends lines with a space
  CHECK(read("a\t1\n").dim == 1);
  CHECK(read("a 1e-60 0.5\n").values == std::vector<float>{0, 0.5f});
}

TEST_CASE("broken files are errors with their line") {
  CHECK(holds(failure(""), "v.vec: no word vectors"));
  CHECK(holds(failure("2 3\n"), "v.vec: no word vectors"));
  CHECK(holds(failure("a 1 2\nb 1\nc 1 2\n"), "v.vec:2: expected 2 numbers after 'b', got 1"));
  CHECK(holds(failure("a 1 2\nb 1 2 3\n"), "v.vec:2: expected 2 numbers after 'b', got 3"));
  CHECK(holds(failure("1 3\na 1 2\n"), "v.vec:2: expected 3 numbers"));
  CHECK(holds(failure("a 1 2\nb 1"), "v.vec:2:", "truncated"));
  CHECK(holds(failure("3 1\na 1\nb 2\n"), "promises 3 vectors, the file holds 2", "truncated"));
  CHECK(holds(failure("a 1 nan\n"), "v.vec:1: 'nan' is not a finite number"));
  CHECK(holds(failure("x 1 1\na 1 -inf\n"), "v.vec:2: '-inf' is not a finite number"));
  CHECK(holds(failure("a 1 1e99\n"), "v.vec:1: '1e99' is not a finite number"));
  CHECK(holds(failure("a 1 1x\n"), "v.vec:1: expected a number, got '1x'"));
  CHECK(holds(failure("a 1\n\nb 2\n"), "v.vec:2: an empty line"));
  CHECK(holds(failure("justatoken\n"), "v.vec:1: expected a token and its numbers"));
}
