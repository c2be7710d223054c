#include <cerrno>
#include <cstdio>
#include <cstring>

#include <quern/base/parallel_for.hpp>

#include "commands.hpp"

std::atomic<bool> stop_asked = false;

namespace {
[[noreturn]] void writing_failed() {
  if (errno == EPIPE) throw BrokenPipe{};
  const int error = errno;
  std::clearerr(stdout);
  quern::throw_error(quern::text_of("standard output: writing failed: ", std::strerror(error)));
}
}  // namespace

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) writing_failed();
}

void flush_output() {
  if (std::fflush(stdout) != 0) writing_failed();
}

void say(const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); }
void say_all(const std::vector<std::string>& lines) {
  for (const auto& line : lines) say(line);
}

std::string dashed(std::string name) {
  for (char& c : name)
    if (c == '_') c = '-';
  return name;
}

void use_threads(std::int64_t threads) {
  if (threads == 0) return;
  if (threads < 0 || threads > 1024)
    throw UsageError(quern::text_of("--threads: expected 1 to 1024, or 0 for one a core, got ", threads));
  quern::set_threads(int(threads));
}
