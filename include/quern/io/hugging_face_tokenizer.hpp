/// Needs nlohmann-json and utf8proc (link utf8proc). Tokenizers from the files that Hugging Face's libraries write.
///
///   WordPiece wordpiece = load_wordpiece("bert-base-uncased");        // a folder: tokenizer.json, else vocab.txt
///   WordPiece wordpiece = load_wordpiece("tokenizer.json");           // or one of them
///   WordPiece cased = load_wordpiece("vocab.txt", {.cased = true});   // capitals and accents stay
///
/// Of a folder, tokenizer_config.json is read as well: do_lower_case, strip_accents and tokenize_chinese_chars go
/// before tokenizer.json; special tokens by name and model_max_length are taken from it. A tokenizer.json of another
/// kind (another model, normalizer, pre-tokenizer or post-processor) is an Error that names it.
#pragma once
#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <quern/io/json.hpp>
#include <quern/text/wordpiece.hpp>

namespace quern::inline QUERN_ABI {

struct LoadWordPieceOptions {
  bool cased = false;  // whatever the files say
};

namespace detail {

/// One tokenizer.json (or the parts of a tokenizer_config.json that mean the same), read piece by piece.
class TokenizerFile {
 public:
  explicit TokenizerFile(const std::string& where) : where_(where) {}

  WordPieceOptions options;
  std::vector<std::string> tokens;
  std::optional<std::vector<AddedToken>> added;
  std::optional<WordPiece::Frame> frame;
  EncodeOptions defaults;
  std::optional<PadOptions> padding;

  void read(const nlohmann::json& file) {
    check(file.is_object(), where_, ": expected a JSON object with 'model', got ", file.type_name());
    read_normalizer(part(file, "normalizer"));
    const auto& cut = part(file, "pre_tokenizer");
    check(kind(cut) == "BertPreTokenizer", where_, ": the pre-tokenizer is ", kind(cut), "; expected BertPreTokenizer");
    read_model(part(file, "model"));
    added.emplace();
    if (const auto& list = part(file, "added_tokens"); !list.is_null()) {
      check(list.is_array(), where_, ": 'added_tokens' is ", list.type_name(), ", expected a list");
      for (const auto& token : list) added->push_back(added_token(token, number(token, "id")));
    }
    read_frame(part(file, "post_processor"));
    read_truncation(part(file, "truncation"));
    read_padding(part(file, "padding"));
  }

  /// tokenizer_config.json. Where tokenizer.json was read, its tokens stay as they are.
  void read_config(const nlohmann::json& config, const std::string& where) {
    check(config.is_object(), where, ": expected a JSON object, got ", config.type_name());
    const auto has = [&](const char* key) { return config.contains(key) && !config[key].is_null(); };
    if (has("do_lower_case")) options.words.lowercase = json_value<bool>(config, "do_lower_case", where);
    if (has("strip_accents")) options.words.strip_accents = json_value<bool>(config, "strip_accents", where);
    if (has("tokenize_chinese_chars"))
      options.words.chinese = json_value<bool>(config, "tokenize_chinese_chars", where);
    if (has("model_max_length")) {  // 1e30 stands for no limit
      const auto length = json_value<double>(config, "model_max_length", where);
      options.max_tokens = length >= 1 && length < 1e9 ? std::int64_t(length) : 0;
    }
    const std::pair<const char*, std::string*> specials[] = {{"pad_token", &options.pad},
                                                             {"unk_token", &options.unk},
                                                             {"cls_token", &options.cls},
                                                             {"sep_token", &options.sep},
                                                             {"mask_token", &options.mask}};
    for (const auto& [key, name] : specials)
      if (has(key) && !(added && name == &options.unk))  // the model of tokenizer.json has named its own
        *name = config[key].is_object() ? text(config[key], "content") : text(config, key);
    if (added || !has("added_tokens_decoder")) return;
    added.emplace();
    for (const auto& [id, token] : config["added_tokens_decoder"].items()) {
      check(!id.empty() && id.size() < 9 && id.find_first_not_of("0123456789") == std::string::npos, where,
            ": 'added_tokens_decoder' has the key '", id, "', expected a number");
      added->push_back(added_token(token, std::stoi(id)));
    }
  }

 private:
  static const nlohmann::json& part(const nlohmann::json& object, const char* key) {
    static const nlohmann::json none;
    return object.is_object() && object.contains(key) ? object[key] : none;
  }
  std::string text(const nlohmann::json& object, const std::string& key) const {
    return json_value<std::string>(object, key, where_);
  }
  std::int32_t number(const nlohmann::json& object, const std::string& key) const {
    const auto n = json_value<std::int64_t>(object, key, where_);
    check(n >= 0 && n <= INT32_MAX, where_, ": '", key, "' is ", n, ", expected 0 to 2^31");
    return std::int32_t(n);
  }
  /// The type of a part, "none" where there is no such part.
  std::string kind(const nlohmann::json& object) const { return object.is_null() ? "none" : text(object, "type"); }

  AddedToken added_token(const nlohmann::json& token, std::int32_t id) const {
    const auto flag = [&](const char* key, bool otherwise) {
      return part(token, key).is_null() ? otherwise : json_value<bool>(token, key, where_);
    };
    const bool special = flag("special", false);
    return {.content = text(token, "content"),
            .id = id,
            .single_word = flag("single_word", false),
            .lstrip = flag("lstrip", false),
            .rstrip = flag("rstrip", false),
            .normalized = flag("normalized", !special),
            .special = special};
  }

  void read_normalizer(const nlohmann::json& normalizer) {
    auto& words = options.words;
    if (normalizer.is_null()) {
      words = {.lowercase = false, .strip_accents = false, .chinese = false, .clean = false};
      return;
    }
    check(kind(normalizer) == "BertNormalizer", where_, ": the normalizer is ", kind(normalizer),
          "; expected BertNormalizer or none");
    words.clean = json_value<bool>(normalizer, "clean_text", where_);
    words.chinese = json_value<bool>(normalizer, "handle_chinese_chars", where_);
    words.lowercase = json_value<bool>(normalizer, "lowercase", where_);
    if (!part(normalizer, "strip_accents").is_null())
      words.strip_accents = json_value<bool>(normalizer, "strip_accents", where_);
  }

  void read_model(const nlohmann::json& model) {
    check(model.is_object(), where_, ": 'model' is missing");
    const bool untyped = part(model, "type").is_null() && model.contains("max_input_chars_per_word");  // old files
    check(untyped || kind(model) == "WordPiece", where_, ": the model is ", kind(model), "; expected WordPiece");
    options.unk = text(model, "unk_token");
    options.prefix = text(model, "continuing_subword_prefix");
    options.longest_word = json_value<std::int64_t>(model, "max_input_chars_per_word", where_);
    const auto& vocabulary = part(model, "vocab");
    check(vocabulary.is_object() && !vocabulary.empty(), where_, ": the model's 'vocab' is ",
          vocabulary.is_object() ? "empty" : vocabulary.type_name(), "; expected tokens with their ids");
    tokens.resize(vocabulary.size());
    for (const auto& [token, id] : vocabulary.items()) {
      const bool in_range = id.is_number_unsigned() && id.get<std::uint64_t>() < tokens.size();
      check(in_range, where_, ": the token '", token, "' has id ", id.dump(), "; expected 0 to ", tokens.size() - 1);
      std::string& place = tokens[id.get<std::size_t>()];
      check(place.empty(), where_, ": '", place, "' and '", token, "' have the same id ", id.dump());
      check(!token.empty(), where_, ": the token ", id.dump(), " is empty");
      place = token;
    }
  }

  void read_frame(const nlohmann::json& processor) {
    using Part = WordPiece::Part;
    const std::string type = kind(processor);
    if (type == "none") {
      frame = WordPiece::Frame{{{Part::first_text}}, {{Part::first_text}, {Part::second_text, 0, 1}}};
    } else if (type == "BertProcessing") {
      const auto token = [&](const char* key) {
        const auto& pair = part(processor, key);
        check(pair.is_array() && pair.size() == 2 && pair[0].is_string() && pair[1].is_number_unsigned() &&
                  pair[1].get<std::uint64_t>() <= INT32_MAX,
              where_, ": '", key, "' of BertProcessing is ", pair.dump(), ", expected a token and its id");
        return Part{Part::token, pair[1].get<std::int32_t>(), 0};
      };
      const Part cls = token("cls"), sep = token("sep");
      frame = WordPiece::Frame{{cls, {Part::first_text}, sep},
                               {cls, {Part::first_text}, sep, {Part::second_text, 0, 1}, {Part::token, sep.id, 1}}};
      options.cls = processor["cls"][0].get<std::string>(), options.sep = processor["sep"][0].get<std::string>();
    } else {
      check(type == "TemplateProcessing", where_, ": the post-processor is ", type,
            "; expected TemplateProcessing, BertProcessing or none");
      const auto& specials = part(processor, "special_tokens");
      frame = WordPiece::Frame{template_of(part(processor, "single"), specials, false),
                               template_of(part(processor, "pair"), specials, true)};
    }
  }

  /// Every text of the frame stands in it once.
  std::vector<WordPiece::Part> template_of(const nlohmann::json& list, const nlohmann::json& specials,
                                           bool pair) const {
    using Part = WordPiece::Part;
    const char* which = pair ? "pair" : "single";
    check(list.is_array(), where_, ": '", which, "' of TemplateProcessing is ", list.type_name(), ", expected a list");
    std::vector<Part> parts;
    int texts[2] = {};
    for (const auto& item : list) {
      if (const auto& sequence = part(item, "Sequence"); !sequence.is_null()) {
        const std::string id = text(sequence, "id");
        check(id == "A" || (id == "B" && pair), where_, ": '", which, "' has the text '", id, "'");
        parts.push_back({id == "A" ? Part::first_text : Part::second_text, 0, number(sequence, "type_id")});
        ++texts[id == "B"];
        continue;
      }
      const auto& token = part(item, "SpecialToken");
      const auto& ids = part(part(specials, text(token, "id").c_str()), "ids");
      check(ids.is_array(), where_, ": TemplateProcessing has no ids of '", text(token, "id"), "'");
      for (const auto& id : ids) {
        check(id.is_number_unsigned() && id.get<std::uint64_t>() <= INT32_MAX, where_, ": '", text(token, "id"),
              "' has the id ", id.dump());
        parts.push_back({Part::token, id.get<std::int32_t>(), number(token, "type_id")});
      }
    }
    check(texts[0] == 1 && texts[1] == int(pair), where_, ": '", which, "' of TemplateProcessing has ", texts[0],
          " times text A and ", texts[1], " times B; expected each once");
    return parts;
  }

  void read_truncation(const nlohmann::json& truncation) {
    if (truncation.is_null()) return;
    const std::string strategy = text(truncation, "strategy");
    defaults.truncate = strategy == "OnlyFirst"    ? Truncate::only_first
                        : strategy == "OnlySecond" ? Truncate::only_second
                                                   : Truncate::longest_first;
    check(defaults.truncate != Truncate::longest_first || strategy == "LongestFirst", where_,
          ": the truncation strategy is ", strategy, "; expected LongestFirst, OnlyFirst or OnlySecond");
    defaults.max_tokens = number(truncation, "max_length");
    defaults.from_left = direction(truncation);
  }

  void read_padding(const nlohmann::json& object) {
    if (object.is_null()) return;
    padding.emplace();
    const auto& strategy = part(object, "strategy");
    if (strategy.is_object()) {
      padding->length = number(strategy, "Fixed");
    } else {
      check(text(object, "strategy") == "BatchLongest", where_, ": the padding strategy is ", strategy.dump(),
            "; expected BatchLongest or Fixed");
    }
    if (!part(object, "pad_to_multiple_of").is_null()) padding->multiple_of = number(object, "pad_to_multiple_of");
    padding->left = direction(object);
    padding->id = number(object, "pad_id"), padding->type = number(object, "pad_type_id");
    padding->token = text(object, "pad_token");
    check(padding->length <= 1 << 16 && padding->multiple_of <= 1 << 16, where_, ": padding to ", padding->length,
          " or ", padding->multiple_of, " pieces; expected 65536 at most");
  }

  bool direction(const nlohmann::json& object) const {
    if (part(object, "direction").is_null()) return false;
    const std::string name = text(object, "direction");
    check(name == "Left" || name == "Right", where_, ": the direction is '", name, "', expected Left or Right");
    return name == "Left";
  }

  std::string where_;
};

}  // namespace detail

/// `path`: a folder, a tokenizer.json (its name ends in .json) or a vocabulary. Error: files that are missing, damaged,
/// of another kind of tokenizer, or that contradict each other.
inline WordPiece load_wordpiece(const std::string& path, const LoadWordPieceOptions& options = {}) {
  const auto exists = [](const std::string& file) {
    struct stat info;
    return ::stat(file.c_str(), &info) == 0;
  };
  const bool folder = is_folder(path);
  const std::string json = folder ? path + "/tokenizer.json" : path;
  const std::string vocabulary = folder ? path + "/vocab.txt" : path;
  const bool from_json = folder ? exists(json) : path.ends_with(".json");
  check(!folder || from_json || exists(vocabulary), path, ": has neither tokenizer.json nor vocab.txt");
  const std::string& file = from_json ? json : vocabulary;
  detail::TokenizerFile read(file);
  if (from_json) read.read(read_json(json));
  if (const std::string config = path + "/tokenizer_config.json"; folder && exists(config))
    read.read_config(read_json(config), config);
  if (!from_json) {
    check(!folder || !exists(path + "/added_tokens.json"), path,
          "/added_tokens.json: is read as a part of tokenizer.json alone, which is missing; save the tokenizer with "
          "Python once more");
    read.tokens = WordPiece::read_vocab(vocabulary);
  }
  if (options.cased) read.options.words.lowercase = read.options.words.strip_accents.emplace(false);
  WordPiece wordpiece(std::move(read.tokens), std::move(read.options), std::move(read.added), std::move(read.frame),
                      file);
  wordpiece.defaults = read.defaults;
  wordpiece.padding = read.padding;
  check(!read.padding || read.padding->id < wordpiece.size(), file, ": padding has the id ",
        read.padding ? read.padding->id : 0, ", but there are ", wordpiece.size(), " tokens");
  return wordpiece;
}

}  // namespace quern::inline QUERN_ABI
