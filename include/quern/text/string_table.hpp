/// Distinct strings numbered in the order they came, and a sort of numbers by what they stand for.
///
///   StringTable names;
///   names.add("neg");  names.add("pos");  names.add("neg");   // 0, 1, 0
///   names.find("neutral") == StringTable::none;               // allocates nothing
#pragma once
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <quern/base/function_ref.hpp>

namespace quern::inline QUERN_ABI {

class StringTable {
 public:
  static constexpr std::int32_t none = -1;

  std::int32_t find(std::string_view s) const { return slots_.empty() ? none : slots_[slot(s)]; }

  /// The number of `s`, which is added if it is new.
  std::int32_t add(std::string_view s) {
    if ((strings_.size() + 1) * 2 > slots_.size()) grow();
    std::int32_t& at = slots_[slot(s)];
    if (at == none) {
      at = size();
      strings_.push_back(std::string(s));
    }
    return at;
  }

  const std::string& operator[](std::int32_t i) const { return strings_[std::size_t(i)]; }
  std::int32_t size() const { return std::int32_t(strings_.size()); }

 private:
  /// Open addressing: the slot that holds `s`, or the free one where it belongs.
  std::size_t slot(std::string_view s) const {
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t i = std::hash<std::string_view>{}(s);; ++i)
      if (slots_[i & mask] == none || strings_[std::size_t(slots_[i & mask])] == s) return i & mask;
  }
  void grow() {
    slots_ = std::vector<std::int32_t>(slots_.empty() ? 64 : slots_.size() * 2, none);
    for (std::int32_t i = 0; i < size(); ++i) slots_[slot(strings_[std::size_t(i)])] = i;
  }

  std::vector<std::string> strings_;
  std::vector<std::int32_t> slots_;  // a power of two, at most half full
};

namespace detail {

/// Merge sort, stable. One function for every order; a std::sort is compiled anew for each, a dozen functions at a
/// time.
inline void sort_numbers(std::span<std::int64_t> numbers, FunctionRef<bool(std::int64_t, std::int64_t)> less) {
  const std::size_t n = numbers.size();
  std::vector<std::int64_t> merged(n, 0);
  for (std::size_t width = 1; width < n; width *= 2) {
    for (std::size_t begin = 0; begin < n; begin += 2 * width) {
      const std::size_t middle = begin + width < n ? begin + width : n, end = middle + width < n ? middle + width : n;
      for (std::size_t k = begin, left = begin, right = middle; k < end; ++k) {
        const bool take_left = left < middle && (right == end || !less(numbers[right], numbers[left]));
        merged[k] = take_left ? numbers[left++] : numbers[right++];
      }
    }
    std::memcpy(numbers.data(), merged.data(), numbers.size_bytes());
  }
}

/// 0 … n-1.
inline std::vector<std::int64_t> numbers_below(std::int64_t n) {
  std::vector<std::int64_t> numbers(std::size_t(n), 0);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = std::int64_t(i);
  return numbers;
}

}  // namespace detail
}  // namespace quern::inline QUERN_ABI
