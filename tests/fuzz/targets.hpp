/// What is fuzzed: each reader of files as a function of bytes. Whatever the bytes, a reader throws Error and nothing
/// else, or gives something that can be written and read back equal.
///
///   fuzz::target("csv")(bytes);              // throws where a property is broken
///
/// fuzzer.cc runs them under libFuzzer, replay.cpp over the kept corpus in the ordinary tests.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <quern/data/read.hpp>
#include <quern/io/hugging_face_save.hpp>
#include <quern/io/jsonl.hpp>
#include <quern/text/vectors.hpp>
#include <quern/train/run_folder.hpp>

#include "support.hpp"
#include "tokenizer_targets.hpp"

namespace fuzz {

using Rows = std::vector<std::vector<std::string>>;

inline Rows rows_of(std::string_view bytes, const CsvOptions& options) {
  CsvReader reader(bytes, "file", options);
  Rows rows;
  std::int64_t before = 0;
  for (std::vector<std::string> fields; reader.next(fields); rows.push_back(fields)) {
    expect(reader.line() > before, "csv: lines rise");
    before = reader.line();
  }
  return rows;
}

inline std::string quoted(const std::string& field) {
  std::string out = "\"";
  for (const char c : field) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + '"';
}

inline std::string written(const Rows& rows, const CsvOptions& options) {
  std::string out;
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i)
      (out += options.quotes ? quoted(row[i]) : row[i]) += i + 1 < row.size() ? options.separator : '\n';
  return out;
}

/// CSV with three separators, and TSV.
inline void csv(std::string_view bytes) {
  constexpr CsvOptions kinds[] = {{}, {.separator = ';'}, {.separator = '\t'}, {.separator = '\t', .quotes = false}};
  CsvOptions options = kinds[take_choice(bytes) % 4];
  options.longest_field = 4096;
  const auto rows = accepted([&] { return rows_of(bytes, options); });
  if (!rows) return;
  for (const auto& row : *rows) expect(row.size() == rows->front().size(), "csv: rows are of one length");
  // Without quotes a lone empty field is a blank line, and a \r at the end of a row is part of the line end.
  if (!options.quotes)
    for (const auto& row : *rows)
      if ((row.size() == 1 && row[0].empty()) || row.back().ends_with('\r')) return;
  expect(rows_of(written(*rows, options), options) == *rows, "csv: what was read can be written and read back");
}

inline void check_dataset(const Dataset& data) {
  expect(data.texts.size() == data.labels.size() && data.texts.size() == data.lines.size(), "dataset: sizes");
  for (const auto label : data.labels)
    expect(label >= 0 && std::size_t(label) < data.classes.size(), "dataset: labels");
  for (const auto& text : data.texts) expect(first_invalid_utf8(text) == std::string::npos, "dataset: texts are UTF-8");
  for (std::size_t i = 1; i < data.lines.size(); ++i) expect(data.lines[i] > data.lines[i - 1], "dataset: lines rise");
}

/// A whole data set: encoding, format, columns, labels. What was read is written as `format` and read back.
inline Dataset read_labelled(std::string_view bytes, const std::string& format, const std::string& encoding) {
  const MemoryFile file(bytes);
  return read_dataset(file.path(), {.format = format, .encoding = encoding, .readers = {.jsonl = read_jsonl}}).data;
}

inline void expect_same(const Dataset& a, const Dataset& b, const char* property) {
  expect(a.texts == b.texts && a.size() == b.size(), property);
  for (std::size_t i = 0; i < a.labels.size(); ++i)
    expect(a.classes[std::size_t(a.labels[i])] == b.classes[std::size_t(b.labels[i])], property);
}

inline void dataset(std::string_view bytes) {
  static const std::string formats[] = {"csv", "tsv", "fasttext", "trec", "sentence@label", ""};
  static const std::string encodings[] = {"", "UTF-8", "ISO-8859-1", "GB18030"};
  const std::size_t choice = take_choice(bytes);
  const auto read = accepted([&] { return read_labelled(bytes, formats[choice % 6], encodings[choice / 6 % 4]); });
  if (!read) return;
  check_dataset(*read);
  if (read->size() == 0) return;
  Rows rows = {{"text", "label"}};
  for (std::size_t i = 0; i < read->texts.size(); ++i)
    rows.push_back({read->texts[i], read->classes[std::size_t(read->labels[i])]});
  expect_same(read_labelled(written(rows, {}), "csv", "UTF-8"), *read, "dataset: written as CSV and read back");
}

inline void jsonl(std::string_view bytes) {
  const auto read = accepted([&] { return read_labelled(bytes, "jsonl", "UTF-8"); });
  if (!read) return;
  check_dataset(*read);
  std::string again;
  for (std::size_t i = 0; i < read->texts.size(); ++i)
    again +=
        nlohmann::json{{"text", read->texts[i]}, {"label", read->classes[std::size_t(read->labels[i])]}}.dump() + "\n";
  if (!again.empty()) expect_same(read_labelled(again, "jsonl", "UTF-8"), *read, "jsonl: written and read back");
}

inline void vocabulary(std::string_view bytes) {
  const MemoryFile file(bytes);
  const auto read = accepted([&] { return Vocabulary::load(file.path()); });
  if (!read) return;
  std::string again;
  for (std::int32_t i = 0; i < read->size(); ++i) {
    expect(read->id(read->token(i)) == i, "vocabulary: every token has its id");
    again += read->token(i) + "\n";
  }
  expect(again == bytes, "vocabulary: what was read is written as the same bytes");
}

inline void vectors(std::string_view bytes) {
  static const std::vector<std::string> texts = {"the film was good a b c 1 2 3"};
  static const auto words = Vocabulary::of(texts, Tokenizer::words());
  const MemoryFile file(bytes);
  const auto read = accepted([&] { return read_vectors(file.path(), words); });
  if (!read) return;
  expect(std::int64_t(read->values.size()) == read->found() * read->dim,
         "vectors: as many numbers as tokens times dim");
  if (read->found() == 0) return;
  std::string again = text_of(read->found(), " ", read->dim, "\n");
  for (std::size_t i = 0; i < read->ids.size(); ++i) {
    again += words.token(read->ids[i]);
    for (std::int64_t k = 0; k < read->dim; ++k) {
      char number[32];
      std::snprintf(number, sizeof number, " %.9g", double(read->values[i * std::size_t(read->dim) + std::size_t(k)]));
      again += number;
    }
    again += "\n";
  }
  const MemoryFile second(again);
  const auto back = read_vectors(second.path(), words);
  expect(back.dim == read->dim && back.ids == read->ids && back.values == read->values,
         "vectors: written and read back");
}

template <class T, int Rank>
bool take_tensor(const SafetensorsFile& file, const std::string& name, const SafetensorsEntry& entry,
                 std::vector<std::pair<std::string, Tensor<T, Rank>>>& out) {
  if (entry.dtype != safetensors_dtype<T> || entry.shape.size() != std::size_t(Rank)) return false;
  Shape<Rank> shape{};
  std::copy(entry.shape.begin(), entry.shape.end(), shape.extents.begin());
  Tensor<T, Rank> x(shape);
  file.read(name, x);
  out.emplace_back(name, std::move(x));
  return true;
}

/// The tensors of a file, by type and rank.
struct Tensors {
  std::vector<std::pair<std::string, Tensor<float, 1>>> f1;
  std::vector<std::pair<std::string, Tensor<float, 2>>> f2;
  std::vector<std::pair<std::string, Tensor<std::int64_t, 1>>> i1;
};

inline void safetensors(std::string_view bytes) {
  const auto file = accepted([&] { return SafetensorsFile(std::string(bytes), "file"); });
  if (!file) return;
  auto model = make_text_cnn({.vocabulary = 3, .classes = 2, .embedding = 2, .filters = 1, .widths = {1}}, 1);
  (void)accepted([&] { return load_safetensors(model, *file), 0; });
  const auto tensors = accepted([&] {
    Tensors t;
    for (const auto& [name, entry] : file->tensors())
      take_tensor(*file, name, entry, t.f1) || take_tensor(*file, name, entry, t.f2) ||
          take_tensor(*file, name, entry, t.i1);
    return t;
  });
  if (!tensors) return;  // a number that is not finite
  SafetensorsWriter writer;
  const auto each = [&](auto&& f) {
    for (const auto& [name, x] : tensors->f1) f(name, x);
    for (const auto& [name, x] : tensors->f2) f(name, x);
    for (const auto& [name, x] : tensors->i1) f(name, x);
  };
  each([&](const std::string& name, const auto& x) {
    if (!name.empty()) writer.add(name, x);
  });
  const SafetensorsFile again(writer.bytes(), "again");
  each([&](const std::string& name, const auto& x) {
    if (name.empty()) return;
    auto back = empty_like(x);
    again.read(name, back);
    expect(same_bits(back, x), "safetensors: written and read back");
  });
}

/// One file of a run folder is replaced by the bytes.
inline void run_folder(std::string_view bytes) {
  static const Folder folder;
  static const RunFolder run{folder.path};
  static const std::vector<std::string> texts = {"a good film", "a bad film", "film"};
  static const std::map<std::string, std::string> sound = [] {
    auto words = Vocabulary::of(texts, Tokenizer::words());
    auto model =
        make_text_cnn({.vocabulary = words.size(), .classes = 2, .embedding = 2, .filters = 1, .widths = {1, 2}}, 1);
    const nlohmann::ordered_json config = {{"model", "text_cnn"}, {"tokenizer", "words"}, {"embedding", 2},
                                           {"filters", 1},        {"widths", {1, 2}},     {"dropout", 0.5},
                                           {"word_dropout", 0},   {"max_tokens", 3}};
    save_run(run, Predictor(Tokenizer::words(), std::move(words), {"neg", "pos"}, std::move(model), 3), config, {});
    std::map<std::string, std::string> files;
    for (const auto& path : {run.config(), run.labels(), run.vocabulary(), run.model()}) files[path] = read_file(path);
    return files;
  }();
  const std::string names[] = {run.config(), run.labels(), run.vocabulary(), run.model()};
  const std::string damaged = names[take_choice(bytes) % 4];
  for (const auto& [path, whole] : sound) {
    const detail::Descriptor file(::open(path.c_str(), O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0666));
    const std::string_view content = path == damaged ? bytes : std::string_view(whole);
    expect(::write(file.get(), content.data(), content.size()) == ssize_t(content.size()), "run folder: writing");
  }
  const auto predictor = accepted([&] { return load_run(run.path); });
  if (!predictor) return;
  const auto p = accepted([&] { return predictor->predict(texts); });  // weights may be too large for a number
  if (!p) return;
  static const Folder other;
  save_run(RunFolder{other.path}, *predictor, read_json(run.config()), {});
  expect(same_bits(load_run(other.path).predict(texts), *p), "run folder: saved and loaded again it predicts the same");
}

/// One file of a Hugging Face folder is replaced by the bytes: its config.json, its only file of weights, or the index
/// of two.
inline void hugging_face(std::string_view bytes) {
  static const Folder single, shards, other;
  static const Batch batch = pack({{1, 2}, {0}});
  static const bool written = [] {
    const BertConfig sizes{.vocabulary = 5, .hidden = 4, .layers = 1, .heads = 2, .intermediate = 3, .positions = 3};
    const auto model = make_bert_classifier(sizes, 1);
    save_bert(single.path, model, {sizes, {"neg", "pos"}});
    SafetensorsWriter halves[2];
    auto map = nlohmann::json::object();
    const auto file = [](int k) { return text_of("model-", k, ".safetensors"); };
    walk_tensors(
        [&](const Path& path, const auto& x) {
          const std::string name = hugging_face_name(path.text());
          const int k = int(map.size() % 2);
          map[name] = file(k), halves[k].add(name, x);
        },
        model);
    for (int k : {0, 1}) halves[k].save(shards.path + "/" + file(k));
    atomic_write(shards.path + "/config.json", read_file(single.path + "/config.json"));
    atomic_write(shards.path + "/model.safetensors.index.json", nlohmann::json{{"weight_map", map}}.dump());
    return true;
  }();
  expect(written, "hugging_face: folders");
  const std::string damaged[] = {single.path + "/config.json", single.path + "/model.safetensors",
                                 shards.path + "/model.safetensors.index.json"};
  static const std::string sound[] = {read_file(damaged[0]), read_file(damaged[1]), read_file(damaged[2])};
  const std::size_t which = take_choice(bytes) % 3;
  const auto put = [&](std::string_view content) {
    const detail::Descriptor file(::open(damaged[which].c_str(), O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0666));
    expect(::write(file.get(), content.data(), content.size()) == ssize_t(content.size()), "hugging_face: writing");
  };
  put(bytes);
  const std::string& folder = which == 2 ? shards.path : single.path;
  (void)accepted([&] { return load_bert_masked_lm(folder), 0; });
  (void)accepted([&] { return load_bert_classifier(folder, {.new_classifier = {"a", "b", "c"}}), 0; });
  const auto bert = accepted([&] { return load_bert_classifier(folder); });
  put(sound[which]);
  if (!bert || bert->config.model.vocabulary < 3 || bert->config.model.positions < 2) return;
  save_bert(other.path, bert->model, bert->config);
  const auto again = load_bert_classifier(other.path);
  expect(again.config.labels == bert->config.labels, "hugging_face: saved and loaded again it has the same labels");
  expect(same_bits(again.model(batch), bert->model(batch)),
         "hugging_face: saved and loaded again it gives the same logits");
}

/// A character of four bytes in the plane that two bytes cover for the most part: iconv has all but some of them.
inline bool has_rare_gb18030(std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const int size = std::max(detail::gb18030_size(bytes, at), 1);
    if (size == 4 && static_cast<unsigned char>(bytes[at]) <= 0x84) return true;
    at += std::size_t(size);
  }
  return false;
}

inline void encoding(std::string_view bytes) {
  const auto guess = guess_encoding(bytes);
  expect(!guess.reason.empty(), "encoding: a guess has a reason");
  if (guess.encoding == Encoding::utf8)
    expect(first_invalid_utf8(bytes) == std::string::npos, "encoding: UTF-8 is guessed of UTF-8 alone");
  for (const auto e : {Encoding::utf8, Encoding::latin1, Encoding::gb18030}) {
    const auto text = accepted([&] { return to_utf8(std::string(bytes), e, "file"); });
    expect(text || e != guess.encoding || has_rare_gb18030(bytes), "encoding: what is guessed can be read");
    if (!text) continue;
    expect(first_invalid_utf8(*text) == std::string::npos, "encoding: the result is UTF-8");
    if (e == Encoding::utf8) expect(bytes.ends_with(*text), "encoding: UTF-8 stays as it is");
    if (e != Encoding::latin1) continue;
    std::string back;
    for (std::size_t at = 0; at < text->size();) {
      const CodePoint c = code_point_at(*text, at);
      expect(c.value < 256, "encoding: ISO-8859-1 has 256 characters");
      back += char(c.value), at += std::size_t(c.bytes);
    }
    expect(back == bytes, "encoding: ISO-8859-1 and back");
  }
}

using Target = void (*)(std::string_view);

inline const std::map<std::string, Target>& targets() {
  static const std::map<std::string, Target> all = {{"csv", csv},
                                                    {"dataset", dataset},
                                                    {"jsonl", jsonl},
                                                    {"vocabulary", vocabulary},
                                                    {"vectors", vectors},
                                                    {"safetensors", safetensors},
                                                    {"run_folder", run_folder},
                                                    {"encoding", encoding},
                                                    {"wordpiece", wordpiece},
                                                    {"tokenizer_json", tokenizer_json},
                                                    {"hugging_face", hugging_face}};
  return all;
}

}  // namespace fuzz
