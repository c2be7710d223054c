/// Each planted bug is found by the emulator itself: by its report, or by a wrong result under warp-priority schedules.
/// The two that only ASan or TSan sees are shown to be missed here; planted.sh has them found. Without bugs all is
/// well.
#include <string>

#include "kernels/emulator/sanitizers.hpp"
#include "run_planted.hpp"

#include <doctest/doctest.h>

using namespace planted;

namespace {

constexpr int seeds = 20;

struct WithSchedule {
  emulator::Schedule before = emulator::schedule();
  explicit WithSchedule(emulator::Schedule s) { emulator::set_schedule(s); }
  ~WithSchedule() { emulator::set_schedule(before); }
};

/// "right", "wrong", or what the emulator says.
template <class F>
std::string outcome(emulator::Schedule schedule, F run) {
  const WithSchedule s(schedule);
  try {
    const double error = run();
    return error < 1e-5 ? "right" : "wrong";
  } catch (const Error& e) { return e.what(); }
}

/// In how many of the seeds the outcome contains `text`.
template <class F>
int count(const std::string& text, F run) {
  int found = 0;
  for (int seed = 1; seed <= seeds; ++seed)
    found += outcome({emulator::Order::warp_priority, std::uint64_t(seed)}, run).find(text) != std::string::npos;
  return found;
}

/// All schedules give this.
template <class F>
void always(const std::string& text, F run) {
  for (const auto kind : {emulator::Order::round_robin, emulator::Order::shuffled}) {
    const std::string got = outcome({kind, 1}, run);
    CHECK_MESSAGE(got.find(text) != std::string::npos, got);
  }
  CHECK(count(text, run) == seeds);
}

}  // namespace

TEST_CASE("without a bug every schedule gives the right result") {
  always("right", run_spread<Bug::none>);
  always("right", run_reverse<Bug::none>);
  always("right", run_total<Bug::none>);
  always("right", [] { return run_product<Bug::none>(); });
  always("right", [] { return run_hopper_product<Bug::none>(); });
}

#if !defined(QUERN_TSAN)  // which would fail this program for the races that are planted here
TEST_CASE("missing barriers give wrong results under warp priorities, and may not under other schedules") {
  CHECK(outcome({}, run_spread<Bug::missing_barrier>) == "right");
  CHECK(count("wrong", run_spread<Bug::missing_barrier>) == seeds);
  CHECK(outcome({}, [] { return run_product<Bug::early_stage_reuse>(); }) == "right");
  CHECK(count("wrong", [] { return run_product<Bug::early_stage_reuse>(); }) == seeds);
  always("wrong", run_reverse<Bug::missing_syncwarp>);
}

TEST_CASE("what was never written is NaN") { always("wrong", run_spread<Bug::uninitialised_shared>); }

TEST_CASE("a wrong index of a fragment gives a wrong product") {
  always("wrong", [] { return run_product<Bug::wrong_fragment>(); });
}

TEST_CASE("a barrier that some threads do not come to is reported with threads and lines") {
  always("divergent barrier", run_spread<Bug::divergent_barrier>);
  const std::string text = outcome({}, run_spread<Bug::divergent_barrier>);
  for (const char* part : {"spread: grid (3, 1, 1), block (64, 1, 1), 16 bytes of shared memory", "in block (0, 0, 0)",
                           "56 threads: waits at __syncthreads (", "planted.cuh:", ": 0-55", "__shfl_xor_sync"})
    CHECK_MESSAGE(text.find(part) != std::string::npos, text);
}

#if !defined(QUERN_ASAN)  // which reports first
TEST_CASE("writing past the end of shared memory is reported when the block ends") {
  always("a thread wrote 0 bytes past the end of the block's shared memory", run_spread<Bug::shared_out_of_bounds>);
}
#endif

TEST_CASE("copies and products that are not waited for are reported") {
  always("2 cp.async not waited for", [] { return run_product<Bug::missing_wait>(); });
  always("wgmma not waited for", [] { return run_hopper_product<Bug::wgmma_not_waited>(); });
}

TEST_CASE("missing proxy fences are reported") {
  always("TMA store: reads shared memory that threads have written to without a fence.proxy.async",
         [] { return run_hopper_product<Bug::missing_proxy_fence>(); });
  always("TMA load: no fence.proxy.async or fence.mbarrier_init",
         [] { return run_hopper_product<Bug::missing_init_fence>(); });
}

TEST_CASE("wrong numbers of arrivals are reported") {
  CHECK(count("right", [] { return run_hopper_product<Bug::wrong_arrival_count>(); }) == 0);
  CHECK(count("right", [] { return run_hopper_product<Bug::skipped_empty_wait>(); }) == 0);
  CHECK(count("mbarrier", [] { return run_hopper_product<Bug::wrong_arrival_count>(); }) > seeds / 2);
  CHECK(count("more than 1 arrivals", [] { return run_hopper_product<Bug::skipped_empty_wait>(); }) > seeds / 2);
}

TEST_CASE("races between blocks are TSan's to find: blocks run one after another here") {
  always("right", run_total<Bug::cross_block_race>);
  always("right", run_total<Bug::missing_fence>);
}
#endif
