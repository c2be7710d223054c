#include <quern/base/file.hpp>

#include <sys/resource.h>
#include <csignal>

#include <doctest/doctest.h>

#include "data/files.hpp"

using namespace quern;

TEST_CASE("read_file gives back every byte that atomic_write wrote, and replaces whole files") {
  const TemporaryFolder folder;
  std::string bytes;
  for (int i = 0; i < 200'000; ++i) bytes += char(i * 7);
  CHECK(read_file(folder.write("a", bytes)) == bytes);
  CHECK(read_file(folder.write("a", "short")) == "short");
  CHECK(read_file(folder.write("a", "")).empty());
  CHECK(list_folder(folder.path) == std::vector<std::string>{"a"});
}

TEST_CASE("read_file names the path and the reason") {
  const TemporaryFolder folder;
  CHECK(holds(error_of([&] { read_file(folder / "none"); }), folder / "none", "No such file"));
  CHECK(holds(error_of([&] { read_file(folder.path); }), folder.path, "is a folder"));
  const std::string path = folder.write("ten", "0123456789");
  CHECK(holds(error_of([&] { read_file(path, 9); }), path, "more than 9 bytes"));
  CHECK(read_file(path, 10).size() == 10);
  CHECK(holds(error_of([&] { list_folder(path); }), path, "Not a directory"));
  if (geteuid() != 0) {  // root may read everything
    chmod(path.c_str(), 0);
    CHECK(holds(error_of([&] { read_file(path); }), path, "Permission denied"));
  }
}

TEST_CASE("read_file reads pipes, which have no size, up to the limit") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const std::string sent(50'000, 'x');
  REQUIRE(write(ends[1], sent.data(), sent.size()) == ssize_t(sent.size()));
  close(ends[1]);
  CHECK(read_file(text_of("/dev/fd/", ends[0])) == sent);
  close(ends[0]);
  CHECK(holds(error_of([] { read_file("/dev/zero", 100'000); }), "/dev/zero", "more than 100000 bytes"));
}

TEST_CASE("a write that fails leaves the old file and nothing beside it") {
  const TemporaryFolder folder;
  const std::string path = folder.write("model", "old");
  SUBCASE("no room: the system refuses after 1000 bytes") {
    struct rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    const struct rlimit small = {1000, before.rlim_max};
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    const std::string message = error_of([&] { atomic_write(path, std::string(5000, 'n')); });
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
    CHECK(holds(message, path, "5000 bytes", "writing failed", "File too large"));
  }
  SUBCASE("the target is a folder") {
    std::filesystem::create_directory(folder / "taken");
    CHECK(holds(error_of([&] { atomic_write(folder / "taken", "new"); }), folder / "taken", "renaming failed"));
    std::filesystem::remove(folder / "taken");
  }
  SUBCASE("the folder is missing") {
    CHECK(holds(error_of([&] { atomic_write(folder / "no/model", "new"); }), folder / "no/model", "No such file"));
  }
  SUBCASE("another writer is at it") {
    const detail::Descriptor other(detail::open_locked(path + ".tmp"));
    CHECK(holds(error_of([&] { atomic_write(path, "new"); }), path, "another process is writing"));
    std::filesystem::remove(path + ".tmp");
  }
  CHECK(read_file(path) == "old");
  CHECK(list_folder(folder.path) == std::vector<std::string>{"model"});
}

TEST_CASE("what a killed writer left is taken over") {
  const TemporaryFolder folder;
  folder.write("model.tmp", "half of a longer fi");
  CHECK(read_file(folder.write("model", "new")) == "new");
  CHECK(list_folder(folder.path) == std::vector<std::string>{"model"});
}
