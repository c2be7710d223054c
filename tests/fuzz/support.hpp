/// What the targets of the fuzzers share: properties, files in memory, choices.
///
///   fuzz::expect(a == b, "csv: written and read again it is the same");
///   if (const auto read = accepted([&] { return read_safetensors(path); })) …
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include <quern/base/error.hpp>
#include <quern/base/file.hpp>

namespace fuzz {

using namespace quern;

/// A property does not hold: what the fuzzer is to find.
struct Broken : std::logic_error {
  using std::logic_error::logic_error;
};
inline void expect(bool ok, const char* property) {
  if (!ok) throw Broken(property);
}

/// A file in memory, for readers that take a path.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes) : fd_(::memfd_create("fuzz", 0)) {
    expect(fd_ >= 0 && ::write(fd_, bytes.data(), bytes.size()) == ssize_t(bytes.size()), "memfd");
  }
  MemoryFile(const MemoryFile&) = delete;
  ~MemoryFile() { ::close(fd_); }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

/// A folder for what must have names, in memory where the system has such a place; removed at the end.
struct Folder {
  std::string path;
  Folder() {
    std::string name = (is_folder("/dev/shm") ? "/dev/shm" : "/tmp") + std::string("/quern-fuzz-XXXXXX");
    expect(::mkdtemp(name.data()) != nullptr, "mkdtemp");
    path = name;
  }
  Folder(const Folder&) = delete;
  ~Folder() {
    for (const auto& file : list_folder(path)) ::unlink((path + "/" + file).c_str());
    ::rmdir(path.c_str());
  }
};

/// What `read` gives, or nothing where it throws Error. Any other exception goes on to the fuzzer.
template <class Read>
auto accepted(Read&& read) -> std::optional<decltype(read())> {
  try {
    return read();
  } catch (const Error&) { return {}; }
}

/// The first byte chooses among variants, the rest is the file.
inline std::size_t take_choice(std::string_view& bytes) {
  if (bytes.empty()) return 0;
  const auto choice = static_cast<unsigned char>(bytes.front());
  bytes.remove_prefix(1);
  return choice;
}

}  // namespace fuzz
