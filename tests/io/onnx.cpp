#include <doctest/doctest.h>

#include <cstdlib>
#include <vector>

#include <data/files.hpp>
#include <io/onnx_file.hpp>
#include <nlohmann/json.hpp>
#include <quern/io/onnx.hpp>
#include <quern/io/onnx_attention.hpp>
#include <quern/ops/gelu.hpp>
#include <quern/ops/mean_over_time.hpp>
#include <quern/tensor/borrow.hpp>
#include <quern/tensor/packed.hpp>

using namespace quern;

namespace {

TextCnn<float> small_cnn() {
  return make_text_cnn({.vocabulary = 60, .classes = 3, .embedding = 7, .filters = 5, .widths = {1, 3, 4}}, 11);
}

std::string raw(const auto& x) { return {reinterpret_cast<const char*>(x.data()), x.bytes()}; }

std::vector<std::string> names_of(const std::vector<OnnxFile::Value>& values) {
  std::vector<std::string> names;
  for (const auto& v : values) names.push_back(v.name);
  return names;
}

/// What every exported model must have: a sound structure, open axes, and the number of classes.
OnnxFile checked_file(const auto& model, const std::vector<std::string>& inputs, int classes) {
  const OnnxFile file = onnx_file(onnx_graph(model).bytes());
  CHECK(problems_of(file) == "");
  CHECK(file.ir == 8);
  CHECK(file.opset == 17);
  CHECK(file.producer == "quern");
  CHECK(file.version == QUERN_VERSION);
  CHECK(names_of(file.inputs) == inputs);
  for (const auto& v : file.inputs) {
    CHECK(v.type == 7);
    CHECK(v.dims == std::vector<std::string>{"batch_size", "sequence_length"});
  }
  REQUIRE(file.outputs.size() == 1);
  CHECK(file.outputs[0].name == "logits");
  CHECK(file.outputs[0].type == 1);
  CHECK(file.outputs[0].dims == std::vector<std::string>{"batch_size", std::to_string(classes)});
  return file;
}

/// What no model has: causal attention, pooled by mean and by maximum.
struct Attends {
  nn::Embedding<float> words{30, 12};
  nn::MultiHeadAttention<float> attend{12, 3, {.causal = true}};
  nn::LayerNorm<float> norm{12, 1e-3};
  nn::Linear<float> out{24, 4};

  static void visit(auto&& f, auto&... m) {
    f("words", m.words...), f("attend", m.attend...), f("norm", m.norm...), f("out", m.out...);
  }
  auto operator()(const Batch& text) const {
    const auto h = attend(words(text));
    const Packed y{gelu(norm(h.rows)), h.offsets};
    std::vector<Tensor<float, 2>> pooled;
    pooled.push_back(mean_over_time(y)), pooled.push_back(max_over_time(y));
    return out(concat(pooled));
  }
};

OnnxGraph onnx_graph(const Attends& m) {
  OnnxGraph g("attends");
  const OnnxText text = onnx_text(g);
  const auto e = onnx_embedding(g, "words", text.ids, m.words);
  const auto attended = onnx_attention(g, "attend", e, onnx_hidden_keys(g, text.mask), m.attend);
  const auto h = onnx_linear(g, "attend.out", attended, m.attend.out);
  const auto y = onnx_gelu(g, "gelu", onnx_layer_norm(g, "norm", h, m.norm));
  const auto mean = onnx_mean_over_time(g, "mean", y, text.mask), max = onnx_max_over_time(g, "max", y, text.mask);
  const auto logits = onnx_linear(g, "out", g.node("out", "Concat", {mean, max}, {{"axis", 1}}), m.out);
  g.output("logits", logits, OnnxType::float32, {"batch_size", 4});
  return g;
}

/// A module with the values its seed gives it.
template <class M>
M initialised(M model, std::uint64_t seed) {
  initialise(model, seed);
  return model;
}

RecurrentClassifierConfig small_recurrent(std::int64_t layers, bool bidirectional) {
  return {
      .vocabulary = 60, .classes = 3, .embedding = 7, .hidden = 5, .layers = layers, .bidirectional = bidirectional};
}

/// `positions`: learned ones, or 0 for sinusoids.
TransformerClassifier<float> small_transformer(std::int64_t positions) {
  return make_transformer_classifier(
      {.vocabulary = 60, .classes = 3, .hidden = 15, .heads = 3, .feed_forward = 20, .positions = positions}, 13);
}

BertClassifier<float> small_bert(std::int64_t layers) {
  auto model = make_bert_classifier(
      {.vocabulary = 60, .hidden = 12, .layers = layers, .heads = 2, .intermediate = 20, .positions = 50, .classes = 3},
      14);
  // Weights of deviation 0.02 would give every text nearly the same logits; biases and norms would be 0 and 1.
  std::uint32_t n = 0;
  walk_tensors([&](const Path&, auto& w) { normal(w, 0.5, Random(15), n++); }, model);
  return model;
}

const std::vector<std::string> two_inputs = {"input_ids", "attention_mask"};

}  // namespace

TEST_CASE("onnx: a graph as it is built is the graph that is read") {
  OnnxGraph g("small");
  const auto x = g.input("x", OnnxType::float32, {"rows", 3});
  const auto w = g.weight("w", Tensor<float, 2>::of({1, 3}, {1, 2, 3}));
  const auto y = g.node("first", "Mul", {x, w});
  const auto z = g.node("first", "Mul", {y, g.number(0.1f)});
  g.number(0.1f), g.number(0.10000001f), g.ints({4, -5}), g.ints({4, -5});
  const auto odd = g.node("rest", "Odd", {z, "", y}, {{"a", -1}, {"b", 1e-12f}, {"c", "text"}, {"d", OnnxInts{}}}, 1);
  g.output("out", odd, OnnxType::float32, {"rows", 3});
  g.note("key", "value");
  const OnnxFile file = onnx_file(g.bytes());
  CHECK(file.graph == "small");
  CHECK(file.notes.at("key") == "value");
  REQUIRE(file.nodes.size() == 3);
  CHECK(file.nodes[0].name == "first/Mul");
  CHECK(file.nodes[0].inputs == std::vector<std::string>{"x", "w"});
  CHECK(file.nodes[1].name == "first/Mul_1");
  CHECK(file.nodes[2].op == "Odd");
  CHECK(file.nodes[2].inputs == std::vector<std::string>{"first/Mul_1", "", "first/Mul"});
  CHECK(file.nodes[2].outputs == std::vector<std::string>{"", "out"});
  const auto& a = file.nodes[2].attributes;
  CHECK(std::get<std::int64_t>(a.at("a")) == -1);
  CHECK(std::get<float>(a.at("b")) == 1e-12f);
  CHECK(std::get<std::string>(a.at("c")) == "text");
  CHECK(std::get<OnnxInts>(a.at("d")).empty());
  REQUIRE(file.weights.size() == 4);  // w, two numbers that six digits would not tell apart, one list
  CHECK(file.weight("w").dims == OnnxInts{1, 3});
  CHECK(file.weight("w").bytes == raw(Tensor<float, 1>::of({3}, {1, 2, 3})));
  CHECK(file.weight("ints_4_-5").bytes == raw(Tensor<std::int64_t, 1>::of({2}, {4, -5})));
  CHECK(file.weight("number_0.100000001").dims.empty());
}

TEST_CASE("onnx: what a program may not build") {
  OnnxGraph g("wrong");
  const auto x = g.input("x", OnnxType::float32, {"rows", 3});
  CHECK(error_of<InvalidArgument>([&] { g.node("a", "Relu", {"y"}); }) ==
        "onnx: a: Relu takes 'y', which is not there");
  CHECK(holds(error_of<InvalidArgument>([&] { g.input("x", OnnxType::float32, {1}); }), "two values", "'x'"));
  CHECK(holds(error_of<InvalidArgument>([&] { g.weight("", Tensor<float, 1>(2)); }), "''"));
  CHECK(holds(error_of<InvalidArgument>([&] { g.output("out", x, OnnxType::float32, {1}); }), "no node gives"));
}

TEST_CASE("onnx: the text CNN's graph") {
  const auto model = small_cnn();
  const OnnxFile file = checked_file(model, two_inputs, 3);
  CHECK(file.weight("words.weight").dims == OnnxInts{60, 7});
  CHECK(file.weight("words.weight").bytes == raw(model.words.weight));
  CHECK(file.weight("windows.2.weight").dims == OnnxInts{5, 7, 4});
  CHECK(file.weight("windows.2.weight").bytes == raw(model.windows[2].weight));
  CHECK(file.weight("windows.2.bias").bytes == raw(model.windows[2].bias));
  const auto& out = file.weight("out.weight_transposed");
  CHECK(out.dims == OnnxInts{15, 3});
  Tensor<float, 2> transposed(15, 3);
  for (int i = 0; i < 15; ++i)
    for (int j = 0; j < 3; ++j) transposed(i, j) = model.out.weight(j, i);
  CHECK(out.bytes == raw(transposed));
}

TEST_CASE("onnx: the graphs of recurrent nets, with the gates in ONNX's order") {
  const auto lstm = make_lstm_classifier(small_recurrent(2, true), 16);
  OnnxFile file = checked_file(lstm, two_inputs, 3);
  CHECK(file.weight("lstm.l0.weight_ih").dims == OnnxInts{2, 20, 7});
  CHECK(file.weight("lstm.l1.weight_ih").dims == OnnxInts{2, 20, 10});
  CHECK(file.weight("lstm.l1.weight_hh").dims == OnnxInts{2, 20, 5});
  const auto& biases = file.weight("lstm.l0.bias");
  CHECK(biases.dims == OnnxInts{2, 40});
  std::string expected;  // forward then backward, of each the inputs' and the states'
  for (const auto& c : {lstm.cells.layers.cells[0], lstm.cells.layers.cells[1]})
    for (const auto* b : {&c.bias_ih, &c.bias_hh})
      for (const std::size_t gate : {0, 3, 1, 2}) expected += raw(*b).substr(gate * 20, 20);
  CHECK(biases.bytes == expected);

  const auto gru = make_gru_classifier(small_recurrent(1, false), 17);
  file = checked_file(gru, two_inputs, 3);
  const auto& weights = file.weight("gru.l0.weight_hh");
  CHECK(weights.dims == OnnxInts{1, 15, 5});
  const std::string stack = raw(gru.cells.layers.cells[0].weight_hh);
  CHECK(weights.bytes == stack.substr(100, 100) + stack.substr(0, 100) + stack.substr(200));
}

TEST_CASE("onnx: the graphs of transformers") {
  checked_file(small_transformer(50), two_inputs, 3);
  const auto sinusoids = checked_file(small_transformer(0), two_inputs, 3).weight("places.frequencies");
  CHECK(sinusoids.type == 11);
  CHECK(sinusoids.dims == OnnxInts{15});
  const std::vector<std::string> inputs = {"input_ids", "attention_mask", "token_type_ids"};
  auto model = small_bert(2);
  const OnnxFile file = checked_file(model, inputs, 3);
  CHECK(file.weight("bert.blocks.1.attention.query.weight_transposed").dims == OnnxInts{12, 12});
  CHECK(file.weight("bert.blocks.1.intermediate.weight_transposed").dims == OnnxInts{12, 20});
  CHECK(file.weight("bert.blocks.1.output_norm.bias").bytes == raw(model.bert.blocks[1].output_norm.bias));
  model.bert.pooler.reset();
  CHECK(holds(error_of<InvalidArgument>([&] { onnx_graph(model); }), "no pooler"));
}

TEST_CASE("onnx: a graph of blocks") { checked_file(initialised(Attends{}, 3), two_inputs, 4); }

TEST_CASE("onnx: a model without biases") {
  auto model = small_cnn();
  model.out.bias = Tensor<float, 1>();
  for (auto& w : model.windows) w.bias = Tensor<float, 1>();
  for (const auto& w : checked_file(model, two_inputs, 3).weights) CHECK(w.name.find("bias") == std::string::npos);
}

TEST_CASE("onnx: labels, and files that cannot be") {
  const TemporaryFolder folder;
  const auto model = small_cnn();
  save_onnx(model, folder / "m.onnx", {"bad", "so \"so\"", "好"});
  CHECK(onnx_file(read_file(folder / "m.onnx")).notes.at("id2label") == R"({"0":"bad","1":"so \"so\"","2":"好"})");
  save_onnx(model, folder / "plain.onnx");
  CHECK(onnx_file(read_file(folder / "plain.onnx")).notes.empty());
  CHECK(error_of<InvalidArgument>([&] { save_onnx(model, folder / "n.onnx", {"one"}); }) ==
        "save_onnx: 1 labels, but the model has 3 classes");
  CHECK(holds(error_of([&] { save_onnx(model, folder / "none/m.onnx"); }), "none/m.onnx", "No such file"));

  // 2^31 bytes that are never touched: memory of one float, of which more is said.
  float one = 1;
  auto large = small_cnn();
  large.words.weight = borrow(&one, Shape{std::int64_t(1) << 24, 32});
  folder.write("m.onnx", "old");
  CHECK(holds(error_of([&] { save_onnx(large, folder / "m.onnx"); }), "text_cnn", "2147485", "at most 2146435072"));
  CHECK(read_file(folder / "m.onnx") == "old");
}

// The other half of tests/io/onnx.sh: where $QUERN_ONNX_FOLDER is set, models of random weights are written there, each
// with texts and the logits that Quern gives them.
namespace {

void write_for_runtime(const std::string& folder, const std::string& name, const auto& model, std::int32_t vocabulary) {
  const Random random(5);
  std::uint64_t drawn = 0;
  nlohmann::json batches;
  for (const std::vector<int>& lengths : std::vector<std::vector<int>>{{1}, {9}, {3, 1, 6}, {30, 2, 1, 17, 8, 40, 5}}) {
    std::vector<std::vector<std::int32_t>> texts, types;  // types: read by BERT alone
    for (const int length : lengths) {
      texts.emplace_back(), types.emplace_back();
      for (int i = 0; i < length; ++i) {
        texts.back().push_back(std::int32_t(random.below(std::uint64_t(vocabulary), 0, drawn++)));
        types.back().push_back(std::int32_t(random.below(2, 1, drawn)));
      }
    }
    const auto logits = model(pack(texts, {}, types));
    std::vector<std::vector<float>> rows;
    for (std::int64_t b = 0; b < logits.extent(0); ++b)
      rows.emplace_back(logits.data() + b * logits.extent(1), logits.data() + (b + 1) * logits.extent(1));
    batches.push_back({{"texts", texts}, {"types", types}, {"logits", rows}});
  }
  std::vector<std::string> labels;
  for (std::int64_t c = 0; c < onnx_graph(model).last_extent(); ++c) labels.push_back(text_of("\"class\" ", c));
  save_onnx(model, folder + "/" + name + ".onnx", labels);
  atomic_write(folder + "/" + name + ".json", batches.dump());
}

}  // namespace

TEST_CASE("onnx: models for ONNX Runtime") {
  const char* folder = std::getenv("QUERN_ONNX_FOLDER");
  if (!folder) return;
  write_for_runtime(folder, "text_cnn", small_cnn(), 60);
  write_for_runtime(folder, "text_cnn_kim", make_text_cnn({.vocabulary = 500, .classes = 2}, 12), 500);
  write_for_runtime(folder, "lstm", make_lstm_classifier(small_recurrent(2, true), 16), 60);
  write_for_runtime(folder, "lstm_forward", make_lstm_classifier(small_recurrent(1, false), 16), 60);
  write_for_runtime(folder, "gru", make_gru_classifier(small_recurrent(2, true), 17), 60);
  write_for_runtime(folder, "gru_forward", make_gru_classifier(small_recurrent(1, false), 17), 60);
  write_for_runtime(folder, "transformer", small_transformer(0), 60);
  write_for_runtime(folder, "transformer_positions", small_transformer(50), 60);
  write_for_runtime(folder, "bert", small_bert(2), 60);
  write_for_runtime(folder, "bert_no_layers", small_bert(0), 60);
  write_for_runtime(folder, "attends", initialised(Attends{}, 3), 30);
}
