#include <quern/data/read.hpp>

#include <chrono>
#include <fstream>

#include <doctest/doctest.h>

#include "data/files.hpp"

using namespace quern;

namespace {

/// Reads a file of these bytes; the result as "label:text@line …" or the error.
std::string read(std::string_view name, std::string_view bytes, const ReadOptions& options = {}) {
  const TemporaryFolder folder;
  const std::string path = folder.write(name, bytes);
  std::string out;
  const std::string error = error_of([&] {
    const Dataset data = read_dataset(path, options).data;
    for (std::size_t i = 0; i < data.texts.size(); ++i)
      out += text_of(data.classes[std::size_t(data.labels[i])], ":", data.texts[i], "@", data.lines[i], " ");
  });
  return error == "nothing was thrown" ? out : error;
}

bool noted(const std::vector<std::string>& notes, auto... parts) {
  for (const auto& note : notes)
    if (holds(note, parts...)) return true;
  return false;
}

}  // namespace

TEST_CASE("CSV and TSV: columns by usual names, by asking, by being the other one of two") {
  CHECK(read("a.csv", "label,text\npos,\"good, very\"\nneg,bad\n") == "pos:good, very@2 neg:bad@3 ");
  CHECK(read("a.csv", "Review , Sentiment\r\nfine,1\r\n\r\nsad,0\r\n") == "1:fine@2 0:sad@4 ");
  CHECK(read("a.tsv", "y\tid\tsentence\n1\t7\tsay \"hi\n") == "1:say \"hi@2 ");
  CHECK(read("a.csv", "words,intent\nhello,greet\n") == "greet:hello@2 ");
  CHECK(read("a.csv", "text,stars\nhello,5\n") == "5:hello@2 ");
  CHECK(read("a.csv", "text,label,title,stars\na,b,c,d\n", {.text_column = "title", .label_column = "stars"}) ==
        "d:c@2 ");
  CHECK(read("a.csv", "text,label\n\"two\nlines\", x \nb,y\n") == "x:two\nlines@2 y:b@4 ");
  CHECK(read("a.csv", "\xEF\xBB\xBFtext,label\na,b\n") == "b:a@2 ");
  CHECK(read("a.data", "text,label\na,b\n") == "b:a@2 ");
  CHECK(read("a.data", "text\tlabel\na,b\tc\n") == "c:a,b@2 ");
  CHECK(read("a.data", "text,label\na,b\n", {.format = "csv"}) == "b:a@2 ");
}

TEST_CASE("columns that cannot be found name the columns and the option") {
  CHECK(holds(read("a.csv", "id,name,value\n1,2,3\n"), "a.csv:1: no column has a usual name for the text",
              "'id', 'name', 'value'", "--text-column"));
  CHECK(holds(read("a.csv", "id,text,value\n1,2,3\n"), "a.csv:1:", "for the label", "--label-column"));
  CHECK(holds(read("a.csv", "text,review,label\n1,2,3\n"), "several columns may hold the text",
              "'text', 'review', 'label'", "--text-column"));
  CHECK(holds(read("a.csv", "text,label,class\n1,2,3\n"), "several columns may hold the label", "--label-column"));
  CHECK(holds(read("a.csv", "text,label\n1,2\n", {.label_column = "stars"}), "no column 'stars' for the label",
              "'text', 'label'"));
  CHECK(holds(read("a.csv", "text,label\n1,2\n", {.label_column = "text"}), "text and label are the same column"));
  CHECK(holds(read("a.csv", "text\n1\n"), "for the label"));
}

TEST_CASE("fastText lines") {
  CHECK(read("a.txt", "__label__pos very good\n\n__label__neg\tbad \r\n__label__neg\n") ==
        "pos:very good@1 neg:bad@3 neg:@4 ");
  CHECK(holds(read("a.txt", "__label__a x\nno label\n"), "a.txt:2: expected a line of the form '__label__name text'"));
  CHECK(holds(read("a.txt", "__label__a __label__b x\n"), "a.txt:1: a text with several labels"));
  CHECK(holds(read("a.txt", "__label__ x\n"), "a.txt:1: expected a line"));
}

TEST_CASE("TREC lines: the coarse class, or both") {
  const std::string lines = "DESC:manner How is it ?\n\nHUM:ind Who ?\nDESC:def What ?\n";
  CHECK(read("a.label", lines) == "DESC:How is it ?@1 HUM:Who ?@3 DESC:What ?@4 ");
  CHECK(read("a.label", lines, {.format = "trec-fine"}) ==
        "DESC:manner:How is it ?@1 HUM:ind:Who ?@3 DESC:def:What ?@4 ");
  for (const char* bad : {"DESC manner How ?", "desc:manner How ?", "DESC:Manner How ?", "DESC:manner", ":manner How"})
    CHECK_MESSAGE(holds(read("a.label", text_of("HUM:ind Who ?\n", bad, "\n")),
                        "a.label:2: expected a line of the form 'COARSE:fine text', it begins with '"),
                  bad);
  // One byte that could be half a Chinese character: TREC is published in ISO-8859-1, other files must say.
  CHECK(read("a.label",
             "HUM:ind Who is sister\xF0"
             "city ?\n") == "HUM:Who is sisterðcity ?@1 ");
  CHECK(read("a.txt",
             "HUM:ind Who is sister\xF0"
             "city ?\n",
             {.format = "trec"}) == "HUM:Who is sisterðcity ?@1 ");
  CHECK(holds(read("a.csv",
                   "text,label\nsister\xF0"
                   "city,HUM\n"),
              "the encoding is not clear"));
}

TEST_CASE("sentence@label") {
  CHECK(read("a.txt", "Profit rose .@positive\r\n\nMail a@b.c , he said .@neutral\nIt fell@negative") ==
        "positive:Profit rose .@1 neutral:Mail a@b.c , he said .@3 negative:It fell@4 ");
  CHECK(read("a.txt", "x @ y\nz@y\n", {.format = "sentence@label"}) == "y:x@1 y:z@2 ");
  CHECK(holds(read("a.txt", "It rose .@positive\nno label here\n", {.format = "sentence@label"}),
              "a.txt:2: expected a line of the form 'sentence@label', it begins with 'no label here'"));
  CHECK(holds(read("a.txt", "It rose .@two words\n", {.format = "sentence@label"}), "a.txt:1:"));
  CHECK(holds(read("a.txt", "@positive\n", {.format = "sentence@label"}), "a.txt:1:"));
  // Lines that end in a mention or an address are no labelled sentences.
  CHECK(holds(read("a.txt", "thanks @bob\n"), "the format cannot be told"));
  CHECK(holds(read("a.txt", "write to me@home.org\n"), "the format cannot be told"));
}

TEST_CASE("readers that need a library are named where they are missing") {
  CHECK(holds(read("a.jsonl", "{\"text\": \"a\", \"label\": \"b\"}\n"), "is JSONL", "io/jsonl.hpp"));
  CHECK(holds(read("a.csv.xz", "x"), "a.csv.xz: is compressed by xz", "data/xz.hpp"));
}

TEST_CASE("a folder with one file for each class") {
  const TemporaryFolder folder;
  SUBCASE("classes by ending; lines end at \\n alone; one encoding for all") {
    folder.write("rt.pos", "good \n\ncaf\xE9 \x85 x\n");
    folder.write("rt.neg", "bad\nworse");
    folder.write("README", "about");
    const auto [data, notes] = read_dataset(folder.path);
    CHECK(data.classes == std::vector<std::string>{"neg", "pos"});
    CHECK(data.texts == std::vector<std::string>{"bad", "worse", "good ", "café \xC2\x85 x"});
    CHECK(data.labels == std::vector<std::int32_t>{0, 0, 1, 1});
    CHECK(data.lines == std::vector<std::int64_t>{1, 2, 1, 3});
    CHECK(noted(notes, "ISO-8859-1", "line 3 of rt.pos"));
    CHECK(noted(notes, "rt.pos: 1 blank line"));
    CHECK(noted(notes, "README: passed over"));
  }
  SUBCASE("classes by stem") {
    folder.write("sport.txt", "a\n");
    folder.write("politics.txt", "b\n");
    folder.write(".hidden", "c\n");
    CHECK(read_dataset(folder.path).data.classes == std::vector<std::string>{"politics", "sport"});
  }
  const auto error = [&] { return error_of([&] { read_dataset(folder.path); }); };
  SUBCASE("a folder with a table is not one") {
    folder.write("train.csv", "text,label\na,b\n");
    CHECK(holds(error(), "not a folder with one file for each class", "train.csv; give the path of one file"));
  }
  SUBCASE("nor one with other files") {
    folder.write("a.txt", "x\n");
    folder.write("b.pos", "y\n");
    CHECK(holds(error(), "not a folder", "'a.txt', 'b.pos'"));
  }
  SUBCASE("nor an empty one") { CHECK(holds(error(), "it holds no files")); }
  SUBCASE("nor one with folders") {
    std::filesystem::create_directory(folder / "pos");
    CHECK(holds(error(), "it holds the folder 'pos'"));
  }
  SUBCASE("nor one with a pipe, which would be waited for") {
    folder.write("a.txt", "x\n");
    REQUIRE(::mkfifo((folder / "b.txt").c_str(), 0600) == 0);
    CHECK(holds(error(), "'b.txt' in it is no file but a pipe"));
  }
  SUBCASE("an empty class") {
    folder.write("a.txt", "x\n");
    folder.write("b.txt", "");
    CHECK(holds(error(), "b.txt: the file is empty"));
  }
}

TEST_CASE("the classes of a model keep their order, other labels are errors") {
  const TemporaryFolder folder;
  const std::string path = folder.write("a.csv", "text,label\nx,pos\ny,neg\nz,pos\n");
  const Dataset data = read_dataset(path, {.classes = {"pos", "other", "neg"}}).data;
  CHECK(data.classes == std::vector<std::string>{"pos", "other", "neg"});
  CHECK(data.labels == std::vector<std::int32_t>{0, 2, 0});
  CHECK(holds(error_of([&] {
                read_dataset(path, {.classes = {"pos", "bad"}});
              }),
              "a.csv:3: label 'neg' is none of the model's 2 classes: pos, bad"));
}

TEST_CASE("bad input") {
  using namespace std::literals;
  CHECK(holds(read("a.csv", ""), "a.csv: the file is empty"));
  CHECK(holds(read("a.csv", "\n\n"), "only line ends"));
  CHECK(holds(read("a.csv", "text,label\n"), "a.csv: a header and no rows"));
  CHECK(holds(read("a.csv", "text,label\na,\n"), "a.csv:2: the label is empty"));
  CHECK(holds(read("a.csv", "text,label\na,b\nc,\"d\ne,f\n"), "a.csv:3: the quote opened on this line"));
  CHECK(holds(read("a.csv", "text,label\na,b\nc,d,e\n"), "a.csv:3: expected 2 fields"));
  CHECK(holds(read("a.csv", "text,label\na,b\0\n"s), "NUL"));
  CHECK(holds(read("a.csv", "text,label\na,b\0\n"s, {.encoding = "latin1"}), "a.csv:2: byte 14 is NUL"));
  CHECK(holds(read("a.csv", "text,label\n\xE9t\xE9,b\n", {.encoding = "utf-8"}), "a.csv:2: byte 11 is not UTF-8"));
  CHECK(holds(read("a.csv", "text,label\n\xE9t\xE9t,b\n"), "a.csv: the encoding is not clear", "--encoding"));
  CHECK(holds(read("a.csv", "text,label\na,b\n", {.encoding = "utf-99"}), "'utf-99'"));
  CHECK(holds(read("a.csv", "text,label\na,b\n", {.format = "xml"}), "format 'xml'",
              "csv, tsv, jsonl, fasttext, trec, trec-fine, sentence@label or folder"));
  CHECK(holds(read("a.txt", "just lines\n"), "a.txt: the format cannot be told", "--format"));
  CHECK(holds(error_of([] { read_dataset("/no/such/file.csv"); }), "/no/such/file.csv", "No such file"));
  const TemporaryFolder folder;
  CHECK(holds(error_of([&] { read_dataset(folder.path, {.format = "csv"}); }), folder.path, "is a folder"));
  CHECK(
      holds(error_of([&] { read_dataset(folder.write("a.csv", "a,b\n"), {.format = "folder"}); }), "Not a directory"));
  const auto one_class = read_dataset(folder.write("one.csv", "text,label\na,b\nc,b\n")).data;
  CHECK(holds(error_of([&] { require_trainable(one_class); }), "one.csv", "at least two classes", "'b'"));
}

TEST_CASE("texts without labels") {
  const TemporaryFolder folder;
  const ReadTexts lines = read_texts(folder.write("a.txt", "one, two\n\nthree\r\n"));
  CHECK(lines.texts == std::vector<std::string>{"one, two", "", "three"});
  CHECK(lines.lines == std::vector<std::int64_t>{1, 2, 3});
  CHECK(!lines.has_columns);
  CHECK(read_texts(folder.write("a.csv", "text\na\n")).has_columns);
  CHECK(read_texts(folder.write("a.csv", "text\n\"a\nb\"\nc\n")).texts == std::vector<std::string>{"a\nb", "c"});
  CHECK(read_texts(folder.write("a.csv", "id,review\n1,x\n")).texts == std::vector<std::string>{"x"});
  CHECK(read_texts(folder.write("a.csv", "text,x\n"), {.format = "lines"}).texts == std::vector<std::string>{"text,x"});
  CHECK(
      holds(error_of([&] { read_texts(folder.write("a.csv", "id,x,y\n1,2,3\n")); }), "for the text", "--text-column"));
  CHECK(holds(error_of([&] { read_texts(folder.write("a.csv", "text\n")); }), "a header and no rows"));
  CHECK(holds(error_of([&] { read_texts(folder.write("a.txt", "")); }), "the file is empty"));
  CHECK(holds(error_of([&] { read_texts(folder.path); }), "is a folder"));
  CHECK(holds(error_of([&] { read_texts(folder / "a.txt", {.format = "fasttext"}); }), "format 'fasttext'"));
}

TEST_CASE("a line of 100 MB is an error, soon") {
  const TemporaryFolder folder;
  const std::string line(100'000'000, 'x');
  for (const char* name : {"a.csv", "a.tsv", "a.txt"}) {
    const std::string head = holds(name, ".txt")   ? "__label__a ok\n__label__b "
                             : holds(name, ".tsv") ? "label\ttext\nb\t"
                                                   : "label,text\nb,";
    const std::string path = folder.write(name, head + line + "\n");
    const auto begin = std::chrono::steady_clock::now();
    CHECK(holds(error_of([&] { read_dataset(path); }), std::string(name) + ":2: a", "16777216"));
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));
  }
}

TEST_CASE("any bytes are read or refused with an Error") {
  const TemporaryFolder folder;
  constexpr std::string_view pieces[] = {"\"",
                                         ",",
                                         "\t",
                                         "\n",
                                         "\r\n",
                                         "a",
                                         "label",
                                         "text",
                                         "__label__",
                                         " ",
                                         "\xE9",
                                         "é",
                                         "好",
                                         "\xBA\xC3",
                                         std::string_view("\0", 1),
                                         "\xEF\xBB\xBF",
                                         "\xFF\xFE"};
  std::uint32_t state = 7;
  const auto next = [&](std::uint32_t n) { return (state = state * 1664525 + 1013904223, (state >> 8) % n); };
  int read_well = 0, refused = 0;
  for (int round = 0; round < 600; ++round) {
    std::string bytes = "text,label\n";
    for (std::uint32_t row = next(6); row > 0;
         --row) {  // rows that are right, but for a piece out of place now and then
      bytes += text_of(pieces[5 + next(3)], next(2) ? "," : "\t", pieces[5 + next(3)], "\n");
      if (next(8) == 0) bytes.insert(next(std::uint32_t(bytes.size())), pieces[next(std::uint32_t(std::size(pieces)))]);
    }
    const std::string path = folder / "fuzz";
    std::ofstream(path, std::ios::binary) << bytes;
    for (const char* format : {"", "csv", "tsv", "fasttext"})
      for (const char* encoding : {"", "latin1"}) {
        try {
          const Dataset data = read_dataset(path, {.format = format, .encoding = encoding}).data;
          for (const auto& text : data.texts) REQUIRE(first_invalid_utf8(text) == std::string::npos);
          REQUIRE(data.labels.size() == data.texts.size());
          ++read_well;
        } catch (const Error&) { ++refused; }
      }
  }
  CHECK(read_well > 100);
  CHECK(refused > 100);
}

TEST_CASE("public data sets") {
  const std::string folder = data_sets();
  if (folder.empty()) {
    MESSAGE("skipped: QUERN_DATA is not set");
    return;
  }
  const auto [mr, notes] = read_dataset(folder + "/mr");
  CHECK(text_of(mr) == "10662 texts, 2 classes: neg 5331, pos 5331");
  CHECK(noted(notes, "ISO-8859-1"));
  CHECK(text_of(read_dataset(folder + "/waimai/waimai_10k.csv").data) == "11987 texts, 2 classes: 0 7987, 1 4000");
  const Dataset banking = read_dataset(folder + "/banking77/train.csv").data;
  CHECK(banking.size() == 10003);
  CHECK(banking.classes.size() == 77);
  const Dataset test = read_dataset(folder + "/banking77/test.csv", {.classes = banking.classes}).data;
  CHECK(test.size() == 3080);
  const auto [trec, trec_notes] = read_dataset(folder + "/trec/train_5500.label");
  CHECK(text_of(trec) == "5452 texts, 6 classes: ABBR 86, DESC 1162, ENTY 1250, HUM 1223, LOC 835, NUM 896");
  CHECK(noted(trec_notes, "ISO-8859-1, in which TREC is published", "line 66"));
  CHECK(read_dataset(folder + "/trec/train_5500.label", {.format = "trec-fine"}).data.classes.size() == 50);
  CHECK(text_of(read_dataset(folder + "/financial_phrasebank/Sentences_50Agree.txt").data) ==
        "4846 texts, 3 classes: negative 604, neutral 2879, positive 1363");
  CHECK(text_of(read_dataset(folder + "/financial_phrasebank/Sentences_AllAgree.txt").data) ==
        "2264 texts, 3 classes: negative 303, neutral 1391, positive 570");
  CHECK(read_texts(folder + "/trec/train_5500.label", {.encoding = "ISO-8859-1"}).texts.size() == 5452);
  CHECK(read_texts(folder + "/financial_phrasebank/Sentences_50Agree.txt").texts.size() == 4846);
  CHECK(holds(error_of([&] { read_dataset(folder + "/imdb/train.tsv.xz"); }), "compressed by xz", "data/xz.hpp"));
}
