/// A hash of 64 bits (FNV-1a, Fowler, Noll & Vo): against mistakes, not against attacks.
///
///   Fingerprint print;
///   print.add("first"), print.add<std::int32_t>(labels);
///   print.text();                                       // "a1b2…": 16 hexadecimal digits
#pragma once
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include <quern/base/config.hpp>

namespace quern::inline QUERN_ABI {

class Fingerprint {
 public:
  void add(std::string_view bytes) {
    for (const char c : bytes) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    const std::uint64_t size = bytes.size();  // so that "ab", "c" and "a", "bc" differ
    for (int i = 0; i < 64; i += 8) hash_ = (hash_ ^ (size >> i & 0xff)) * 0x100000001b3u;
  }
  template <class T>
  void add(std::span<const T> values) {
    static_assert(std::is_integral_v<T>);
    add(std::string_view(reinterpret_cast<const char*>(values.data()), values.size_bytes()));
  }
  /// 16 hexadecimal digits.
  std::string text() const {
    char digits[20];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash_));
    return digits;
  }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325u;
};

}  // namespace quern::inline QUERN_ABI
