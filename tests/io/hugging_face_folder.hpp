/// Folders as transformers writes them, made from the small BERTs of tests/goldens with something changed.
///
///   FolderOfBert bert("bert_classifier");            // what the folder holds, to be changed
///   bert.rename("LayerNorm.weight", "LayerNorm.gamma"), bert.config["hidden_act"] = "relu";
///   bert.write(folder.path);
#pragma once
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <quern/io/hugging_face.hpp>

namespace {

struct StoredTensor {
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::string bytes;
};
using StoredTensors = std::map<std::string, StoredTensor>;

/// A safetensors file of any types.
inline std::string safetensors_of(const StoredTensors& tensors) {
  auto header = nlohmann::ordered_json::object();
  std::string data;
  for (const auto& [name, x] : tensors) {
    header[name] = {
        {"dtype", x.dtype}, {"shape", x.shape}, {"data_offsets", {data.size(), data.size() + x.bytes.size()}}};
    data += x.bytes;
  }
  const std::string text = header.dump();
  const std::uint64_t n = text.size();
  return std::string(reinterpret_cast<const char*>(&n), 8) + text + data;
}

struct FolderOfBert {
  nlohmann::json config;
  StoredTensors tensors;

  explicit FolderOfBert(const std::string& golden) {
    const std::string folder = QUERN_SOURCE_DIR "/tests/goldens/" + golden;
    config = quern::read_json(folder + "/config.json");
    const quern::SafetensorsFile file(folder + "/model.safetensors");
    for (const auto& [name, e] : file.tensors()) tensors[name] = {e.dtype, e.shape, std::string(file.elements(name))};
  }

  /// `from` wherever it stands in a name.
  void rename(const std::string& from, const std::string& to) {
    StoredTensors renamed;
    for (auto& [name, x] : tensors) {
      std::string now = name;
      if (const auto at = now.find(from); at != std::string::npos) now.replace(at, from.size(), to);
      renamed[now] = std::move(x);
    }
    tensors = std::move(renamed);
  }
  void erase(const std::string& part) {
    std::erase_if(tensors, [&](const auto& entry) { return entry.first.find(part) != std::string::npos; });
  }
  /// Every tensor through f(float) → element of `dtype`.
  template <class F>
  void convert(const char* dtype, F&& f) {
    for (auto& [name, x] : tensors) {
      std::string to;
      for (std::size_t i = 0; i + 1 < x.bytes.size(); i += 2) {
        std::uint16_t bits;
        std::memcpy(&bits, x.bytes.data() + i, 2);
        const auto element = f(float(quern::bf16::of_bits(bits)));
        to.append(reinterpret_cast<const char*>(&element), sizeof element);
      }
      x = {dtype, x.shape, to};
    }
  }
  void write(const std::string& folder) const {
    quern::write_json(folder + "/config.json", config);
    quern::atomic_write(folder + "/model.safetensors", safetensors_of(tensors));
  }
  /// In two files and their index.
  void write_shards(const std::string& folder) const {
    quern::write_json(folder + "/config.json", config);
    StoredTensors shards[2];
    auto map = nlohmann::json::object();
    for (const auto& [name, x] : tensors) {
      const std::size_t shard = map.size() % 2;
      shards[shard][name] = x;
      map[name] = "model-0000" + std::to_string(shard + 1) + "-of-00002.safetensors";
    }
    for (int i : {0, 1})
      quern::atomic_write(folder + "/model-0000" + std::to_string(i + 1) + "-of-00002.safetensors",
                          safetensors_of(shards[i]));
    quern::write_json(folder + "/model.safetensors.index.json",
                      nlohmann::json{{"metadata", {{"total_size", 1}}}, {"weight_map", map}});
  }
};

/// To the nearest half of a float within their normal numbers, or 0.
inline std::uint16_t half_of(float x) {
  if (std::abs(x) < 0x1p-14f) return 0;
  int exponent;
  const int fraction = int(std::lround(std::ldexp(std::abs(std::frexp(x, &exponent)), 11)));  // 1024 to 2048
  return std::uint16_t((x < 0 ? 0x8000 : 0) | (((exponent + 14) << 10) + fraction - 1024));
}

}  // namespace
