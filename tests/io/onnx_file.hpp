/// Reads an ONNX file back as far as its structure goes, and finds what a runtime would refuse.
///
///   const OnnxFile file = onnx_file(read_file(path));
///   CHECK(problems_of(file) == "");
#pragma once
#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include <protozero/pbf_reader.hpp>

#include <quern/base/error.hpp>

struct OnnxFile {
  struct Node {
    std::string op, name;
    std::vector<std::string> inputs, outputs;
    std::map<std::string, std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>>> attributes;
  };
  struct Value {
    std::string name;
    int type = 0;
    std::vector<std::string> dims;  // numbers as text; names of open ones
  };
  struct Weight {
    std::string name;
    int type = 0;
    std::vector<std::int64_t> dims;
    std::string bytes;
  };
  std::int64_t ir = 0, opset = 0;
  std::string producer, version, graph;
  std::vector<Node> nodes;
  std::vector<Value> inputs, outputs;
  std::vector<Weight> weights;
  std::map<std::string, std::string> notes;

  const Weight& weight(const std::string& name) const {
    for (const auto& w : weights)
      if (w.name == name) return w;
    throw quern::Error("no initializer " + name);
  }
};

namespace onnx_detail {

inline void unknown(const char* message, protozero::pbf_reader& m) {
  throw quern::Error(quern::text_of("field ", m.tag(), " of a ", message, " is not expected"));
}

inline OnnxFile::Node node(protozero::pbf_reader m) {
  OnnxFile::Node n;
  while (m.next()) switch (m.tag()) {
      case 1:
        n.inputs.push_back(m.get_string());
        break;
      case 2:
        n.outputs.push_back(m.get_string());
        break;
      case 3:
        n.name = m.get_string();
        break;
      case 4:
        n.op = m.get_string();
        break;
      case 5: {
        auto a = m.get_message();
        std::string name, text;
        float real = 0;
        int type = 0;
        std::int64_t number = 0;
        std::vector<std::int64_t> list;
        while (a.next()) switch (a.tag()) {
            case 1:
              name = a.get_string();
              break;
            case 2:
              real = a.get_float();
              break;
            case 3:
              number = a.get_int64();
              break;
            case 4:
              text = a.get_bytes();
              break;
            case 8:
              list.push_back(a.get_int64());
              break;
            case 20:
              type = a.get_enum();
              break;
            default:
              unknown("AttributeProto", a);
          }
        auto& value = n.attributes[name];
        if (type == 1) value = real;
        if (type == 2) value = number;
        if (type == 3) value = text;
        if (type == 7) value = list;
        break;
      }
      default:
        unknown("NodeProto", m);
    }
  return n;
}

inline OnnxFile::Value value(protozero::pbf_reader m) {
  OnnxFile::Value v;
  while (m.next()) {
    if (m.tag() == 1) {
      v.name = m.get_string();
      continue;
    }
    auto type = m.get_message();
    if (!type.next(1)) continue;
    auto tensor = type.get_message();
    while (tensor.next()) {
      if (tensor.tag() == 1) {
        v.type = tensor.get_int32();
        continue;
      }
      auto shape = tensor.get_message();
      while (shape.next(1)) {
        auto dim = shape.get_message();
        while (dim.next()) v.dims.push_back(dim.tag() == 1 ? std::to_string(dim.get_int64()) : dim.get_string());
      }
    }
  }
  return v;
}

inline OnnxFile::Weight weight(protozero::pbf_reader m) {
  OnnxFile::Weight w;
  while (m.next()) switch (m.tag()) {
      case 1:
        w.dims.push_back(m.get_int64());
        break;
      case 2:
        w.type = m.get_int32();
        break;
      case 8:
        w.name = m.get_string();
        break;
      case 9:
        w.bytes = m.get_bytes();
        break;
      default:
        unknown("TensorProto", m);
    }
  return w;
}

inline void graph(protozero::pbf_reader m, OnnxFile& file) {
  while (m.next()) switch (m.tag()) {
      case 1:
        file.nodes.push_back(node(m.get_message()));
        break;
      case 2:
        file.graph = m.get_string();
        break;
      case 5:
        file.weights.push_back(weight(m.get_message()));
        break;
      case 11:
        file.inputs.push_back(value(m.get_message()));
        break;
      case 12:
        file.outputs.push_back(value(m.get_message()));
        break;
      default:
        unknown("GraphProto", m);
    }
}

}  // namespace onnx_detail

inline OnnxFile onnx_file(const std::string& bytes) {
  OnnxFile file;
  protozero::pbf_reader m(bytes);
  while (m.next()) switch (m.tag()) {
      case 1:
        file.ir = m.get_int64();
        break;
      case 2:
        file.producer = m.get_string();
        break;
      case 3:
        file.version = m.get_string();
        break;
      case 7:
        onnx_detail::graph(m.get_message(), file);
        break;
      case 8: {
        auto set = m.get_message();
        while (set.next()) set.tag() == 2 ? file.opset = set.get_int64() : (set.skip(), 0);
        break;
      }
      case 14: {
        auto entry = m.get_message();
        const std::string key = entry.next(1) ? entry.get_string() : "";
        file.notes[key] = entry.next(2) ? entry.get_string() : "";
        break;
      }
      default:
        onnx_detail::unknown("ModelProto", m);
    }
  return file;
}

/// What breaks the rules of ONNX: a name given twice, a value used before it is there, a weight whose bytes do not fit
/// its extents or that nothing uses, an output that no node gives. "" where all is well.
inline std::string problems_of(const OnnxFile& file) {
  std::string problems;
  const auto report = [&](const auto&... what) { problems += quern::text_of(what..., "\n"); };
  std::set<std::string> there, used, node_names;
  const auto make = [&](const std::string& name) {
    if (name.empty() || !there.insert(name).second) report("'", name, "' is given twice, or has no name");
  };
  for (const auto& v : file.inputs) make(v.name);
  for (const auto& w : file.weights) {
    make(w.name);
    std::size_t bytes = w.type == 7 || w.type == 11 ? 8 : 4;  // int64, double
    for (const auto d : w.dims) bytes *= std::size_t(d);
    if (bytes != w.bytes.size()) report(w.name, " has ", w.bytes.size(), " bytes, expected ", bytes);
  }
  for (const auto& n : file.nodes) {
    if (!node_names.insert(n.name).second) report("two nodes are called ", n.name);
    for (const auto& in : n.inputs) {
      if (!in.empty() && !there.contains(in)) report(n.name, " uses '", in, "' before it is there");
      used.insert(in);
    }
    for (const auto& out : n.outputs)
      if (!out.empty()) make(out);
  }
  for (const auto& v : file.outputs) {
    if (!there.contains(v.name)) report("no node gives the output ", v.name);
    used.insert(v.name);
  }
  for (const auto& name : there)
    if (!used.contains(name)) report("nothing uses ", name);
  return problems;
}
