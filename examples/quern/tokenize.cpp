/// quern tokenize: the pieces of lines, as the `encode` of Hugging Face's tokenizers gives them.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <quern/io/hugging_face_tokenizer.hpp>

#include "commands.hpp"

namespace {

using namespace quern;

void append_json(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      (out += '\\') += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", unsigned(static_cast<unsigned char>(c)));
      out += escape;
    } else {
      out += c;
    }
  }
  out += '"';
}

/// {"ids": [101, 102], "tokens": ["[CLS]", "[SEP]"], "offsets": [[0, 0], [0, 0]]}
void append_line(std::string& out, const Pieces& pieces) {
  const auto list = [&](const char* name, const auto& values, auto&& append) {
    (out += name) += ": [";
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (i > 0) out += ", ";
      append(values[i]);
    }
    out += ']';
  };
  list("{\"ids\"", pieces.ids, [&](std::int32_t id) { append_text(out, id); });
  list(", \"tokens\"", pieces.tokens, [&](const std::string& token) { append_json(out, token); });
  list(", \"offsets\"", pieces.offsets, [&](const PieceOffset& at) {
    append_text(out += '[', at.begin);
    append_text(out += ", ", at.end);
    out += ']';
  });
  out += "}\n";
}

}  // namespace

int run_tokenize(const TokenizeSettings& s) {
  const WordPiece wordpiece = load_wordpiece(s.from, {.cased = s.cased});
  const bool standard = s.input == "-";
  const detail::Descriptor file(standard ? ::dup(0) : ::open(s.input.c_str(), O_RDONLY | O_CLOEXEC));
  const std::string name = standard ? "standard input" : s.input;
  check(file.get() >= 0, name, ": cannot be opened for reading: ", std::strerror(errno));
  std::string rest, out, bytes(std::size_t(1) << 16, '\0');
  for (;;) {
    const ssize_t n = ::read(file.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    check(n >= 0, name, ": reading failed: ", std::strerror(errno));
    if (n == 0) break;
    std::size_t begin = 0;
    for (std::size_t end; (end = bytes.find('\n', begin)) < std::size_t(n); begin = end + 1) {
      rest.append(bytes, begin, end - begin);
      append_line(out, wordpiece.encode(rest));
      rest.clear();
    }
    rest.append(bytes, begin, std::size_t(n) - begin);
    print(out);  // lines are answered as soon as they are there
    flush_output();
    out.clear();
  }
  if (!rest.empty()) {
    append_line(out, wordpiece.encode(rest));
    print(out);
  }
  return 0;
}
