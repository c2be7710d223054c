/// The GPU's benchmarks, one function a file; each prints lines of JSON. `small`: shapes for a rehearsal on the
/// emulator.
#pragma once
#include "gpu/report.hpp"
#include "gpu/timer.hpp"

namespace bench {

void memory_bound(Report& report, bool small);
void matrix_products(Report& report, bool small);
void text_cnn(Report& report, bool small);

}  // namespace bench
