#include <quern/data/table.hpp>

#include <doctest/doctest.h>

#include "data/files.hpp"

using namespace quern;

TEST_CASE("read_csv reads CSV and TSV by name or by asking, and nothing else") {
  const TemporaryFolder folder;
  const auto [data, notes] = read_csv(folder.write("a.csv", "text,label\n\"x, y\",pos\nz,neg\n"));
  CHECK(data.texts == std::vector<std::string>{"x, y", "z"});
  CHECK(data.classes == std::vector<std::string>{"neg", "pos"});
  CHECK(data.labels == std::vector<std::int32_t>{1, 0});
  CHECK(data.lines == std::vector<std::int64_t>{2, 3});
  REQUIRE(notes.size() == 2);
  CHECK(holds(notes[0], "a.csv: read as UTF-8"));
  CHECK(read_csv(folder.write("a.tsv", "text\tlabel\nx, \"y\tp\n")).data.texts[0] == "x, \"y");
  CHECK(read_csv(folder.write("a", "text\tlabel\nx\tp\n"), {.format = "tsv"}).data.texts[0] == "x");
  CHECK(holds(error_of([&] { read_csv(folder.write("b.txt", "__label__pos good\n")); }),
              "b.txt:1:", "no column has a usual name"));
  CHECK(holds(error_of([&] { read_csv(folder / "b.txt", {.format = "fasttext"}); }), "format 'fasttext'",
              "expected csv or tsv"));
  CHECK(holds(error_of([&] { read_csv(folder.path); }), "is a folder"));
}
