/// The pieces of a vocabulary as two tries over bytes: of those that begin a word, and of those that continue one.
///
///   PieceTrie trie(starts, continuations);              // (bytes, id) each
///   auto at = trie.word();                              // no bytes read yet
///   if (trie.next(at, 'f')) at.id;                      // ≥ 0: "f" is a piece
///
/// A double array (Aoe 1989, with xor for plus as in Yata's darts-clone): all nodes stand in one array of 8 bytes each,
/// the child of a node by byte c at index base ^ c. A step is one load and one comparison.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <quern/base/error.hpp>

namespace quern::inline QUERN_ABI {

class PieceTrie {
 public:
  using Piece = std::pair<std::string, std::int32_t>;

  /// A place in the trie: the bytes read so far, and the piece that they are (-1: none).
  struct At {
    std::uint32_t base;
    std::int32_t id = -1;
  };

  PieceTrie() : PieceTrie({}, {}) {}
  /// No piece is empty, and none stands there twice.
  PieceTrie(std::vector<Piece> starts, std::vector<Piece> continuations) {
    grow();  // no node has its children in the first block: 0 is the base of those without children
    const auto root = [&](std::vector<Piece>& pieces) {
      std::sort(pieces.begin(), pieces.end());
      for (std::size_t i = 0; i < pieces.size(); ++i)
        require(!pieces[i].first.empty() && (i == 0 || pieces[i].first != pieces[i - 1].first), "piece trie: '",
                pieces[i].first, "' is empty or stands there twice");
      return pieces.empty() ? 0 : place(pieces, 0, pieces.size(), 0);
    };
    word_ = root(starts);
    continuation_ = root(continuations);
    taken_ = {};
  }

  At word() const { return {word_}; }
  At continuation() const { return {continuation_}; }

  /// Goes on by one byte; false where no piece does.
  bool next(At& at, unsigned char byte) const {
    const Node node = nodes_[at.base ^ byte];
    at = {node.base_and_byte >> byte_bits, node.id};
    return (node.base_and_byte & free) == byte;
  }

 private:
  static constexpr int byte_bits = 9;
  static constexpr std::uint32_t free = 511;  // in the place of the byte, where no node stands
  static constexpr std::uint32_t block = 256;

  struct Node {
    std::uint32_t base_and_byte = free;
    std::int32_t id = -1;
  };

  void grow() {
    check(nodes_.size() + block <= std::size_t(1) << (32 - byte_bits),
          "piece trie: the vocabulary is too large: more than 8 million places");
    nodes_.resize(nodes_.size() + block);
    taken_.resize(nodes_.size());
  }

  /// Places the children of the node that the pieces [begin, end) share up to `depth`, then theirs; gives their base.
  std::uint32_t place(const std::vector<Piece>& pieces, std::size_t begin, std::size_t end, std::size_t depth) {
    std::vector<std::size_t> borders;  // where each child's pieces begin
    std::string bytes;
    for (std::size_t i = begin; i < end; ++i) {
      const char byte = pieces[i].first[depth];
      if (bytes.empty() || bytes.back() != byte) bytes += byte, borders.push_back(i);
    }
    borders.push_back(end);
    const std::uint32_t base = free_base(bytes);
    taken_[base] = true;
    for (const char c : bytes)
      nodes_[base ^ static_cast<unsigned char>(c)].base_and_byte = static_cast<unsigned char>(c);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      const auto byte = static_cast<unsigned char>(bytes[i]);
      std::size_t first = borders[i];
      std::int32_t id = -1;
      if (pieces[first].first.size() == depth + 1) id = pieces[first++].second;  // ends here: sorted before longer ones
      const std::uint32_t below = first < borders[i + 1] ? place(pieces, first, borders[i + 1], depth + 1) : 0;
      nodes_[base ^ byte] = {below << byte_bits | byte, id};
    }
    return base;
  }

  /// A base nobody has, whose places for these bytes are free. Only the last blocks are searched: those before are
  /// nearly full.
  std::uint32_t free_base(const std::string& bytes) {
    constexpr std::size_t searched = 8 * block;
    if (nodes_.size() > first_free_ + searched) first_free_ = nodes_.size() - searched;
    while (first_free_ < nodes_.size() && nodes_[first_free_].base_and_byte != free) ++first_free_;
    for (std::size_t i = first_free_;; ++i) {
      if (i == nodes_.size()) grow();
      const auto base = std::uint32_t(i) ^ static_cast<unsigned char>(bytes[0]);
      if (nodes_[i].base_and_byte != free || taken_[base]) continue;
      if (std::all_of(bytes.begin(), bytes.end(),
                      [&](char c) { return nodes_[base ^ static_cast<unsigned char>(c)].base_and_byte == free; }))
        return base;
    }
  }

  std::vector<Node> nodes_;
  std::vector<bool> taken_;         // bases, while nodes are placed
  std::size_t first_free_ = block;  // about the first place to try
  std::uint32_t word_ = 0, continuation_ = 0;
};

}  // namespace quern::inline QUERN_ABI
