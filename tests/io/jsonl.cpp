#include <quern/io/jsonl.hpp>

#include <doctest/doctest.h>

#include <quern/data/read.hpp>

#include "data/files.hpp"

using namespace quern;

namespace {

/// Reads a file of these lines; the result as "label:text@line …" or the error.
std::string read(std::string_view bytes, ReadOptions options = {}) {
  const TemporaryFolder folder;
  options.readers.jsonl = read_jsonl;
  std::string out;
  const std::string error = error_of([&] {
    const Dataset data = read_dataset(folder.write("a.jsonl", bytes), options).data;
    for (std::size_t i = 0; i < data.texts.size(); ++i)
      out += text_of(data.classes[std::size_t(data.labels[i])], ":", data.texts[i], "@", data.lines[i], " ");
  });
  return error == "nothing was thrown" ? out : error;
}

}  // namespace

TEST_CASE("JSONL: text and label by usual names, by asking, by being the other one of two") {
  CHECK(read("{\"label\": \"pos\", \"text\": \"good, \\u00e9\\n\"}\n\n "
             "{\"text\":\"bad\",\"label\":\"neg\",\"id\":7}\r\n") == "pos:good, é\n@1 neg:bad@3 ");
  CHECK(read(R"({"label": 1, "text": "a"})") == "1:a@1 ");
  CHECK(read(R"({"label": true, "text": "a"})") == "true:a@1 ");
  CHECK(read(R"({"words": "hello", "intent": " greet "})") == "greet:hello@1 ");
  CHECK(read(R"({"a": "x", "b": "y", "text": "z"})", {.text_column = "a", .label_column = "b"}) == "y:x@1 ");
  CHECK(read("{\"text\": \"\\ud83d\\ude00\", \"label\": \"x\"}") == "x:😀@1 ");
  CHECK(read("{\"text\": \"a\", \"label\": \"x\"}\n{\"text\": \"b\", \"label\": \"y\"}", {.classes = {"y", "x"}}) ==
        "x:a@1 y:b@2 ");
}

TEST_CASE("JSONL: bad lines are named") {
  const std::string good = "{\"text\": \"a\", \"label\": \"x\"}\n";
  const auto second = [&](std::string_view line) { return read(good + std::string(line) + "\n"); };
  CHECK(holds(second("{\"text\": \"a\""), "a.jsonl:2: not valid JSON", "at column"));
  CHECK(holds(second("[\"a\", \"x\"]"), "a.jsonl:2: expected one JSON object on each line, got array"));
  CHECK(holds(second("\"a\""), "a.jsonl:2: expected one JSON object", "string"));
  CHECK(holds(second("{\"text\": \"a\"}"), "a.jsonl:2: has no 'label'"));
  CHECK(holds(second("{\"text\": 7, \"label\": \"x\"}"), "a.jsonl:2: 'text' is 7; expected a string"));
  CHECK(holds(second("{\"text\": null, \"label\": \"x\"}"), "a.jsonl:2: 'text' is null"));
  CHECK(holds(second("{\"text\": \"a\", \"label\": [\"x\", \"y\"]}"),
              "a.jsonl:2: 'label' is [\"x\",\"y\"]; expected one label"));
  CHECK(holds(second("{\"text\": \"a\", \"label\": 1.5}"), "a.jsonl:2: 'label' is 1.5"));
  CHECK(holds(second("{\"text\": \"a\", \"label\": null}"), "a.jsonl:2: 'label' is null"));
  CHECK(holds(second("{\"text\": \"a\", \"label\": \" \"}"), "a.jsonl:2: the label is empty"));
  CHECK(holds(second("{\"text\": \"a\", \"text\": \"b\", \"label\": \"x\"}"), "a.jsonl:2: 'text' is given twice"));
  CHECK(holds(second("{\"text\": \"a\\u0000b\", \"label\": \"x\"}"), "a.jsonl:2: 'text' holds NUL"));
  CHECK(holds(second("{\"text\": \"a\", \"label\": \"x\\u0000\"}"), "a.jsonl:2: 'label' holds NUL"));
  CHECK(holds(second("{\"text\": \"\\ud800\", \"label\": \"x\"}"), "a.jsonl:2: not valid JSON", "surrogate"));
  CHECK(holds(second("{\"text\": \"\\udc00 a\", \"label\": \"x\"}"), "a.jsonl:2: not valid JSON", "surrogate"));
  CHECK(holds(second("{\"text\": " + std::string(100'000, '[')), "a.jsonl:2: nested more than 64 levels"));
  CHECK(holds(second("{} {}"), "a.jsonl:2: not valid JSON"));
  CHECK(holds(read("{\"id\": 1, \"n\": 2, \"m\": 3}\n"), "a.jsonl:1: no column has a usual name for the text",
              "'id', 'm', 'n'", "--text-column"));
  CHECK(holds(read(good, {.label_column = "stars"}), "a.jsonl:1: no column 'stars' for the label"));
  CHECK(holds(read("\n \n"), "a.jsonl: the file holds only line ends"));
  CHECK(holds(read("\n \n", {.format = "jsonl"}), "a.jsonl: the file holds only blank lines"));
  CHECK(read(" \n{\"text\": \"a\", \"label\": \"x\"}\n") == "x:a@2 ");
  CHECK(holds(read(good + "{\"text\": \"\xFF\"}\n", {.encoding = "UTF-8"}), "a.jsonl:2: byte ", "is not UTF-8"));
}

TEST_CASE("JSONL is found by its first character, and gives texts without labels") {
  const TemporaryFolder folder;
  const ReadOptions options{.readers = {.jsonl = read_jsonl}};
  const std::string line = "{\"text\": \"a\", \"label\": \"x\"}\n";
  CHECK(read_dataset(folder.write("a.data", line), options).data.size() == 1);
  CHECK(read_dataset(folder.write("a.ndjson", line), options).data.size() == 1);
  const ReadTexts texts =
      read_texts(folder.write("b.jsonl", "\n{\"text\": \"a\"}\n{\"text\": \"b\", \"label\": 7}\n"), options);
  CHECK(texts.texts == std::vector<std::string>{"a", "b"});
  CHECK(texts.lines == std::vector<std::int64_t>{2, 3});
}
