/// What tests of readers and writers need: a folder that goes away with its test, and the message of an error.
#pragma once
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include <quern/base/file.hpp>

namespace {

/// A new empty folder; it and its content are removed at the end of the scope.
struct TemporaryFolder {
  std::string path;

  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "quern-test-XXXXXX").string();
    if (!mkdtemp(name.data())) throw quern::Error("no temporary folder");
    path = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path); }

  std::string operator/(std::string_view name) const { return path + "/" + std::string(name); }
  /// Writes a file and gives its path.
  std::string write(std::string_view name, std::string_view bytes) const {
    quern::atomic_write(*this / name, bytes);
    return *this / name;
  }
};

/// The message of the Expected that `f` throws; other exceptions pass, and none at all gives "nothing was thrown".
template <class Expected = quern::Error, class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const Expected& e) { return e.what(); }
  return "nothing was thrown";
}

/// Whether `text` holds every part.
bool holds(std::string_view text, auto... parts) { return ((text.find(parts) != std::string_view::npos) && ...); }

/// The folder of the public data sets, or "" when it is not given.
[[maybe_unused]] std::string data_sets() {
  const char* folder = std::getenv("QUERN_DATA");
  return folder ? folder : "";
}

}  // namespace
