/// Needs protozero. Builds an ONNX graph: the form in which other programs (ONNX Runtime, Netron) take a network.
///
///   OnnxGraph g("scaled");                                              // y = 2 x for any number of rows
///   auto x = g.input("x", OnnxType::float32, {"rows", 3});
///   g.output("y", g.node("double", "Mul", {x, g.number(2)}), OnnxType::float32, {"rows", 3});
///   atomic_write("scaled.onnx", g.bytes());
///
/// Values are strings: the names by which nodes refer to each other. A node's inputs must be there before it, so nodes
/// stand in the order in which they can be run. Field numbers are those of onnx.proto3 (https://onnx.ai, IR version 8).
///
/// Operators are of set 17, of June 2022: the first with LayerNormalization as one node, and old enough for every
/// runtime since ONNX Runtime 1.12.
#pragma once
#include <bit>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <protozero/pbf_writer.hpp>

#include <quern/base/error.hpp>
#include <quern/base/version.hpp>
#include <quern/tensor/tensor.hpp>

namespace quern::inline QUERN_ABI {

static_assert(std::endian::native == std::endian::little, "onnx: only little-endian machines are supported");

/// TensorProto.DataType.
enum class OnnxType { float32 = 1, int32 = 6, int64 = 7, float64 = 11 };

/// An extent: a number, or a name for one that each call may choose.
struct OnnxDim {
  std::string name;
  std::int64_t extent = 0;

  OnnxDim(const char* symbol) : name(symbol) {}
  OnnxDim(std::integral auto n) : extent(std::int64_t(n)) {}
};

using OnnxInts = std::vector<std::int64_t>;

/// {"axis", 1}, {"epsilon", 1e-5f}, {"direction", "reverse"}, {"perm", OnnxInts{0, 2, 1}}
struct OnnxAttribute {
  std::string name;
  std::variant<std::int64_t, float, std::string, OnnxInts> value;
};

class OnnxGraph {
 public:
  static constexpr std::int64_t ir_version = 8, opset = 17;
  /// Protobuf counts the bytes of a file in 31 bits; what is not weights has room in the last of 2048 MiB.
  static constexpr std::size_t largest_weights = (std::size_t(2047) << 20);

  explicit OnnxGraph(std::string name) : name_(std::move(name)) {}

  std::string input(const std::string& name, OnnxType type, std::vector<OnnxDim> dims) {
    inputs_.push_back({known(name), type, std::move(dims)});
    return name;
  }

  /// A tensor of the model, by its path. Its elements are read when the file is made; those on a GPU are copied then.
  template <int Rank>
  std::string weight(const std::string& name, const Tensor<float, Rank>& x) {
    const auto& e = x.shape().extents;
    return weight(name, OnnxInts(e.begin(), e.end()), [memory = x.storage()] { return on_host(memory); });
  }

  /// A tensor whose elements `make` lays out when the file is made, so that no more than one of them is held.
  std::string weight(const std::string& name, OnnxInts dims, std::function<Storage()> make) {
    weights_.push_back({known(name), OnnxType::float32, std::move(dims), std::move(make)});
    return name;
  }

  /// The same bytes where the CPU can read them.
  static Storage on_host(const Storage& memory) {
    return memory.device().is_cuda() ? memory.to(Device::cpu()) : memory;
  }

  /// A constant of whole numbers, [n]; of one whole number or one number, []. The same one is stored once.
  std::string ints(const OnnxInts& values) {
    std::string name = "ints";
    for (const auto v : values) name += text_of("_", v);
    const Shape<1> n{std::int64_t(values.size())};
    return constant(name, OnnxType::int64, {n[0]}, Tensor<std::int64_t, 1>::of(n, values).storage());
  }
  std::string integer(std::int64_t value) {
    return constant(text_of("integer_", value), OnnxType::int64, {},
                    Tensor<std::int64_t, 1>::of({1}, {value}).storage());
  }
  std::string number(float value) {
    char name[32];
    std::snprintf(name, sizeof name, "number_%.9g", double(value));  // nine digits tell any two floats apart
    return constant(name, OnnxType::float32, {}, Tensor<float, 1>::of({1}, {value}).storage());
  }

  /// A row of doubles [n] that is no parameter of the model, under a name of its own.
  std::string doubles(const std::string& name, const std::vector<double>& values) {
    const Shape<1> n{std::int64_t(values.size())};
    require(!names_.contains(name), "onnx: ", name_, ": two values are called '", name, "'");
    return constant(name, OnnxType::float64, {n[0]}, Tensor<double, 1>::of(n, values).storage());
  }

  /// Adds a node and gives the name of its output number `which`; the other outputs are left out. `path` is the module
  /// it comes from. An input of the name "" is one left out.
  std::string node(const std::string& path, const std::string& op, std::vector<std::string> inputs,
                   std::vector<OnnxAttribute> attributes = {}, std::size_t which = 0) {
    for (const auto& name : inputs)
      require(name.empty() || names_.contains(name), "onnx: ", path, ": ", op, " takes '", name,
              "', which is not there");
    std::string name = path + "/" + op;
    for (int n = 1; names_.contains(name); ++n) name = text_of(path, "/", op, "_", n);
    std::vector<std::string> outputs(which);
    outputs.push_back(known(name));
    nodes_.push_back({op, name, std::move(inputs), std::move(outputs), std::move(attributes)});
    return name;
  }

  /// Makes `value`, what some node gave, an output of the graph, called `name` from now on.
  void output(const std::string& name, const std::string& value, OnnxType type, std::vector<OnnxDim> dims) {
    bool found = false;
    for (auto& n : nodes_) {
      for (auto& in : n.inputs)
        if (in == value) in = name;
      for (auto& out : n.outputs)
        if (out == value) out = name, found = true;
    }
    require(found, "onnx: the output '", name, "' is to be '", value, "', which no node gives");
    outputs_.push_back({known(name), type, std::move(dims)});
  }

  /// A note beside the graph (metadata_props), for those who use the file.
  void note(const std::string& key, const std::string& value) { notes_.emplace_back(key, value); }

  /// The extents of an output's last axis, such as the number of classes.
  std::int64_t last_extent(std::size_t output = 0) const { return outputs_.at(output).dims.back().extent; }

  std::size_t weight_bytes() const {
    std::size_t bytes = 0;
    for (const auto& w : weights_) bytes += w.bytes();
    return bytes;
  }

  /// The file. Memory: its own size, and one weight's where that has to be laid out anew. Throws Error where the
  /// weights are too large for one file.
  std::string bytes() const {
    check(weight_bytes() <= largest_weights, "onnx: the weights of ", name_, " have ", weight_bytes(),
          " bytes; an ONNX file holds at most ", largest_weights,
          " (2 GiB); use a smaller vocabulary or narrower layers, or write safetensors");
    std::string file;
    file.reserve(weight_bytes() + 1024 * (nodes_.size() + weights_.size() + 64));
    protozero::pbf_writer model(file);
    model.add_int64(1, ir_version);
    model.add_string(2, "quern");
    model.add_string(3, QUERN_VERSION);
    {
      protozero::pbf_writer graph(model, 7);
      for (const auto& n : nodes_) write(graph, n);
      graph.add_string(2, name_);
      for (const auto& w : weights_) write(graph, w);
      for (const auto& v : inputs_) write(graph, 11, v);
      for (const auto& v : outputs_) write(graph, 12, v);
    }
    {
      protozero::pbf_writer operators(model, 8);
      operators.add_string(1, "");  // the domain: ONNX's own
      operators.add_int64(2, opset);
    }
    for (const auto& [key, value] : notes_) {
      protozero::pbf_writer entry(model, 14);
      entry.add_string(1, key);
      entry.add_string(2, value);
    }
    return file;
  }

 private:
  struct Value {
    std::string name;
    OnnxType type;
    std::vector<OnnxDim> dims;
  };
  struct Weight {
    std::string name;
    OnnxType type;
    OnnxInts dims;
    std::function<Storage()> make;

    std::size_t bytes() const {
      std::size_t n = type == OnnxType::int64 || type == OnnxType::float64 ? 8 : 4;
      for (const auto d : dims) n *= std::size_t(d);
      return n;
    }
  };
  struct Node {
    std::string op, name;
    std::vector<std::string> inputs, outputs;
    std::vector<OnnxAttribute> attributes;
  };

  /// Notes that a value of this name exists from now on.
  const std::string& known(const std::string& name) {
    require(!name.empty() && names_.insert(name).second, "onnx: ", name_, ": two values are called '", name, "'");
    return name;
  }

  std::string constant(const std::string& name, OnnxType type, OnnxInts dims, Storage elements) {
    if (names_.insert(name).second) weights_.push_back({name, type, std::move(dims), [elements] { return elements; }});
    return name;
  }

  static void write(protozero::pbf_writer& graph, const Node& n) {
    protozero::pbf_writer node(graph, 1);
    for (const auto& name : n.inputs) node.add_string(1, name);
    for (const auto& name : n.outputs) node.add_string(2, name);
    node.add_string(3, n.name);
    node.add_string(4, n.op);
    for (const auto& a : n.attributes) {
      protozero::pbf_writer attribute(node, 5);
      attribute.add_string(1, a.name);
      // The last number says which field holds the value: AttributeProto.AttributeType.
      if (const auto* f = std::get_if<float>(&a.value)) attribute.add_float(2, *f), attribute.add_enum(20, 1);
      if (const auto* i = std::get_if<std::int64_t>(&a.value)) attribute.add_int64(3, *i), attribute.add_enum(20, 2);
      if (const auto* s = std::get_if<std::string>(&a.value)) attribute.add_bytes(4, *s), attribute.add_enum(20, 3);
      if (const auto* list = std::get_if<OnnxInts>(&a.value)) {
        for (const auto i : *list) attribute.add_int64(8, i);
        attribute.add_enum(20, 7);
      }
    }
  }

  static void write(protozero::pbf_writer& graph, const Weight& w) {
    const Storage elements = w.make();
    const std::size_t bytes = w.bytes();
    require(bytes == 0 || elements->bytes >= bytes, "onnx: ", w.name, " has ", bytes, " bytes, but its elements ",
            bytes ? elements->bytes : 0);
    protozero::pbf_writer tensor(graph, 5);
    for (const auto d : w.dims) tensor.add_int64(1, d);
    tensor.add_int32(2, int(w.type));
    tensor.add_string(8, w.name);
    tensor.add_bytes(9, static_cast<const char*>(elements.data()), bytes);
  }

  static void write(protozero::pbf_writer& graph, protozero::pbf_tag_type field, const Value& v) {
    protozero::pbf_writer value(graph, field);
    value.add_string(1, v.name);
    protozero::pbf_writer type(value, 2), tensor(type, 1);
    tensor.add_int32(1, int(v.type));
    protozero::pbf_writer shape(tensor, 2);
    for (const auto& d : v.dims) {
      protozero::pbf_writer dim(shape, 1);
      if (d.name.empty()) dim.add_int64(1, d.extent);
      if (!d.name.empty()) dim.add_string(2, d.name);
    }
  }

  std::string name_;
  std::vector<Value> inputs_, outputs_;
  std::vector<Weight> weights_;
  std::vector<Node> nodes_;
  std::vector<std::pair<std::string, std::string>> notes_;
  std::set<std::string> names_;
};

}  // namespace quern::inline QUERN_ABI
