#include <doctest/doctest.h>

#include <cmath>
#include <data/files.hpp>
#include <limits>
#include <quern/io/safetensors.hpp>

using namespace quern;

namespace {

template <class T = float>
struct Layer {
  Tensor<T, 2> weight;
  Tensor<T, 1> bias;
  static void visit(auto&& f, auto&... m) { f("weight", m.weight...), f("bias", m.bias...); }
};
template <class T = float>
struct Net {
  std::vector<Layer<T>> layers;
  Tensor<std::int64_t, 1> steps;
  double rate = 0.5;
  static void visit(auto&& f, auto&... m) { f("layers", m.layers...), f("steps", m.steps...), f("rate", m.rate...); }
};

template <class T = float>
Net<T> net() {
  Net<T> n;
  n.layers.resize(2);
  n.layers[0] = {Tensor<T, 2>::of({2, 3}, {1, 2, 3, 4, 5, T(0.1)}), Tensor<T, 1>::of({2}, {T(-1e-7), 7})};
  n.layers[1] = {Tensor<T, 2>::of({1, 2}, {8, 9}), Tensor<T, 1>(Shape<1>{0})};
  n.steps = Tensor<std::int64_t, 1>::of({1}, {std::int64_t(1) << 60});
  return n;
}

/// A file from its parts: header text, then `data` bytes of zeros.
std::string file_of(const std::string& header, std::size_t data) {
  const std::uint64_t n = header.size();
  return std::string(reinterpret_cast<const char*>(&n), 8) + header + std::string(data, '\0');
}
std::string refused(const std::string& header, std::size_t data) {
  return error_of([&] { SafetensorsFile(file_of(header, data), "w.safetensors"); });
}
const std::string one = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";

}  // namespace

TEST_CASE("safetensors: what is saved is loaded, bit for bit, under the walk's names") {
  const TemporaryFolder folder;
  const auto path = folder / "w.safetensors";
  const auto saved = net();
  save_safetensors(saved, path);
  const SafetensorsFile file(path);
  CHECK(file.tensors().size() == 5);
  CHECK(file.tensors().at("layers.0.weight").shape == std::vector<std::int64_t>{2, 3});
  CHECK(file.tensors().at("layers.0.weight").dtype == "F32");
  CHECK(file.tensors().at("steps").dtype == "I64");
  CHECK(file.note("format") == "pt");
  auto loaded = zeros_like(saved);
  loaded.rate = 0.25;
  load_safetensors(loaded, path);
  walk_tensors([](const Path& at, const auto& a, const auto& b) { CHECK_MESSAGE(same_bits(a, b), at.text()); }, saved,
               loaded);
  CHECK(loaded.rate == 0.25);  // settings are not in the file
}

TEST_CASE("safetensors: the layout is the format's, to the byte") {
  SafetensorsWriter writer;
  const auto x = Tensor<float, 1>::of({1}, {1.5f});
  writer.add("x", x);
  const std::string header = R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  const std::uint64_t n = padded.size();
  CHECK(writer.bytes() == std::string(reinterpret_cast<const char*>(&n), 8) + padded + std::string("\0\0\xC0\x3F", 4));
  CHECK(n % 8 == 0);
  CHECK(holds(error_of<InvalidArgument>([&] { writer.add("x", x); }), "two tensors are called x"));
}

TEST_CASE("safetensors: double, int32 and int64") {
  SafetensorsWriter writer;
  const auto d = Tensor<double, 1>::of({2}, {0.1, -3e300});
  const auto i = Tensor<std::int32_t, 2>::of({1, 3}, {1, -2, INT32_MIN});
  writer.add("d", d), writer.add("i", i);
  const SafetensorsFile file(writer.bytes(), "w");
  auto d2 = empty_like(d);
  auto i2 = empty_like(i);
  file.read("d", d2), file.read("i", i2);
  CHECK(same_bits(d, d2));
  CHECK(same_bits(i, i2));
}

TEST_CASE("safetensors: one error names all tensors that do not fit, and the model stays as it was") {
  SafetensorsWriter writer;
  const auto saved = net();
  const auto more = Tensor<float, 1>(3);
  const auto wide = Tensor<double, 2>(1, 2);
  writer.add("layers.0.weight", saved.layers[1].weight), writer.add("layers.0.bias", saved.layers[0].bias);
  writer.add("layers.1.weight", wide), writer.add("extra", more);
  auto model = net();
  const auto message = error_of([&] { load_safetensors(model, SafetensorsFile(writer.bytes(), "w.safetensors")); });
  CHECK(holds(message, "w.safetensors", "layers.0.weight: expected F32 [2, 3], got F32 [1, 2]"));
  CHECK(holds(message, "layers.1.weight: expected F32 [1, 2], got F64 [1, 2]"));
  CHECK(holds(message, "layers.1.bias: missing, expected F32 [0]", "steps: missing, expected I64 [1]"));
  CHECK(holds(message, "extra: unexpected"));
  CHECK(!holds(message, "layers.0.bias"));
  CHECK(same_bits(model.layers[0].weight, saved.layers[0].weight));
}

TEST_CASE("safetensors: a number that is not finite is named, and the model stays as it was") {
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    auto broken = net();
    broken.layers[0].weight(0, 0) = 77;
    broken.layers[1].weight(0, 1) = bad;
    SafetensorsWriter writer;
    writer.add_model(broken);
    auto model = net();
    const auto message = error_of([&] { load_safetensors(model, SafetensorsFile(writer.bytes(), "w.safetensors")); });
    CHECK(holds(message, "tensor layers.1.weight: element 1 of 2 is "));
    CHECK(model.layers[0].weight(0, 0) == 1);
  }
}

TEST_CASE("safetensors: prefixes keep several models apart") {
  SafetensorsWriter writer;
  auto a = net(), b = net();
  b.layers[0].bias(0) = 5;
  writer.add_model(a, "a."), writer.add_model(b, "b.");
  const SafetensorsFile file(writer.bytes(), "w");
  auto model = net();
  load_safetensors(model, file, "b.");
  CHECK(model.layers[0].bias(0) == 5);
}

TEST_CASE("safetensors: hostile headers are refused with what is wrong") {
  CHECK(refused(one, 8) == "nothing was thrown");
  CHECK(refused("{}", 0) == "nothing was thrown");
  CHECK(refused(one + "   ", 8) == "nothing was thrown");
  CHECK(holds(error_of([] { SafetensorsFile("1234567", "w"); }), "expected at least 8 bytes, got 7"));
  CHECK(holds(error_of([] { SafetensorsFile(std::string(8, '\xff') + "{}", "w"); }), "18446744073709551615 bytes",
              "the limit is 100000000"));
  CHECK(
      holds(error_of([] { SafetensorsFile(file_of(one, 8).substr(0, 30), "w"); }), "but only 22 follow", "truncated"));
  CHECK(holds(refused("[1]", 0), "does not begin with '{'"));
  CHECK(holds(refused(R"({"a")", 0), "not valid JSON"));
  CHECK(holds(refused("{\"\xff\xfe\": 1}", 0), "not valid JSON"));
  CHECK(holds(refused("{\"a\":" + std::string(100000, '['), 0), "nested"));
  CHECK(holds(refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],)"
                      R"("data_offsets":[0,4]}})",
                      4),
              "'a' is given twice"));
  CHECK(holds(refused(R"({"a":5})", 0), "tensor a: is number in the header"));
  CHECK(holds(refused(R"({"a":{"dtype":"F32","shape":[2]}})", 8), "expected dtype, shape and data_offsets"));
  CHECK(holds(refused(R"({"a":{"dtype":"F8","shape":[2],"data_offsets":[0,2]}})", 2), "its dtype is 'F8'"));
  CHECK(holds(refused(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8), "shape holds -2"));
  CHECK(holds(refused(R"({"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", 8), "shape holds 2.0"));
  CHECK(holds(refused(R"({"a":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,8]}})", 8),
              "whole numbers from 0 to 2^63-1"));
  CHECK(holds(refused(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]}})", 0),
              "more bytes than a file can hold"));
  CHECK(holds(refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 7), "bytes are said to be 0 to 8",
              "holds 7"));
  CHECK(holds(refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8), "bytes are said to be 8 to 0"));
  CHECK(holds(refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4), "needs 8 bytes",
              "data_offsets give 4"));
  CHECK(holds(refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", 12), "begins at byte 4, expected 0",
              "gap"));
  CHECK(holds(refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                      R"("b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
                      12),
              "tensor b: begins at byte 4, expected 8", "overlaps"));
  CHECK(holds(refused(one, 9), "end at byte 8, the file holds 9"));
  CHECK(holds(refused(R"({"__metadata__":{"a":1}})", 0), "__metadata__ 'a' is number, expected a string"));
  CHECK(holds(refused(R"({"__metadata__":[]})", 0), "expected an object of strings"));
}

TEST_CASE("safetensors: every cut and every damaged byte of a file gives an Error or a sound file") {
  SafetensorsWriter writer;
  const auto saved = net();
  writer.add_model(saved);
  const std::string good = writer.bytes();
  for (std::size_t n = 0; n < good.size(); ++n)
    CHECK_MESSAGE(error_of([&] { SafetensorsFile(good.substr(0, n), "w"); }) != "nothing was thrown", n);
  int accepted = 0;
  for (std::size_t at = 0; at < good.size(); ++at)
    for (const char flip : {'\x01', '\x80'}) {
      std::string bad = good;
      bad[at] = char(bad[at] ^ flip);
      auto model = net();
      accepted += error_of([&] { load_safetensors(model, SafetensorsFile(bad, "w")); }) == "nothing was thrown";
    }
  CHECK(accepted > 0);  // the elements themselves may be any finite numbers
  CHECK(accepted < int(2 * good.size()) / 2);
}

TEST_CASE("safetensors: every type of element there and back") {
  const TemporaryFolder folder;
  const auto there_and_back = [&]<class T>(T, const char* dtype) {
    const std::string path = folder / dtype;
    save_safetensors(Layer<T>{Tensor<T, 2>::of({1, 2}, {T(1.5f), T(-2)}), Tensor<T, 1>::of({1}, {T(3)})}, path);
    Layer<T> loaded{Tensor<T, 2>(Shape<2>{1, 2}), Tensor<T, 1>(Shape<1>{1})};
    load_safetensors(loaded, path);
    CHECK(SafetensorsFile(path).tensors().at("weight").dtype == dtype);
    CHECK((loaded.weight(0, 0) == T(1.5f) && loaded.weight(0, 1) == T(-2) && loaded.bias(0) == T(3)));
  };
  there_and_back(float(), "F32"), there_and_back(double(), "F64"), there_and_back(bf16(), "BF16");
  there_and_back(std::int32_t(), "I32"), there_and_back(std::int64_t(), "I64");
}
