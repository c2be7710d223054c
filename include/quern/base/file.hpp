/// Whole files in and out, with errors that name the path and the reason.
///
///   std::string bytes = read_file("reviews.csv");
///   atomic_write("model/vocabulary.txt", bytes);    // the old file or the new one, never half of it
///   for (const std::string& name : list_folder("mr")) …
///
/// POSIX calls only: they report why something failed, and they can flush a rename to the disk.
#pragma once
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <quern/base/error.hpp>

namespace quern::inline QUERN_ABI {
namespace detail {

/// Closes the descriptor when the scope ends, on the way of an exception too.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

[[gnu::cold]] inline std::string reason(int error) { return std::strerror(error); }

[[gnu::cold]] inline std::string folder_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace detail

[[gnu::cold]] inline bool is_folder(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

/// All bytes of a file (or of a pipe). Errors: missing, unreadable, a folder, more than `limit` bytes (default 16 GiB).
[[gnu::cold]] inline std::string read_file(const std::string& path, std::size_t limit = std::size_t(1) << 34) {
  const detail::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  check(file.get() >= 0, path, ": cannot be opened for reading: ", detail::reason(errno));
  struct stat info;
  check(::fstat(file.get(), &info) == 0, path, ": cannot be read: ", detail::reason(errno));
  check(!S_ISDIR(info.st_mode), path, ": is a folder where a file is expected; give the path of a file in it");
  if (S_ISCHR(info.st_mode) && limit > std::size_t(1) << 30) limit = std::size_t(1) << 30;  // /dev/zero has no end
  const auto too_long = [&] { return text_of(path, ": holds more than ", limit, " bytes, the limit for this file"); };
  if (S_ISREG(info.st_mode) && std::uintmax_t(info.st_size) > limit) throw_error(too_long());
  std::string bytes(S_ISREG(info.st_mode) ? std::size_t(info.st_size) : 0, '\0');
  std::size_t filled = 0;
  for (;;) {
    if (filled == bytes.size()) {  // a file may grow while it is read and a pipe has no size: look for more
      if (filled > limit) throw_error(too_long());
      char more[1 << 16];
      const ssize_t n = ::read(file.get(), more, sizeof more);
      check(n >= 0 || errno == EINTR, path, ": reading failed after ", filled, " bytes: ", detail::reason(errno));
      if (n == 0) return bytes;
      if (n > 0) bytes.append(more, std::size_t(n)), filled = bytes.size();
      continue;
    }
    const ssize_t n = ::read(file.get(), bytes.data() + filled, bytes.size() - filled);
    check(n >= 0 || errno == EINTR, path, ": reading failed after ", filled, " bytes: ", detail::reason(errno));
    if (n == 0) bytes.resize(filled);  // the file shrank
    if (n > 0) filled += std::size_t(n);
  }
}

/// The names in a folder, sorted by bytes, without "." and "..".
[[gnu::cold]] inline std::vector<std::string> list_folder(const std::string& path) {
  dirent** entries = nullptr;
  const auto by_bytes = [](const dirent** a, const dirent** b) { return std::strcmp((*a)->d_name, (*b)->d_name); };
  const int count = ::scandir(path.c_str(), &entries, nullptr, by_bytes);
  check(count >= 0, path, ": the folder cannot be opened: ", detail::reason(errno));
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) {
    const std::string_view name = entries[i]->d_name;
    if (name != "." && name != "..") names.push_back(std::string(name));
    std::free(entries[i]);
  }
  std::free(entries);
  return names;
}

namespace detail {

/// Opens and locks `path`. The lock keeps a second writer of the same file out; a file left by a killed process
/// carries no lock and is taken over, so such files do not pile up.
[[gnu::cold]] inline int open_locked(const std::string& path) {
  for (;;) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    check(fd >= 0, path, ": cannot be created: ", reason(errno));
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      ::close(fd);
      throw_error(text_of(path, ": another process is writing this file now"));
    }
    struct stat mine, named;
    if (::fstat(fd, &mine) == 0 && ::stat(path.c_str(), &named) == 0 && mine.st_ino == named.st_ino) return fd;
    ::close(fd);  // the other writer renamed it between our open and our lock: begin again
  }
}

inline const char* write_and_flush(int fd, std::string_view bytes) {
  if (::ftruncate(fd, 0) != 0) return "cutting the old content";
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno != EINTR) return "writing";
    if (n > 0) bytes.remove_prefix(std::size_t(n));
  }
  return ::fsync(fd) != 0 ? "flushing to the disk" : nullptr;
}

}  // namespace detail

/// Writes `bytes` to `path` so that a reader, a crash or a full disk meets the old file or the new one: a file
/// `path`.tmp beside it, fsync, rename, fsync of the folder. Throws Error with the path and the reason; then the old
/// file is as it was and nothing is left beside it.
[[gnu::cold]] inline void atomic_write(const std::string& path, std::string_view bytes) {
  const std::string beside = path + ".tmp";
  const detail::Descriptor file(detail::open_locked(beside));
  const char* failed = detail::write_and_flush(file.get(), bytes);
  if (!failed && ::rename(beside.c_str(), path.c_str()) != 0) failed = "renaming";
  if (failed) {
    const int error = errno;
    ::unlink(beside.c_str());
    throw_error(
        text_of(path, ": not written (", bytes.size(), " bytes): ", failed, " failed: ", detail::reason(error)));
  }
  const detail::Descriptor folder(::open(detail::folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Some file systems cannot flush a folder; the file itself is complete either way.
  if (folder.get() >= 0) ::fsync(folder.get());
}

}  // namespace quern::inline QUERN_ABI
