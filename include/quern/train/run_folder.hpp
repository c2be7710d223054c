/// Needs nlohmann-json. What a training leaves behind, in one folder:
///
///   model.safetensors   weights, by the names PyTorch users expect (words.weight, windows.0.weight, out.bias)
///   vocabulary.txt      one token a line; line n is row n-1 of words.weight
///   labels.txt          one class a line, in the order of the model's outputs
///   config.json         every setting, resolved; it reproduces the run. Of a model in Hugging Face's form, whose own
///                       config.json it is: quern.json, and vocabulary and labels are where Hugging Face has them
///   split.json          which lines of the data were trained on and which were held out
///   metrics.json        what it came to; written last, so a folder that has it is whole
///   learning_curves.svg, confusion.svg    the same as pictures, where the program wrote them
///
///   save_run({"run"}, predictor, config, split);
///   const Predictor predictor = load_run("run");          // load_run("run", clean) where texts are cleaned
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <quern/data/dataset.hpp>
#include <quern/data/split.hpp>
#include <quern/io/safetensors.hpp>
#include <quern/models/text_cnn.hpp>
#include <quern/text/string_table.hpp>
#include <quern/train/fingerprint.hpp>
#include <quern/train/predictor.hpp>
#include <quern/train/read_model.hpp>

namespace quern::inline QUERN_ABI {

struct RunFolder {
  std::string path;
  bool of_hugging_face = false;  // the model's files are in Hugging Face's form

  /// The folder of a run that is there already.
  static RunFolder found(const std::string& path) { return {path, exists(path + "/quern.json")}; }

  std::string model() const { return path + "/model.safetensors"; }
  std::string vocabulary() const { return path + "/vocabulary.txt"; }
  std::string labels() const { return path + "/labels.txt"; }
  std::string config() const { return path + (of_hugging_face ? "/quern.json" : "/config.json"); }
  std::string split() const { return path + "/split.json"; }
  std::string metrics() const { return path + "/metrics.json"; }
  std::string curves() const { return path + "/learning_curves.svg"; }
  std::string confusion() const { return path + "/confusion.svg"; }
  std::string checkpoint() const { return path + "/checkpoint.safetensors"; }
  std::string failed_step() const { return path + "/failed_step.safetensors"; }

  RunFolder fold(std::int64_t k) const { return {path + "/fold_" + std::to_string(k), of_hugging_face}; }  // k from 1

  static bool exists(const std::string& file) {
    struct stat info;
    return ::stat(file.c_str(), &info) == 0;
  }
  /// Whether a training ended here, in its own time or by an interrupt.
  bool is_finished() const { return exists(metrics()); }
  bool is_begun() const { return exists(checkpoint()); }

  /// Removes what a training wrote, the file that makes the folder whole first.
  void clear() const {
    std::vector<std::string> files = {metrics(),   checkpoint(),          model(), vocabulary(),
                                      labels(),    path + "/config.json", split(), curves(),
                                      confusion(), failed_step()};
    if (found(path).of_hugging_face)
      for (const char* name :
           {"/vocab.txt", "/tokenizer.json", "/tokenizer_config.json", "/special_tokens_map.json", "/quern.json"})
        files.push_back(path + name);
    for (const auto& file : files)
      check(::unlink(file.c_str()) == 0 || errno == ENOENT, file, ": cannot be removed: ", detail::reason(errno));
    for (std::int64_t k = 1; is_folder(fold(k).path); ++k) {
      fold(k).clear();
      ::rmdir(fold(k).path.c_str());  // it stays if it holds something else
    }
  }
};

/// Whether config.json is one that Hugging Face writes: it says which of its models this is.
inline bool is_of_hugging_face(const std::string& path) {
  const std::string config = path + "/config.json";
  if (!RunFolder::exists(config)) return false;
  const auto json = read_json(config);
  return json.is_object() && json.contains("model_type");
}

/// {"source", "train": {class: [lines]}, "dev": {class: [lines]}}. Lines are numbered from 1, in a folder of class
/// files within the class's own file.
inline nlohmann::ordered_json split_json(const Dataset& data, const Split& split) {
  const auto lines = [&](const std::vector<std::int64_t>& indices) {
    auto by_class = nlohmann::ordered_json::object();
    for (const auto& name : data.classes) by_class[name] = nlohmann::ordered_json::array();
    for (const auto i : indices)
      by_class[data.classes[std::size_t(data.labels[std::size_t(i)])]].push_back(data.lines[std::size_t(i)]);
    return by_class;
  };
  return {{"source", data.source}, {"train", lines(split.train)}, {"dev", lines(split.held)}};
}

/// A class name that cannot stand on a line of labels.txt is refused.
inline void check_class_names(const std::vector<std::string>& classes, const std::string& source) {
  for (const auto& name : classes)
    check(!name.empty() && name.find_first_of("\r\n") == std::string::npos, source, ": the class name '", name,
          "' is empty or holds a line end; rename it");
}

/// Notes of model.safetensors that say whose rows its weights are.
struct RunFingerprints {
  std::string vocabulary, labels;
};
inline RunFingerprints fingerprints_of(const TextToIds& ids, const std::vector<std::string>& classes) {
  Fingerprint words, labels;
  for (std::int32_t i = 0; i < ids.size(); ++i) words.add(ids.token(i));
  for (const auto& name : classes) labels.add(name);
  return {words.text(), labels.text()};
}

/// Writes everything but metrics.json and the pictures, each file whole or not at all.
template <class Json>
void save_run(const RunFolder& folder, const Predictor& predictor, const Json& config,
              const nlohmann::ordered_json& split) {
  std::string labels;
  for (const auto& name : predictor.classes()) labels += name + "\n";
  Json settings = config;
  if (predictor.cleaner().cleans()) settings["clean"] = names_of(predictor.cleaner().options);
  write_json(folder.config(), settings);
  predictor.ids().save(folder.vocabulary());
  atomic_write(folder.labels(), labels);
  write_json(folder.split(), split);
  const auto prints = fingerprints_of(predictor.ids(), predictor.classes());
  SafetensorsWriter weights;
  weights.note("format", "pt");  // as save_safetensors
  weights.note("vocabulary", prints.vocabulary), weights.note("labels", prints.labels);
  predictor.model().each_tensor([&](const std::string& name, const AnyTensor& x) { weights.add(name, x); });
  weights.save(folder.model());
}

/// Throws where vocabulary.txt or labels.txt are of another run: of the same length they would fit the weights, and
/// every answer would be wrong. Weights without such notes (written by another program) are taken as they are.
inline void check_fingerprints(const RunFolder& folder, const SafetensorsFile& weights, const TextToIds& ids,
                               const std::vector<std::string>& classes) {
  const auto now = fingerprints_of(ids, classes);
  const auto compare = [&](const char* note, const std::string& file, const std::string& print) {
    check(!weights.has_note(note) || weights.note(note) == print, file, ": is not the file that ", weights.path(),
          " was trained with (fingerprint ", print, ", expected ",
          weights.has_note(note) ? weights.note(note) : std::string(), "); put the file of the same run back");
  };
  compare("vocabulary", folder.vocabulary(), now.vocabulary);
  compare("labels", folder.labels(), now.labels);
}

inline std::vector<std::string> read_labels(const std::string& path) {
  const std::string bytes = read_file(path);
  check(!bytes.empty() && bytes.back() == '\n', path, bytes.empty() ? ": is empty" : ": is truncated",
        "; expected one class a line");
  const std::size_t bad = first_invalid_utf8(bytes);
  if (bad != std::string::npos) detail::throw_not(Encoding::utf8, bytes, bad, path);
  std::vector<std::string> classes;
  StringTable seen;
  for (std::size_t begin = 0; begin < bytes.size();) {
    const std::size_t end = bytes.find('\n', begin);
    classes.push_back(bytes.substr(begin, end - begin));
    const auto& name = classes.back();
    check(!name.empty() && name.back() != '\r' && seen.add(name) + 1 == std::int64_t(classes.size()), path, ":",
          classes.size(), ": '", name, "': expected a class name that no other line holds, and lines that end in \\n");
    begin = end + 1;
  }
  return classes;
}

inline Tokenizer tokenizer_of(const nlohmann::json& config, const std::string& where) {
  const auto name = json_value<std::string>(config, "tokenizer", where);
  try {
    return Tokenizer::named(name);
  } catch (const Error& e) { throw_error(text_of(where, ": ", e.what())); }
}

/// How the texts of the run were cleaned; runs of before there was cleaning do not say.
inline Cleaner cleaner_of(const nlohmann::json& config, const std::string& where, decltype(Cleaner::clean) clean) {
  if (!config.contains("clean")) return {};
  Cleaner cleaner{{}, clean};
  try {
    cleaner.options = clean_named(json_value<std::string>(config, "clean", where));
  } catch (const Error& e) { throw_error(text_of(where, ": ", e.what())); }
  check(clean || !cleaner.cleans(), where, ": its texts are cleaned (", names_of(cleaner.options),
        "); include <quern/text/clean.hpp> and load it by load_run(path, clean)");
  return cleaner;
}

/// The kinds of models that load_run() reads.
inline std::span<const ModelReader> model_readers() {
  static constexpr ModelReader all[] = {{"text_cnn", read_model<TextCnnConfig, make_text_cnn<float>>}};
  return all;
}

/// The reader for the model of config.json; an Error names those there are.
inline const ModelReader& reader_of(const nlohmann::json& config, std::span<const ModelReader> readers,
                                    const std::string& where) {
  const auto model = json_value<std::string>(config, "model", where);
  std::string names;
  for (const auto& reader : readers) {
    if (model == reader.name) return reader;
    names += text_of(names.empty() ? "" : ", ", reader.name);
  }
  throw_error(text_of(where, ": model '", model, "' is not known; expected ", names));
}

/// `clean` is asked for where the texts of the run were cleaned: clean() of text/clean.hpp, which needs a library.
/// `readers`: of the kinds of models that may stand there.
inline Predictor load_run(const std::string& path, decltype(Cleaner::clean) clean = nullptr,
                          std::span<const ModelReader> readers = model_readers()) {
  const RunFolder folder{path};
  check(is_folder(path), path, ": is no folder; expected the folder of a trained model (quern train … --out DIR)");
  check(
      RunFolder::exists(folder.model()), path, ": holds no model.safetensors; ",
      folder.is_begun() ? "its training did not end: quern train … --resume" : "is it the folder of a trained model?");
  const std::string where = folder.config();
  const auto config = read_json(where);
  const ModelReader& reader = reader_of(config, readers, where);
  auto ids = std::make_shared<const WordsToIds>(tokenizer_of(config, where), Vocabulary::load(folder.vocabulary()));
  auto classes = read_labels(folder.labels());
  const SafetensorsFile weights(folder.model());
  auto model = reader.read(config, where, weights, ids->size(), std::int64_t(classes.size()));
  check_fingerprints(folder, weights, *ids, classes);
  const auto max_tokens = json_value<std::int64_t>(config, "max_tokens", where);
  check(max_tokens >= 0, where, ": 'max_tokens' is ", max_tokens, ", expected at least 0");
  return {std::move(ids), std::move(classes), std::move(model), max_tokens, cleaner_of(config, where, clean)};
}

}  // namespace quern::inline QUERN_ABI
