/// Needs nlohmann-json. Tensors by name in one file, in the safetensors format that PyTorch users read and write.
///
///   save_safetensors(model, "model.safetensors");
///   load_safetensors(model, "model.safetensors");          // every tensor, of equal type and shape, or an Error
///   SafetensorsFile file("model.safetensors");             // or look inside: file.tensors(), file.note("format")
///
/// The format: 8 bytes n, little-endian; n bytes of JSON, {"name": {"dtype", "shape", "data_offsets"}, …} and notes
/// under "__metadata__"; then the elements, without gaps. A file is taken for hostile until every number in its header
/// was checked.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <nlohmann/json.hpp>

#include <quern/autograd/observer.hpp>
#include <quern/base/file.hpp>
#include <quern/io/json.hpp>
#include <quern/tensor/walk.hpp>

namespace quern::inline QUERN_ABI {

static_assert(std::endian::native == std::endian::little, "safetensors: only little-endian machines are supported");

/// The name of an element type in a header.
template <class T>
constexpr const char* safetensors_dtype = nullptr;
template <>
inline constexpr const char* safetensors_dtype<float> = "F32";
template <>
inline constexpr const char* safetensors_dtype<double> = "F64";
template <>
inline constexpr const char* safetensors_dtype<bf16> = "BF16";
template <>
inline constexpr const char* safetensors_dtype<std::int32_t> = "I32";
template <>
inline constexpr const char* safetensors_dtype<std::int64_t> = "I64";

namespace detail {
/// The same by the type's description; null for a type that headers have no name for.
inline const char* safetensors_dtype_of(const ElementType& type) {
  const auto named = [&]<class T>(T) { return &type == &element_type<T> ? safetensors_dtype<T> : nullptr; };
  for (const char* name :
       {named(float()), named(double()), named(bf16()), named(std::int32_t()), named(std::int64_t())})
    if (name) return name;
  return nullptr;
}
}  // namespace detail

/// Collects tensors and notes, then writes them in one go. The tensors must live until then; of those on a GPU a copy
/// is made.
class SafetensorsWriter {
 public:
  template <class T, int Rank>
  void add(const std::string& name, const Tensor<T, Rank>& x) {
    add(name, AnyTensor(x));
  }
  void add(const std::string& name, const AnyTensor& x) {
    require(!name.empty() && name != "__metadata__", "safetensors: '", name, "' is no name for a tensor");
    const char* dtype = detail::safetensors_dtype_of(*x.type);
    require(dtype != nullptr, "safetensors: ", name, " is of type ", x.type->name, ", which no header has a name for");
    const AnyTensor on_host = x.on_host();
    if (x.memory && x.memory.device().is_cuda()) copies_.push_back(on_host.memory);
    const auto bytes = std::size_t(x.size()) * x.type->bytes;
    nlohmann::ordered_json entry;
    entry["dtype"] = dtype;
    entry["shape"] = x.shape;
    entry["data_offsets"] = {end_, end_ + bytes};
    require(!header_.contains(name), "safetensors: two tensors are called ", name);
    header_[name] = std::move(entry);
    parts_.emplace_back(bytes ? static_cast<const char*>(on_host.memory.data()) : "", bytes);
    end_ += bytes;
  }

  /// All tensors of a model; those without memory (gradients of frozen parameters) are left out.
  void add_model(const auto& model, const std::string& prefix = "") {
    walk_tensors(
        [&](const Path& path, const auto& x) {
          if (x.storage()) add(prefix + path.text(), x);
        },
        model);
  }

  void note(const std::string& key, const std::string& value) { notes_[key] = value; }

  /// The whole file.
  std::string bytes() const {
    nlohmann::ordered_json header;
    if (!notes_.empty()) header["__metadata__"] = notes_;
    for (const auto& [name, entry] : header_.items()) header[name] = entry;
    std::string text = header_.empty() && notes_.empty() ? "{}" : header.dump();
    text.append((8 - text.size() % 8) % 8, ' ');  // so that the elements are aligned
    const std::uint64_t n = text.size();
    std::string file(reinterpret_cast<const char*>(&n), sizeof n);
    file.reserve(sizeof n + text.size() + end_);
    file += text;
    for (auto part : parts_) file += part;
    return file;
  }

  /// Writes the file; a reader meets the old one or the new one.
  void save(const std::string& path) const { atomic_write(path, bytes()); }

 private:
  nlohmann::ordered_json header_ = nlohmann::ordered_json::object();
  std::map<std::string, std::string> notes_;
  std::vector<std::string_view> parts_;
  std::vector<Storage> copies_;
  std::size_t end_ = 0;
};

/// One tensor of a file: where its elements stand in the part after the header.
struct SafetensorsEntry {
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::size_t begin = 0, end = 0;

  /// "[3, 4]"
  std::string shape_text() const {
    std::string out = "[";
    for (std::size_t i = 0; i < shape.size(); ++i) out += (i ? ", " : "") + std::to_string(shape[i]);
    return out + "]";
  }
};

/// A file that was read and found to be sound.
class SafetensorsFile {
 public:
  static constexpr std::size_t longest_header = 100'000'000;

  explicit SafetensorsFile(const std::string& path) : SafetensorsFile(read_file(path), path) {}
  /// The same from bytes; `path` is for messages.
  SafetensorsFile(std::string bytes, std::string path) : path_(std::move(path)), bytes_(std::move(bytes)) { parse(); }

  const std::string& path() const { return path_; }
  const std::map<std::string, SafetensorsEntry>& tensors() const { return tensors_; }
  bool has_note(const std::string& key) const { return notes_.contains(key); }
  const std::string& note(const std::string& key) const {
    const auto found = notes_.find(key);
    check(found != notes_.end(), path_, ": has no note '", key, "' in its __metadata__");
    return found->second;
  }

  /// Whether the file's tensor `name` has the type and shape of `x`; else `why` says what it has.
  template <class T, int Rank>
  bool fits(const std::string& name, const Tensor<T, Rank>& x, std::string& why) const {
    const SafetensorsEntry& e = tensors_.at(name);
    const auto& extents = x.shape().extents;
    const bool same_shape = std::equal(extents.begin(), extents.end(), e.shape.begin(), e.shape.end());
    if (same_shape && e.dtype == safetensors_dtype<T>) return true;
    why = text_of("expected ", safetensors_dtype<T>, " ", x.shape(), ", got ", e.dtype, " ", e.shape_text());
    return false;
  }

  /// The elements of `name` as they stand in the file, which may begin anywhere.
  std::string_view elements(const std::string& name) const {
    const SafetensorsEntry& e = tensors_.at(name);
    return std::string_view(bytes_).substr(data_ + e.begin, e.end - e.begin);
  }

  /// Copies the elements of `name` into `x`, which they fit. A number that is not finite is an Error.
  template <class T, int Rank>
  void read(const std::string& name, Tensor<T, Rank>& x) const {
    const SafetensorsEntry& e = tensors_.at(name);
    std::string why;
    check(fits(name, x, why), path_, ": tensor ", name, ": ", why);
    if (x.device().is_cuda()) {
      auto on_host = Tensor<T, Rank>::empty(x.shape());
      read(name, on_host);
      return copy_bytes(x.data(), x.device(), on_host.data(), Device::cpu(), x.bytes());
    }
    if (x.bytes()) std::memcpy(static_cast<void*>(x.data()), bytes_.data() + data_ + e.begin, x.bytes());
    if constexpr (std::is_floating_point_v<T> || std::is_same_v<T, bf16>)
      for (std::int64_t i = 0; i < x.size(); ++i)
        check(std::isfinite(accumulator_t<T>(x.data()[i])), path_, ": tensor ", name, ": element ", i, " of ", x.size(),
              " is ", x.data()[i], "; expected finite numbers");
  }

 private:
  void parse() {
    check(bytes_.size() >= 8, path_, ": not a safetensors file: expected at least 8 bytes, got ", bytes_.size());
    std::uint64_t length = 0;
    std::memcpy(&length, bytes_.data(), 8);
    check(length <= longest_header, path_, ": its header is said to have ", length, " bytes, the limit is ",
          longest_header, "; is it a safetensors file?");
    check(length <= bytes_.size() - 8, path_, ": its header is said to have ", length, " bytes, but only ",
          bytes_.size() - 8, " follow; the file is truncated");
    data_ = 8 + std::size_t(length);
    const std::string_view text(bytes_.data() + 8, std::size_t(length));
    check(text.starts_with('{'), path_, ": its header does not begin with '{'; is it a safetensors file?");
    const nlohmann::json header = parse_json(text, text_of(path_, ": header"), 3);
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__") {
        read_notes(entry);
      } else {
        tensors_[name] = read_entry(name, entry);
      }
    }
    check_offsets();
  }

  void read_notes(const nlohmann::json& notes) {
    check(notes.is_object(), path_, ": header: __metadata__ is ", notes.type_name(), ", expected an object of strings");
    for (const auto& [key, value] : notes.items()) {
      check(value.is_string(), path_, ": header: __metadata__ '", key, "' is ", value.type_name(),
            ", expected a string");
      notes_[key] = value.get<std::string>();
    }
  }

  static std::uint64_t width_of(const std::string& dtype) {
    return dtype == "F16" || dtype == "BF16"  ? 2
           : dtype == "F32" || dtype == "I32" ? 4
           : dtype == "F64" || dtype == "I64" ? 8
                                              : 0;
  }

  /// The list under `key` of a tensor's entry: whole numbers that are not negative.
  std::vector<std::int64_t> read_list(const std::string& name, const nlohmann::json& entry, const char* key) const {
    check(entry.contains(key) && entry[key].is_array(), path_, ": tensor ", name, ": expected a list '", key, "'");
    std::vector<std::int64_t> numbers;
    for (const auto& n : entry[key]) {
      const auto value = n.is_number_unsigned() ? n.get<std::uint64_t>() : UINT64_MAX;
      if (value > std::uint64_t(INT64_MAX))
        throw_error(text_of(path_, ": tensor ", name, ": ", key, " holds ", n.dump().substr(0, 40),
                            ", expected whole numbers from 0 to 2^63-1"));
      numbers.push_back(std::int64_t(value));
    }
    return numbers;
  }

  SafetensorsEntry read_entry(const std::string& name, const nlohmann::json& entry) const {
    const auto need = [&](bool ok, const auto&... what) { check(ok, path_, ": tensor ", name, ": ", what...); };
    need(entry.is_object(), "is ", entry.type_name(), " in the header, expected an object");
    need(entry.size() == 3 && entry.contains("dtype") && entry["dtype"].is_string(),
         "expected dtype, shape and data_offsets");
    SafetensorsEntry e;
    e.dtype = entry["dtype"].get<std::string>();
    e.shape = read_list(name, entry, "shape");
    const auto offsets = read_list(name, entry, "data_offsets");
    need(offsets.size() == 2, "expected two data_offsets, got ", offsets.size());
    e.begin = std::size_t(offsets[0]), e.end = std::size_t(offsets[1]);
    const std::uint64_t width = width_of(e.dtype);
    need(width > 0, "its dtype is '", e.dtype, "'; expected F16, BF16, F32, F64, I32 or I64");
    std::uint64_t wanted = width;
    for (const auto extent : e.shape)
      if (__builtin_mul_overflow(wanted, std::uint64_t(extent), &wanted))
        need(false, "its shape ", e.shape_text(), " has more bytes than a file can hold");
    need(e.begin <= e.end && e.end <= bytes_.size() - data_, "its bytes are said to be ", e.begin, " to ", e.end,
         ", but the file holds ", bytes_.size() - data_, " after its header; is it truncated?");
    if (e.end - e.begin != wanted)
      need(false, e.dtype, " ", e.shape_text(), " needs ", wanted, " bytes, its data_offsets give ", e.end - e.begin);
    return e;
  }

  /// The tensors must cover the file without gap and without sharing a byte.
  void check_offsets() const {
    std::vector<const std::pair<const std::string, SafetensorsEntry>*> order;
    for (const auto& entry : tensors_) order.push_back(&entry);
    std::sort(order.begin(), order.end(), [](auto* a, auto* b) {
      return a->second.begin != b->second.begin ? a->second.begin < b->second.begin : a->second.end < b->second.end;
    });
    std::size_t at = 0;
    for (const auto* entry : order) {
      check(entry->second.begin == at, path_, ": tensor ", entry->first, ": begins at byte ", entry->second.begin,
            ", expected ", at, entry->second.begin < at ? "; it overlaps another" : "; there is a gap before it");
      at = entry->second.end;
    }
    check(at == bytes_.size() - data_, path_, ": the tensors end at byte ", at, ", the file holds ",
          bytes_.size() - data_, " after its header");
  }

  std::string path_, bytes_;
  std::size_t data_ = 0;  // where the elements begin
  std::map<std::string, SafetensorsEntry> tensors_;
  std::map<std::string, std::string> notes_;
};

/// Fills a model of the right shapes from the tensors whose names begin with `prefix`. One Error names all that are
/// missing, unexpected or of another type or shape; then the model is as it was.
void load_safetensors(auto& model, const SafetensorsFile& file, const std::string& prefix = "") {
  std::string problems, why;
  std::map<std::string, bool> wanted;
  walk_tensors(
      [&](const Path& path, auto& x) {
        if (!x.storage()) return;
        const std::string name = prefix + path.text();
        wanted[name] = true;
        if (!file.tensors().contains(name)) {
          problems += text_of("\n  ", name, ": missing, expected ",
                              safetensors_dtype<std::remove_pointer_t<decltype(x.data())>>, " ", x.shape());
        } else if (!file.fits(name, x, why)) {
          problems += text_of("\n  ", name, ": ", why);
        }
      },
      model);
  for (const auto& [name, entry] : file.tensors())
    if (name.starts_with(prefix) && !wanted.contains(name)) problems += text_of("\n  ", name, ": unexpected");
  check(problems.empty(), file.path(), ": the tensors do not fit the model:", problems);
  std::remove_reference_t<decltype(model)> read = model;  // a number that is not finite must leave the model alone
  walk_tensors(
      [&](const Path& path, auto& to) {
        if (to.storage()) file.read(prefix + path.text(), to);
      },
      read);
  walk_tensors([](const Path&, auto& to,
                  const auto& from) { copy_bytes(to.data(), to.device(), from.data(), from.device(), to.bytes()); },
               model, read);
}
void load_safetensors(auto& model, const std::string& path) { load_safetensors(model, SafetensorsFile(path)); }

/// Writes all tensors of a model under their paths ("windows.0.weight"). Settings are not stored.
void save_safetensors(const auto& model, const std::string& path) {
  SafetensorsWriter writer;
  writer.note("format", "pt");  // what other readers look for: row-major, PyTorch's shapes
  writer.add_model(model);
  writer.save(path);
}

}  // namespace quern::inline QUERN_ABI
