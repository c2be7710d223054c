#include <quern/data/xz.hpp>

#include <doctest/doctest.h>

#include <quern/data/read.hpp>

#include "data/files.hpp"

using namespace quern;

namespace {

std::string packed(std::string_view bytes, std::uint32_t preset = 1) {
  std::string out(lzma_stream_buffer_bound(bytes.size()), '\0');
  std::size_t size = 0;
  const auto code =
      lzma_easy_buffer_encode(preset, LZMA_CHECK_CRC64, nullptr, reinterpret_cast<const std::uint8_t*>(bytes.data()),
                              bytes.size(), reinterpret_cast<std::uint8_t*>(out.data()), &size, out.size());
  REQUIRE(code == LZMA_OK);
  out.resize(size);
  return out;
}

/// What read_xz makes of a file of these bytes, or its error.
std::string unpacked(std::string_view bytes, XzLimits limits = {}) {
  const TemporaryFolder folder;
  std::string out;
  const std::string error = error_of([&] { out = read_xz(folder.write("a.xz", bytes), limits); });
  return error == "nothing was thrown" ? out : error;
}

/// Text that does not compress well.
std::string noise(std::size_t size) {
  std::string out;
  for (std::uint32_t state = 5; out.size() < size;)
    out += char('a' + ((state = state * 1664525 + 1013904223) >> 24) % 26);
  return out;
}

}  // namespace

TEST_CASE("xz: what was packed comes out") {
  CHECK(unpacked(packed("text,label\na,b\n")) == "text,label\na,b\n");
  CHECK(unpacked(packed("")).empty());
  const std::string large = noise(1'000'000);
  CHECK(unpacked(packed(large)) == large);
  CHECK(unpacked(packed("one\n") + packed("two\n")) == "one\ntwo\n");  // as xz -c >> writes them
}

TEST_CASE("xz: files that are no whole xz files") {
  const std::string text = noise(300'000), good = packed(text);
  CHECK(holds(unpacked(""), "a.xz: the file is empty"));
  CHECK(holds(unpacked("text,label\na,b\n"), "a.xz: is not an xz file"));
  for (const double part : {0.001, 0.3, 0.9})
    CHECK_MESSAGE(holds(unpacked(good.substr(0, std::size_t(part * double(good.size())))), "a.xz: is truncated"), part);
  CHECK(holds(unpacked(good.substr(0, good.size() - 1)), "a.xz: is truncated"));
  for (const std::size_t at : {std::size_t(8), good.size() / 2, good.size() - 30, good.size() - 3}) {
    std::string bad = good;
    bad[at] = char(bad[at] ^ 0x10);
    CHECK_MESSAGE(holds(unpacked(bad), "a.xz: is damaged"), at);
  }
  CHECK(holds(unpacked(good + "more"), "a.xz: is "));
  const TemporaryFolder folder;
  CHECK(holds(error_of([&] { read_xz(folder / "none.xz"); }), "none.xz", "No such file"));
  CHECK(holds(error_of([&] { read_xz(folder.path); }), folder.path, "Is a directory"));
}

TEST_CASE("xz: limits") {
  const std::string zeros = packed(std::string(40'000'000, '0'));
  REQUIRE(zeros.size() < 10'000);
  CHECK(holds(unpacked(zeros), "bytes have unpacked to", "more than 1000 times"));
  CHECK(unpacked(zeros, {.ratio = 100'000}).size() == 40'000'000);
  CHECK(holds(unpacked(packed(noise(100'000)), {.bytes = 50'000}), "a.xz: holds more than 50000 bytes"));
  CHECK(unpacked(packed(std::string(100'000, 'x')), {.bytes = 100'000}).size() == 100'000);
  CHECK(holds(unpacked(packed("x", 9), {.decoder = 1 << 20}), "a.xz: asks for more memory"));
}

TEST_CASE("xz: any reader takes the file, by the ending before .xz") {
  const TemporaryFolder folder;
  const ReadOptions options{.readers = {.xz = read_xz}};
  const std::string tsv = folder.write("imdb.tsv.xz", packed("label\trating\ttext\n1\t9\tgood <br />\n0\t2\tbad\n"));
  const Dataset data = read_dataset(tsv, options).data;
  CHECK(data.texts == std::vector<std::string>{"good <br />", "bad"});
  CHECK(data.classes == std::vector<std::string>{"0", "1"});
  CHECK(data.source == tsv);
  CHECK(read_texts(tsv, options).texts == data.texts);
  CHECK(read_texts(folder.write("a.txt.xz", packed("a\nb\n")), options).texts == std::vector<std::string>{"a", "b"});
  CHECK(holds(error_of([&] { read_dataset(folder.write("b.csv.xz", packed("text,label\na\n")), options); }),
              "b.csv.xz:2: expected 2 fields"));
  CHECK(holds(
      error_of([&] { read_dataset(folder.write("c.csv.xz", packed("text,label\na,b\n").substr(0, 40)), options); }),
      "c.csv.xz: is truncated"));
}

TEST_CASE("public data sets") {
  const std::string folder = data_sets();
  if (folder.empty()) {
    MESSAGE("skipped: QUERN_DATA is not set");
    return;
  }
  const ReadOptions options{.readers = {.xz = read_xz}};
  CHECK(text_of(read_dataset(folder + "/imdb/test.tsv.xz", options).data) ==
        "25000 texts, 2 classes: 0 12500, 1 12500");
  CHECK(read_texts(folder + "/imdb/unsup.txt.xz", options).texts.size() == 50000);
}
