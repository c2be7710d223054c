#include <quern/data/csv.hpp>

#include <doctest/doctest.h>

#include "data/files.hpp"

using namespace quern;

namespace {

/// Rows as "line: field|field", one a line; the error where reading ends with one.
std::string rows(std::string_view bytes, CsvOptions options = {}) {
  CsvReader reader(bytes, "f.csv", options);
  std::vector<std::string> fields;
  std::string out;
  const std::string error = error_of([&] {
    while (reader.next(fields)) {
      out += text_of(reader.line(), ":");
      for (const auto& field : fields) out += "|" + field;
      out += "\n";
    }
  });
  return error == "nothing was thrown" ? out : error;
}
const CsvOptions tsv{.separator = '\t', .quotes = false};

}  // namespace

TEST_CASE("rows and fields") {
  CHECK(rows("a,b\n1,2\n") == "1:|a|b\n2:|1|2\n");
  CHECK(rows("a,b\r\n1,2") == "1:|a|b\n2:|1|2\n");
  CHECK(rows("a,b\n,\n1,\n") == "1:|a|b\n2:||\n3:|1|\n");
  CHECK(rows("\n\na\n\r\nb\n\n") == "3:|a\n5:|b\n");
  CHECK(rows("").empty());
  CHECK(rows("\n\r\n").empty());
  CHECK(rows("a\rb,c\n") == "1:|a\rb|c\n");  // a lone \r ends no line
  CHECK(rows("a, b ,c") == "1:|a| b |c\n");
}

TEST_CASE("quoted fields") {
  CHECK(rows("\"a,b\",\"say \"\"hi\"\"\"\n") == "1:|a,b|say \"hi\"\n");
  CHECK(rows("a,\"two\nlines\"\nb,c\n") == "1:|a|two\nlines\n3:|b|c\n");
  CHECK(rows("\"x\r\ny\",z\r\n\"\",\"\"\r\n") == "1:|x\r\ny|z\n3:||\n");
  CHECK(rows("\"\"\"\"") == "1:|\"\n");
  CHECK(rows("\"end\"") == "1:|end\n");
}

TEST_CASE("TSV has no quoting") {
  CHECK(rows("a\tb\n\"1\t2\"\nsay \"x\"\t,\n", tsv) == "1:|a|b\n2:|\"1|2\"\n3:|say \"x\"|,\n");
  CHECK(holds(rows("a\tb\n1\n", tsv), "f.csv:2: expected 2 fields as in the first row, got 1"));
}

TEST_CASE("errors name the line") {
  CHECK(holds(rows("a,b\n1,2\n1,2,3\n"), "f.csv:3: expected 2 fields as in the first row, got more"));
  CHECK(holds(rows("a,b\n\"1\n1\",2\n3\n"), "f.csv:4: expected 2 fields"));
  CHECK(holds(rows(std::string(70'000, ',')), "f.csv:1: more than 65536 fields"));
  CHECK(holds(rows("a,b\n1,\"never\nclosed\n3,4\n"), "f.csv:2: the quote opened on this line is never closed"));
  CHECK(holds(rows("a,b\n1,\"never closed \"\""), "f.csv:2: the quote opened"));
  CHECK(holds(rows("a,b\n1,5\" pipe\n"), "f.csv:2: a quote inside a field"));
  CHECK(holds(rows("a,b\n\"x\ny\"z,2\n"), "f.csv:3: text after a closing quote", "opened on line 2"));
}

TEST_CASE("a field has a longest length") {
  CsvOptions ten;
  ten.longest_field = 10;
  CHECK(rows("0123456789,\"0123456789\"\n", ten) == "1:|0123456789|0123456789\n");
  CHECK(holds(rows("a\n0123456789x\n", ten), "f.csv:2: a field is longer than 10 bytes"));
  CHECK(holds(rows("a\n\"01234\n56789\n\n\n", ten), "f.csv:2: a field is longer than 10 bytes; was its quote never"));
  CHECK(holds(rows("a\n\"01234\"\"5678x\"\n", ten), "f.csv:2: a field is longer"));
}

TEST_CASE("lines end at \\n alone") {
  const auto lines = [](std::string_view bytes, std::size_t longest = 100) {
    LineReader reader(bytes, "f.txt", longest);
    std::string out;
    for (std::string_view line; reader.next(line);) out += text_of(reader.line(), ":", line, "|");
    return out;
  };
  CHECK(lines("a\n\nb\r\nc") == "1:a|2:|3:b|4:c|");
  CHECK(lines("a\xC2\x85"
              "b\x0C"
              "c\rd\n") ==
        "1:a\xC2\x85"
        "b\x0C"
        "c\rd|");
  CHECK(lines("").empty());
  CHECK(holds(error_of([&] { lines("ok\n0123456789x\n", 10); }), "f.txt:2: a line of 11 bytes, the limit is 10"));
}
