/// quern predict: labels of a text, of the lines of a file, or of lines as they come on stdin.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <quern/data/read.hpp>
#include <quern/io/json.hpp>

#include "commands.hpp"
#include "models.hpp"
#include "reading.hpp"

namespace {

using namespace quern;

/// How a result is printed.
struct Form {
  bool json = false, logits = false;
};

/// "pos<tab>0.9731", or {"label": "pos", "probabilities": {"neg": 0.0269, "pos": 0.9731}}; with logits, in the order of
/// the classes, "pos<tab>0.9731<tab>-1.2<tab>2.4" and {…, "logits": [-1.2, 2.4]}.
void print_row(const Predictor& predictor, std::span<const float> p, std::span<const float> logits, Form form) {
  const auto& classes = predictor.classes();
  const auto best = std::size_t(largest(p));
  if (form.json) {
    nlohmann::ordered_json object = {{"label", classes[best]}, {"probabilities", nlohmann::ordered_json::object()}};
    for (std::size_t c = 0; c < classes.size(); ++c) object["probabilities"][classes[c]] = p[c];
    if (form.logits) object["logits"] = logits;
    return print(object.dump() + "\n");
  }
  std::string line = classes[best];
  const auto append = [&](const char* format, float x) {
    char text[40];
    std::snprintf(text, sizeof text, format, double(x));
    line += text;
  };
  append("\t%.4f", p[best]);
  if (form.logits)
    for (const float z : logits) append("\t%.9g", z);
  print(line + "\n");
}

void predict(const Predictor& predictor, std::span<const std::string> texts, Form form) {
  constexpr std::size_t at_once = 1024;  // the first results come before the last text was looked at
  const std::size_t classes = predictor.classes().size();
  for (std::size_t begin = 0; begin < texts.size(); begin += at_once) {
    const auto logits = predictor.logits(texts.subspan(begin, std::min(at_once, texts.size() - begin)));
    const auto p = softmax(logits);
    for (std::int64_t i = 0; i < p.extent(0); ++i)
      print_row(predictor, {p.view().row(i), classes}, {logits.view().row(i), classes}, form);
  }
  flush_output();
}

/// Lines of stdin are answered as soon as they are there.
class StandardInput {
 public:
  StandardInput(const Predictor& predictor, const UseSettings& s)
      : predictor_(predictor),
        form_{s.json, s.logits},
        encoding_(s.encoding.empty() ? Encoding::utf8 : encoding_named(s.encoding)) {}

  void run() {
    char bytes[1 << 16];
    for (;;) {
      const ssize_t n = ::read(0, bytes, sizeof bytes);
      if (n < 0 && errno == EINTR) continue;
      check(n >= 0, "standard input: reading failed: ", std::strerror(errno));
      if (n == 0) break;
      take(std::string_view(bytes, std::size_t(n)));
      predict(predictor_, texts_, form_);
      texts_.clear();
    }
    if (!rest_.empty()) end_line();
    predict(predictor_, texts_, form_);
  }

 private:
  void take(std::string_view bytes) {
    for (std::size_t begin = 0; begin < bytes.size();) {
      const std::size_t end = bytes.find('\n', begin);
      rest_ += bytes.substr(begin, end - begin);
      check(rest_.size() <= longest_, "standard input:", line_, ": a line of more than ", longest_, " bytes");
      if (end == std::string_view::npos) return;
      end_line();
      begin = end + 1;
    }
  }

  void end_line() {
    if (rest_.ends_with('\r')) rest_.pop_back();
    try {
      texts_.push_back(to_utf8(std::move(rest_), encoding_, "the line"));
    } catch (const Error& e) {
      predict(predictor_, texts_, form_);  // what came before is answered
      throw_error(text_of("standard input:", line_, ": ", e.what()));
    }
    rest_.clear();
    ++line_;
  }

  static constexpr std::size_t longest_ = std::size_t(16) << 20;
  const Predictor& predictor_;
  Form form_;
  Encoding encoding_;
  std::string rest_;
  std::vector<std::string> texts_;
  std::int64_t line_ = 1;
};

}  // namespace

std::string column_of(const UseSettings& s, const char* name) {
  const std::string& given = std::string_view(name) == "text_column" ? s.text_column : s.label_column;
  const RunFolder folder = RunFolder::found(s.folder);
  if (!given.empty() || (!folder.of_hugging_face && is_of_hugging_face(s.folder))) return given;
  return json_value<std::string>(read_json(folder.config()), name, folder.config());
}

int run_predict(const UseSettings& s) {
  use_threads(s.threads);
  check_reading(s.format, s.encoding, false);
  const Device device = use_device_named(s.device, true);
  const Predictor predictor = load_model(s.folder, device).predictor;
  if (s.input == "-") {
    if (!s.format.empty() && s.format != "lines")
      throw UsageError("predict: lines are read from stdin; for --format " + s.format + " give a file, or /dev/stdin");
    StandardInput(predictor, s).run();
    return 0;
  }
  if (!RunFolder::exists(s.input)) {
    if (s.input.find(' ') == std::string::npos && s.input.find_first_of("./") != std::string::npos)
      say(text_of("'", s.input, "' is no file; taken for a text"));
    const auto text = to_utf8(s.input, s.encoding.empty() ? Encoding::utf8 : encoding_named(s.encoding), "TEXT");
    predict(predictor, {&text, 1}, {s.json, s.logits});
    return 0;
  }
  const ReadTexts read = read_texts(s.input, reading(s.format, s.encoding, column_of(s, "text_column"), ""));
  say_all(read.notes);
  predict(predictor, read.texts, {s.json, s.logits});
  return 0;
}
