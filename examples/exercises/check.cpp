// Each of the six ops beside this file has one mistake in its backward. The program says which weight of which layer
// gets a wrong gradient, and how wrong; repair the ops until it says "correct" six times. README.md has hints.
//
//   g++ -std=c++20 -O1 -I include examples/exercises/check.cpp -o check -pthread && ./check
#include "1_subtract.hpp"
#include "2_bias.hpp"
#include "3_linear.hpp"
#include "4_relu.hpp"
#include "5_mean_square.hpp"
#include "6_normalise.hpp"
#include "verdicts.hpp"

int main() {
  int wrong = 0;
  for (const auto& verdict : exercise::check_exercises()) {
    std::fputs(text_of(verdict).c_str(), stdout);
    wrong += !verdict.report.ok();
  }
  std::printf("%d of 6 are still wrong\n", wrong);
  return wrong != 0;
}
