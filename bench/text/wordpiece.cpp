/// The speed of WordPiece on the lines of a file, for bench/peers/wordpiece_tokenizers.py, which checks the ids first.
///
///   bench_text VOCAB FILE ids OUT       writes all ids as 32-bit numbers, without [CLS] and [SEP]
///   bench_text VOCAB FILE append_ids    prints the processor's seconds for the ids of all lines
///   bench_text VOCAB FILE encode        the same with tokens and offsets
#include <cstdio>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include <quern/text/wordpiece.hpp>

int main(int argc, char** argv) try {
  using namespace quern;
  const std::string_view what = argc > 3 ? argv[3] : "";
  check((what == "ids" && argc == 5) || ((what == "append_ids" || what == "encode") && argc == 4),
        "usage: bench_text VOCAB FILE ids OUT | append_ids | encode");
  const WordPiece wordpiece = WordPiece::from_vocab(argv[1]);
  const std::string text = read_file(argv[2]);
  std::vector<std::string_view> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
  }
  const std::clock_t start = std::clock();
  std::vector<std::int32_t> ids;
  std::size_t pieces = 0;
  for (const auto line : lines) {
    if (what != "ids") ids.clear();
    if (what == "encode") pieces += wordpiece.encode(line).ids.size();
    if (what != "encode") wordpiece.append_ids(line, ids), pieces += ids.size();
  }
  const double seconds = double(std::clock() - start) / CLOCKS_PER_SEC;
  if (what == "ids") atomic_write(argv[4], {reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof ids[0]});
  std::printf("%.6f %zu\n", seconds, pieces);
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "bench_text: %s\n", e.what());
  return 1;
}
