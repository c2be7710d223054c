#include <doctest/doctest.h>

#include <data/files.hpp>
#include <io/hugging_face_folder.hpp>
#include <limits>
#include <quern/io/hugging_face_save.hpp>

using namespace quern;

namespace {

const std::string goldens = QUERN_SOURCE_DIR "/tests/goldens/";
Batch batch() { return pack({{1, 2, 3}, {4}, {5, 6, 7, 8, 9}}, {}, {{0, 1, 1}, {0}, {0, 0, 0, 1, 1}}); }

Tensor<float, 2> logits_of(const std::string& folder) { return load_bert_classifier(folder).model(batch()); }

/// The message with which a changed folder is refused.
std::string refused(auto&& change, const LoadBertOptions& options = {}) {
  const TemporaryFolder folder;
  FolderOfBert bert("bert_classifier");
  change(bert);
  bert.write(folder.path);
  return error_of([&] { (void)load_bert_classifier(folder.path, options); });
}
std::string refused_config(const char* key, const nlohmann::json& value) {
  return refused([&](FolderOfBert& b) { b.config[key] = value; });
}

}  // namespace

TEST_CASE("hugging_face: a classifier with its settings and labels") {
  const auto bert = load_bert_classifier(goldens + "bert_classifier");
  CHECK(bert.config.labels == std::vector<std::string>{"LABEL_0", "LABEL_1", "LABEL_2"});
  CHECK(bert.config.model.hidden == 32);
  CHECK(bert.model.bert.blocks.size() == 2);
  CHECK(bert.model.bert.blocks[1].attention.heads == 2);
  CHECK(bert.model.bert.embeddings.norm.eps == 1e-12);
  CHECK(bert.model.dropout == 0.1);
  CHECK(bert.initialised.empty());
  CHECK(bert.unused.empty());
  CHECK(std::string(bert.model.bert.blocks[1].output.weight.name()) == "bert.blocks.1.output.weight");
}

TEST_CASE("hugging_face: old names, names without prefix, shards and floats give the same bits") {
  const auto expected = logits_of(goldens + "bert_classifier");
  const auto expect = [&](const char* what, bool shards, auto&& change) {
    const TemporaryFolder folder;
    FolderOfBert bert("bert_classifier");
    change(bert);
    shards ? bert.write_shards(folder.path) : bert.write(folder.path);
    CHECK_MESSAGE(same_bits(logits_of(folder.path), expected), what);
  };
  expect("gamma and beta", false, [](FolderOfBert& b) {
    b.rename("LayerNorm.weight", "LayerNorm.gamma"), b.rename("LayerNorm.bias", "LayerNorm.beta");
  });
  expect("no prefix", false, [](FolderOfBert& b) { b.rename("bert.", ""); });
  expect("shards", true, [](FolderOfBert&) {});
  expect("float", false, [](FolderOfBert& b) { b.convert("F32", [](float x) { return x; }); });
  expect("position_ids and heads of other tasks", false, [](FolderOfBert& b) {
    b.tensors["bert.embeddings.position_ids"] = {"I64", {1, 12}, std::string(96, '\0')};
    b.tensors["cls.seq_relationship.bias"] = {"F32", {2}, std::string(8, '\0')};
  });
}

TEST_CASE("hugging_face: weights of 16 bits with 5 of exponent") {
  const TemporaryFolder folder;
  FolderOfBert bert("bert_classifier");
  bert.convert("F16", half_of);
  bert.write(folder.path);
  const auto half = load_bert_classifier(folder.path).model,
             full = load_bert_classifier(goldens + "bert_classifier").model;
  walk_tensors(
      [](const Path& path, const auto& a, const auto& b) {
        std::int64_t differ = 0;
        for (std::int64_t i = 0; i < a.size(); ++i)
          differ += a.data()[i] != (std::abs(b.data()[i]) < 0x1p-14f ? 0 : b.data()[i]);
        CHECK_MESSAGE(differ == 0, path.text());
      },
      half, full);
  // Every half against its definition.
  for (int bits = 0; bits < 1 << 16; ++bits) {
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    const double size = exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24);
    const float x = float_of_half(std::uint16_t(bits));
    if (exponent == 31 ? (fraction ? !std::isnan(x) : !std::isinf(x)) : double(x) != (bits >> 15 ? -size : size))
      FAIL(bits);
  }
  CHECK(std::signbit(float_of_half(0x8000)));
}

TEST_CASE("hugging_face: what is saved is loaded, bit for bit, under the names of transformers") {
  const TemporaryFolder folder;
  auto bert = load_bert_classifier(goldens + "bert_classifier");
  bert.config.labels = {"neg", "neu", "größer"};
  bert.config.problem_type = "single_label_classification";
  save_bert(folder / "saved", bert.model, bert.config);
  const auto again = load_bert_classifier(folder / "saved");
  CHECK(same_bits(again.model(batch()), bert.model(batch())));
  CHECK(again.config.labels == bert.config.labels);
  CHECK(again.config.problem_type == bert.config.problem_type);
  CHECK(config_json(again.config, "x") == config_json(bert.config, "x"));
  const SafetensorsFile ours(folder / "saved/model.safetensors"), theirs(goldens + "bert_classifier/model.safetensors");
  CHECK(ours.note("format") == "pt");
  CHECK(ours.tensors().size() == theirs.tensors().size());
  for (const auto& [name, e] : theirs.tensors()) {
    const auto found = ours.tensors().find(name);
    REQUIRE(found != ours.tensors().end());
    CHECK(found->second.shape == e.shape);
  }
  const auto config = read_json(folder / "saved/config.json");
  CHECK(config["architectures"] == nlohmann::json{"BertForSequenceClassification"});
  CHECK(config["id2label"]["2"] == "größer");
  CHECK(config["label2id"]["neu"] == 1);
  save_bert(folder / "saved", bert.model, bert.config);  // over what is there
  auto other = bert.config;
  other.labels.pop_back();
  CHECK(holds(error_of<InvalidArgument>([&] { save_bert(folder / "x", bert.model, other); }), "2 labels", "3 classes"));
  other = bert.config, other.model.layers = 3;
  CHECK(holds(error_of<InvalidArgument>([&] { save_bert(folder / "x", bert.model, other); }), "layers 3"));
}

TEST_CASE("hugging_face: encoder, sentence encoder and masked language model, out and in") {
  const TemporaryFolder folder;
  const auto encoder = load_bert(goldens + "bert_classifier");
  CHECK(encoder.unused == std::vector<std::string>{"classifier.bias", "classifier.weight"});
  REQUIRE(encoder.model.pooler.has_value());
  save_bert(folder / "encoder", encoder.model, encoder.config);
  CHECK(
      SafetensorsFile(folder / "encoder/model.safetensors").tensors().contains("encoder.layer.0.output.dense.weight"));
  CHECK(same_bits(load_bert(folder / "encoder").model(batch()).rows, encoder.model(batch()).rows));

  const auto sentence = load_bert_sentence(goldens + "bert_classifier");
  CHECK(sentence.unused.size() == 4);
  save_bert(folder / "sentence", sentence.model, sentence.config);
  CHECK_FALSE(load_bert(folder / "sentence").model.pooler.has_value());
  CHECK(same_bits(load_bert_sentence(folder / "sentence").model(batch()), sentence.model(batch())));

  const auto words = load_bert_masked_lm(goldens + "bert_masked_lm");
  const Ids rows = Ids::of({2}, {2, 4});
  save_bert(folder / "words", words.model, words.config);
  CHECK(same_bits(load_bert_masked_lm(folder / "words").model(batch(), rows), words.model(batch(), rows)));
}

TEST_CASE("hugging_face: a new last layer for a bare encoder, for another task, and a new pooler") {
  const LoadBertOptions two{.new_classifier = {"neg", "pos"}, .seed = 7};
  const auto expect_new = [&](const std::string& folder, std::size_t initialised, std::size_t unused) {
    const auto bert = load_bert_classifier(folder, two);
    CHECK(bert.config.labels == two.new_classifier);
    CHECK(bert.initialised.size() == initialised);
    CHECK(bert.unused.size() == unused);
    CHECK(bert.model(batch()).shape() == Shape{3, 2});
    CHECK(bert.model.classifier.bias(0) == 0);
    CHECK(same_bits(bert.model.classifier.weight, load_bert_classifier(folder, two).model.classifier.weight));
    CHECK_FALSE(
        same_bits(bert.model.classifier.weight,
                  load_bert_classifier(folder, {.new_classifier = two.new_classifier}).model.classifier.weight));
    return bert;
  };
  const auto bert = expect_new(goldens + "bert_classifier", 2, 2);
  CHECK(bert.initialised == std::vector<std::string>{"classifier.weight", "classifier.bias"});
  CHECK(same_bits(bert.model.bert.pooler->weight, load_bert(goldens + "bert_classifier").model.pooler->weight));
  CHECK(expect_new(goldens + "bert_masked_lm", 4, 5).initialised[0] == "bert.pooler.dense.weight");
  const auto without = error_of([&] { (void)load_bert_classifier(goldens + "bert_masked_lm"); });
  CHECK(holds(without, "bert_masked_lm: the weights do not fit config.json", "bert.pooler.dense.weight: missing",
              "classifier.weight: missing, expected [2, 32]", "LoadBertOptions::new_classifier"));
}

TEST_CASE("hugging_face: one error lists all that is missing, unexpected or of another shape") {
  const auto message = refused([](FolderOfBert& b) {
    b.erase("encoder.layer.1.output.dense.bias"), b.erase("word_embeddings");
    b.tensors["bert.encoder.layer.2.output.dense.bias"] = b.tensors["bert.pooler.dense.bias"];
    b.tensors["bert.pooler.dense.bias"] = {"F32", {2, 16}, std::string(128, '\0')};
    b.tensors["classifier.bias"] = {"I32", {3}, std::string(12, '\0')};
  });
  CHECK(holds(message, "the weights do not fit config.json:"));
  CHECK(holds(message, "\n  bert.embeddings.word_embeddings.weight: missing, expected [60, 32]"));
  CHECK(holds(message, "\n  bert.encoder.layer.1.output.dense.bias: missing, expected [32]"));
  CHECK(holds(message, "\n  bert.encoder.layer.2.output.dense.bias: unexpected"));
  CHECK(holds(message, "\n  bert.pooler.dense.bias: expected F32, F16 or BF16 [32], got F32 [2, 16]"));
  CHECK(holds(message, "\n  classifier.bias: expected F32, F16 or BF16 [3], got I32 [3]"));
  CHECK(std::count(message.begin(), message.end(), '\n') == 6);
}

TEST_CASE("hugging_face: a config that asks for another model is refused with what is wrong") {
  CHECK(refused_config("hidden_dropout_prob", 0.3) == "nothing was thrown");
  CHECK(holds(refused_config("model_type", "roberta"), "config.json: 'model_type' is \"roberta\", expected \"bert\""));
  CHECK(holds(refused_config("hidden_act", "gelu_new"), "'hidden_act' is \"gelu_new\"", "no other activation"));
  CHECK(holds(refused_config("position_embedding_type", "relative_key"), "relative positions are not supported"));
  CHECK(holds(refused_config("is_decoder", true), "'is_decoder' is true"));
  CHECK(holds(refused_config("add_cross_attention", true), "'add_cross_attention' is true"));
  CHECK(holds(refused_config("hidden_size", "32"), "'hidden_size' is \"32\", expected a whole number"));
  CHECK(holds(refused_config("hidden_size", nullptr), "'hidden_size' is null"));
  CHECK(holds(refused_config("num_hidden_layers", 0), "'num_hidden_layers' is 0, expected 1 to 1000"));
  CHECK(holds(refused_config("num_attention_heads", 3), "'hidden_size' is 32, expected a multiple of", "3"));
  CHECK(holds(refused_config("num_attention_heads", 64), "'num_attention_heads' is 64, expected 1 to 32"));
  CHECK(holds(refused_config("vocab_size", -1), "'vocab_size' is -1"));
  CHECK(holds(refused_config("type_vocab_size", 0), "'type_vocab_size' is 0"));
  CHECK(holds(refused_config("hidden_dropout_prob", 1), "'hidden_dropout_prob' is 1"));
  CHECK(holds(refused_config("layer_norm_eps", -1), "'layer_norm_eps' is -1"));
  CHECK(holds(refused_config("layer_norm_eps", "x"), "expected a number"));
  CHECK(holds(refused_config("num_labels", 4), "'num_labels' is 4, but 'id2label' has 3 names"));
  CHECK(holds(refused_config("id2label", {{"0", "a"}, {"2", "b"}}), "'id2label' has 2 names, but none for 1"));
  CHECK(holds(refused_config("id2label", {{"0", 1}}), "'id2label' is {\"0\":1}"));
  CHECK(holds(refused_config("id2label", nlohmann::json::object()), "'id2label' is empty"));
  // What contradicts the weights, in each of its tensors:
  CHECK(holds(refused_config("hidden_size", 30),
              "word_embeddings.weight: expected F32, F16 or BF16 [60, 30], got BF16 [60, 32]"));
  CHECK(holds(refused_config("num_hidden_layers", 1),
              "bert.encoder.layer.1.attention.output.LayerNorm.bias: unexpected"));
  CHECK(holds(refused_config("num_hidden_layers", 3), "bert.encoder.layer.2.output.dense.weight: missing"));
  CHECK(holds(refused_config("id2label", {{"0", "a"}, {"1", "b"}}),
              "classifier.weight: expected F32, F16 or BF16 [2, 32], got BF16 [3, 32]"));
  // Absurd sizes ask for no memory.
  CHECK(holds(refused_config("hidden_size", 1 << 30), "describes an encoder of", "the weights hold"));
  CHECK(holds(refused_config("vocab_size", 2000000000), "describes an encoder of"));
}

TEST_CASE("hugging_face: without id2label there are two classes, with num_labels that many") {
  nlohmann::json config = FolderOfBert("bert_classifier").config;
  config.erase("id2label");
  CHECK(hugging_face_config(config, "c").labels == std::vector<std::string>{"LABEL_0", "LABEL_1"});
  config["num_labels"] = 3;
  CHECK(hugging_face_config(config, "c").model.classes == 3);
  config["classifier_dropout"] = 0.25, config["hidden_dropout_prob"] = 0.5;
  CHECK(hugging_face_config(config, "c").model.classifier_dropout == 0.25);
  config["classifier_dropout"] = nullptr;
  CHECK(hugging_face_config(config, "c").model.classifier_dropout == 0.5);
  CHECK(holds(error_of([] { (void)hugging_face_config(nlohmann::json::array(), "c"); }), "c: is array"));
}

TEST_CASE("hugging_face: missing, cut and damaged files") {
  const TemporaryFolder folder;
  const auto message = [&] { return error_of([&] { (void)load_bert_classifier(folder.path); }); };
  CHECK(holds(error_of([&] { (void)load_bert(folder / "none"); }), "none: is no folder"));
  CHECK(holds(message(), "config.json: cannot be opened"));
  const FolderOfBert bert("bert_classifier");
  write_json(folder / "config.json", bert.config);
  CHECK(holds(message(), "holds neither model.safetensors nor model.safetensors.index.json", "is it the folder"));
  folder.write("pytorch_model.bin", "x");
  CHECK(holds(message(), "pytorch_model.bin is not read"));
  const std::string whole = safetensors_of(bert.tensors);
  folder.write("model.safetensors", whole.substr(0, whole.size() - 7));
  CHECK(holds(message(), "model.safetensors: tensor ", "truncated"));
  folder.write("config.json", "{");
  CHECK(holds(message(), "config.json: not valid JSON"));
  CHECK(holds(refused([](FolderOfBert& b) {
                auto& bytes = b.tensors["bert.pooler.dense.bias"].bytes;
                bytes[6] = '\x80', bytes[7] = '\x7f';  // infinity
              }),
              "tensor bert.pooler.dense.bias: element 3 of 32 is ", "expected finite numbers"));
  CHECK(holds(refused([](FolderOfBert& b) { b.tensors["pooler.dense.bias"] = b.tensors["bert.pooler.dense.bias"]; }),
              "two names of one tensor"));
}

TEST_CASE("hugging_face: an index that contradicts its shards") {
  const auto message = [](auto&& change) {
    const TemporaryFolder folder;
    FolderOfBert("bert_classifier").write_shards(folder.path);
    auto index = read_json(folder / "model.safetensors.index.json");
    change(folder, index["weight_map"]);
    write_json(folder / "model.safetensors.index.json", index);
    return error_of([&] { (void)load_bert_classifier(folder.path); });
  };
  const auto first = "model-00001-of-00002.safetensors";
  CHECK(message([](auto&, auto&) {}) == "nothing was thrown");
  CHECK(holds(message([&](auto& f, auto&) { std::filesystem::remove(f / first); }), first, "cannot be opened"));
  CHECK(holds(message([&](auto&, auto& map) { map["classifier.bias"] = "../" + std::string(first); }),
              "tensor classifier.bias is said to be in '../", "expected the name of a file"));
  CHECK(
      holds(message([&](auto&, auto& map) { map["more"] = first; }), "tensor more is said to be in", "does not hold"));
  CHECK(
      holds(message([&](auto&, auto& map) { map.erase("classifier.bias"); }), "does not list tensor classifier.bias"));
  CHECK(holds(message([&](auto&, auto& map) { map = 5; }), "'weight_map' is 5"));
}

TEST_CASE("hugging_face: a decoder that is not the words' table is refused") {
  const TemporaryFolder folder;
  FolderOfBert bert("bert_masked_lm");
  auto& decoder = bert.tensors["cls.predictions.decoder.weight"];
  decoder = bert.tensors["bert.embeddings.word_embeddings.weight"];
  bert.write(folder.path);
  CHECK(load_bert_masked_lm(folder.path).unused == std::vector<std::string>{"cls.predictions.decoder.weight"});
  decoder.bytes[5] ^= 1;
  bert.write(folder.path);
  CHECK(holds(error_of([&] { (void)load_bert_masked_lm(folder.path); }), "cls.predictions.decoder.weight differs",
              "untied"));
}

TEST_CASE("hugging_face: out and in again for transformers") {  // hugging_face.sh gives the folders
  const char *in = std::getenv("QUERN_BERT_IN"), *out = std::getenv("QUERN_BERT_OUT");
  if (!in || !out) return;
  const auto save = [&](const auto& bert) { save_bert(out, bert.model, bert.config); };
  const auto kind = read_json(std::string(in) + "/config.json").at("architectures").at(0);
  if (kind == "BertForSequenceClassification") save(load_bert_classifier(in));
  if (kind == "BertForMaskedLM") save(load_bert_masked_lm(in));
  if (kind == "BertModel") save(load_bert(in));
}
