#include <doctest/doctest.h>

#include <data/files.hpp>
#include <quern/train/progress.hpp>

using namespace quern;

namespace {

/// What `f` writes to stderr.
template <class F>
std::string stderr_of(const TemporaryFolder& folder, F&& f) {
  std::fflush(stderr);
  const int before = ::dup(2), file = ::open((folder / "stderr").c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
  ::dup2(file, 2);
  f();
  std::fflush(stderr);
  ::dup2(before, 2), ::close(before), ::close(file);
  return read_file(folder / "stderr");
}

}  // namespace

TEST_CASE("progress: the bar says where, how good, how fast and how long") {
  CHECK(Progress::bar_text({2, 20, 77, 192, 0.4312, 3850}, 5210.4, 12) ==
        "epoch 2/20 [########------------] 77/192  loss 0.4312  5210 texts/s  0:12 left");
  CHECK(holds(Progress::bar_text({1, 1, 0, 5, 0, 0}, 0, 0), "[--------------------] 0/5"));
  CHECK(holds(Progress::bar_text({1, 1, 5, 5, 0, 0}, 0, 0), "[####################] 5/5"));
  CHECK(clock_text(185.4) == "3:05");
  CHECK(clock_text(5025) == "1:23:45");
  CHECK(clock_text(-1) == "0:00");
}

TEST_CASE("progress: a bar on a terminal, lines elsewhere, nothing when silent") {
  const TemporaryFolder folder;
  const auto written = [&](Progress::Form form) {
    return stderr_of(folder, [&] {
      Progress p(form);
      p.update({1, 2, 3, 10, 0.5, 30});
      p.update({1, 2, 4, 10, 0.5, 40});  // too soon to be drawn
      p.update({1, 2, 10, 10, 0.5, 100});
      p.line("epoch 1/2");
    });
  };
  const std::string bar = written(Progress::Form::bar);
  CHECK(holds(bar, "\repoch 1/2 [######", " 3/10", " 10/10", "\r\x1b[Kepoch 1/2\n"));
  CHECK(!holds(bar, " 4/10"));
  CHECK(written(Progress::Form::lines) == "epoch 1/2\n");
  CHECK(written(Progress::Form::silent) == "");
}
