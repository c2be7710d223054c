/// One kernel of planted.cuh under one schedule, for planted.sh: `planted_program BUG [SCHEDULE]`, where BUG may also
/// be "none", which runs them all as they should be. Prints each result's error, or what the emulator found.
#include <cstdio>
#include <cstring>
#include <exception>

#include "run_planted.hpp"

using namespace planted;

int main(int argc, char** argv) {
  const char* wanted = argc > 1 ? argv[1] : "none";
  if (argc > 2) emulator::set_schedule(emulator::schedule_of(argv[2]));
  int found = 0;
  const auto run = [&](const char* bug, const char* kernel, double (*f)()) {
    if (std::strcmp(bug, wanted) != 0) return;
    ++found;
    try {
      std::printf("%s of %s: error %.1e\n", bug, kernel, f());
    } catch (const std::exception& e) { std::printf("%s of %s: the emulator reports: %s\n", bug, kernel, e.what()); }
  };
#define RUN(kernel, bug) run(#bug, #kernel, [] { return run_##kernel<Bug::bug>(); })
  RUN(spread, none);
  RUN(reverse, none);
  RUN(total, none);
  run("none", "product", [] { return run_product<Bug::none>(32, 32, 96); });
  run("none", "hopper_product", [] { return run_hopper_product<Bug::none>(64, 64, 192); });
  RUN(spread, missing_barrier);
  RUN(spread, uninitialised_shared);
  RUN(spread, shared_out_of_bounds);
  RUN(spread, global_out_of_bounds);
  RUN(spread, divergent_barrier);
  RUN(reverse, missing_syncwarp);
  RUN(total, cross_block_race);
  RUN(total, missing_fence);
  RUN(product, missing_wait);
  RUN(product, early_stage_reuse);
  RUN(product, wrong_fragment);
  RUN(hopper_product, missing_proxy_fence);
  RUN(hopper_product, missing_init_fence);
  RUN(hopper_product, wrong_arrival_count);
  RUN(hopper_product, skipped_empty_wait);
  RUN(hopper_product, wgmma_not_waited);
  if (!found) std::fprintf(stderr, "no such bug: %s\n", wanted);
  return found ? 0 : 2;
}
