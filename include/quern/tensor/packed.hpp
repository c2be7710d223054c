/// Texts are packed, never padded: the tokens of all texts of a batch stand in one row of N, and `offsets` say where
/// each text begins. Sequence ops take and give Packed.
///
///   Batch batch = pack({{4, 8, 15}, {16}}, {1, 0});      // ids [4], offsets [0, 3, 4], labels [1, 0]
///   Packed<float> e = words(batch);                      // rows [4, E] with the batch's offsets
#pragma once
#include <vector>

#include <quern/tensor/tensor.hpp>

namespace quern::inline QUERN_ABI {

/// offsets [B+1]: text b is rows offsets(b) … offsets(b+1)-1; offsets(0) = 0, offsets(B) = N.
using Offsets = Tensor<std::int64_t, 1>;

/// Rows of several texts, one after another. T may be a recorded number. Made from rows and offsets it shares the
/// offsets.
template <class T>
struct Packed {
  Tensor<T, 2> rows;  // [N, C]
  Offsets offsets;    // [B+1]

  Packed() = default;
  Packed(Tensor<T, 2> r, const Offsets& o) : rows(std::move(r)), offsets(o.share()) {}
  std::int64_t texts() const { return offsets.size() - 1; }
};

/// What a model is given: the token ids of B texts and, where known, their labels.
struct Batch {
  Tensor<std::int32_t, 1> ids;      // [N]
  Offsets offsets;                  // [B+1]
  Tensor<std::int32_t, 1> labels;   // [B], or [0] where unknown
  Tensor<std::int32_t, 1> types{};  // [N]: which of a pair's texts a token belongs to (BERT's token types); [0]: all 0

  std::int64_t texts() const { return offsets.size() - 1; }
  std::int64_t tokens() const { return ids.size(); }
};

/// A batch from lists of ids. An empty text is an error: give it an unknown token. `types` are as long as the texts.
inline Batch pack(const std::vector<std::vector<std::int32_t>>& texts, const std::vector<std::int32_t>& labels = {},
                  const std::vector<std::vector<std::int32_t>>& types = {}) {
  require(labels.empty() || labels.size() == texts.size(), "pack: ", texts.size(), " texts, but ", labels.size(),
          " labels");
  require(types.empty() || types.size() == texts.size(), "pack: ", texts.size(), " texts, but token types of ",
          types.size());
  std::int64_t tokens = 0;
  for (const auto& t : texts) tokens += std::int64_t(t.size());
  Batch batch{Tensor<std::int32_t, 1>(tokens), Offsets(texts.size() + 1), Tensor<std::int32_t, 1>(labels.size())};
  std::int64_t at = 0;
  for (std::size_t b = 0; b < texts.size(); ++b) {
    require(!texts[b].empty(), "pack: text ", b, " has no tokens; give it the unknown token");
    for (auto id : texts[b]) batch.ids(at++) = id;
    batch.offsets(b + 1) = at;
  }
  std::copy(labels.begin(), labels.end(), batch.labels.data());
  if (!types.empty()) batch.types = Tensor<std::int32_t, 1>(tokens);
  for (std::size_t b = 0; b < types.size(); ++b) {
    require(types[b].size() == texts[b].size(), "pack: text ", b, " has ", texts[b].size(), " tokens, but ",
            types[b].size(), " token types");
    std::copy(types[b].begin(), types[b].end(), batch.types.data() + batch.offsets(b));
  }
  return batch;
}

/// The same batch on another device.
inline Batch to(const Batch& batch, Device device) {
  return {batch.ids.to(device), batch.offsets.to(device), batch.labels.to(device), batch.types.to(device)};
}
/// The same rows on another device.
template <class T>
Packed<T> to(const Packed<T>& x, Device device) {
  return {x.rows.to(device), x.offsets.to(device)};
}

/// Throws unless `offsets` cut `rows` rows into texts. On a GPU only their number is checked: they were made by `pack`
/// or by an op, and reading them back would wait for all work before.
[[gnu::noinline]] inline void check_offsets(const char* op, const Offsets& offsets, std::int64_t rows, Caller at) {
  const auto n = offsets.size();
  if (offsets.device().is_cuda()) return require(n >= 1, op, ": no offsets (", at, ")");
  require(n >= 1 && offsets(0) == 0 && offsets(n - 1) == rows, op, ": offsets ", offsets.shape(),
          " must begin with 0 and end with the number of rows, ", rows, " (", at, ")");
  for (std::int64_t b = 1; b < n; ++b)
    require(offsets(b) >= offsets(b - 1), op, ": offsets fall at text ", b - 1, " (", at, ")");
}

}  // namespace quern::inline QUERN_ABI
