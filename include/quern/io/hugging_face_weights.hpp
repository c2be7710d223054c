/// Needs nlohmann-json. The weights of a Hugging Face folder: model.safetensors, or the files that
/// model.safetensors.index.json lists. Numbers of 16 bits become floats, and old names the names of today.
///
///   const HuggingFaceWeights weights("folder");
///   weights.has("embeddings.LayerNorm.weight");          // also where the file says bert.embeddings.LayerNorm.gamma
///   weights.read("embeddings.LayerNorm.weight", x);      // float, from F32, F16 or BF16
#pragma once
#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <quern/base/half.hpp>
#include <quern/io/safetensors.hpp>

namespace quern::inline QUERN_ABI {

class HuggingFaceWeights {
 public:
  explicit HuggingFaceWeights(const std::string& folder) : folder_(folder) {
    const std::string single = folder + "/model.safetensors", index = single + ".index.json";
    if (exists(single)) {
      files_.emplace_back(single);
      for (const auto& [name, entry] : files_[0].tensors()) add(name, 0);
    } else {
      check(exists(index), folder, ": holds neither model.safetensors nor model.safetensors.index.json",
            exists(folder + "/pytorch_model.bin")
                ? "; pytorch_model.bin is not read: convert it with transformers' save_pretrained"
                : "; is it the folder of a Hugging Face model?");
      read_shards(index);
    }
  }

  const std::string& folder() const { return folder_; }
  /// Whether the names in the files begin with "bert.".
  bool prefixed() const { return prefixed_; }
  bool has(const std::string& name) const { return places_.contains(name); }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& [name, place] : places_) all.push_back(name);
    return all;
  }
  /// The name as it stands in the file.
  const std::string& name_in_file(const std::string& name) const { return places_.at(name).name; }

  /// The elements of all tensors together.
  double elements() const {
    double n = 0;
    for (const auto& file : files_)
      for (const auto& [name, e] : file.tensors())
        n += double(e.end - e.begin) / (e.dtype.ends_with("16") ? 2 : e.dtype.ends_with("64") ? 8 : 4);
    return n;
  }

  /// What `x` cannot be read from `name` for; empty where it can.
  template <int Rank>
  std::string misfit(const std::string& name, const Tensor<float, Rank>& x) const {
    const auto& e = entry(name);
    const auto& extents = x.shape().extents;
    const bool floats = e.dtype == "F32" || e.dtype == "F16" || e.dtype == "BF16";
    if (floats && std::equal(extents.begin(), extents.end(), e.shape.begin(), e.shape.end())) return {};
    return text_of("expected F32, F16 or BF16 ", x.shape(), ", got ", e.dtype, " ", e.shape_text());
  }

  /// Fills `x`, which fits. A number that is not finite is an Error.
  template <int Rank>
  void read(const std::string& name, Tensor<float, Rank>& x) const {
    const std::string why = misfit(name, x);
    const Place& place = places_.at(name);
    check(why.empty(), files_[place.file].path(), ": tensor ", place.name, ": ", why);
    copy(files_[place.file].elements(place.name), entry(name).dtype, x.data());
    for (std::int64_t i = 0; i < x.size(); ++i)
      check(std::isfinite(x.data()[i]), files_[place.file].path(), ": tensor ", place.name, ": element ", i, " of ",
            x.size(), " is ", x.data()[i], "; expected finite numbers");
  }

 private:
  struct Place {
    std::size_t file;
    std::string name;  // as it stands there
  };

  static bool exists(const std::string& path) {
    struct stat info;
    return ::stat(path.c_str(), &info) == 0;
  }

  const SafetensorsEntry& entry(const std::string& name) const {
    const Place& place = places_.at(name);
    return files_[place.file].tensors().at(place.name);
  }

  /// Without the prefix of a model with a head, and with the names that TensorFlow's gamma and beta have in PyTorch.
  static std::string today(std::string name) {
    if (name.starts_with("bert.")) name.erase(0, 5);
    for (const auto& [old, now] : {std::pair{".gamma", ".weight"}, std::pair{".beta", ".bias"}})
      if (name.ends_with(old)) name.replace(name.size() - std::strlen(old), std::string::npos, now);
    return name;
  }

  void add(const std::string& name, std::size_t file) {
    const auto [place, fresh] = places_.try_emplace(today(name), Place{file, name});
    check(fresh, files_[file].path(), ": ", name, " and ", place->second.name, " are two names of one tensor");
    prefixed_ = prefixed_ || name.starts_with("bert.");
  }

  /// {"weight_map": {"tensor": "model-00001-of-00002.safetensors", …}}
  void read_shards(const std::string& index) {
    const auto map = json_value<std::map<std::string, std::string>>(read_json(index), "weight_map", index);
    std::map<std::string, std::size_t> numbers;
    for (const auto& [name, file] : map) {
      check(!file.empty() && file.find('/') == std::string::npos && file != "..", index, ": tensor ", name,
            " is said to be in '", file, "'; expected the name of a file in the folder");
      if (!numbers.contains(file)) {
        numbers[file] = files_.size();
        files_.emplace_back(folder_ + "/" + file);
      }
      const std::size_t number = numbers[file];
      check(files_[number].tensors().contains(name), index, ": tensor ", name, " is said to be in ", file,
            ", which does not hold it");
      add(name, number);
    }
    for (const auto& file : files_)
      for (const auto& [name, e] : file.tensors())
        check(map.contains(name), index, ": does not list tensor ", name, ", which is in ", file.path());
  }

  static void copy(std::string_view from, const std::string& dtype, float* to) {
    if (dtype == "F32") return void(from.empty() || std::memcpy(to, from.data(), from.size()));
    for (std::size_t i = 0; 2 * i < from.size(); ++i) {
      std::uint16_t bits;
      std::memcpy(&bits, from.data() + 2 * i, 2);
      to[i] = dtype == "F16" ? float_of_half(bits) : float(bf16::of_bits(bits));
    }
  }

  std::string folder_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, Place> places_;  // by today's name
  bool prefixed_ = false;
};

}  // namespace quern::inline QUERN_ABI
