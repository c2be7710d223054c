/// Each mistake in examples/exercises is found by the checker, with the layer and the right number; the solutions are
/// not.
#include <doctest/doctest.h>

#include "solutions.hpp"

namespace {

/// "here.weight" or more: the weights a verdict is about.
std::string wrong_in(const exercise::Verdict& v) {
  std::string names;
  for (const auto& p : v.report.parameters)
    if (!p.ok) names += p.name + " ";
  return names;
}

}  // namespace

TEST_CASE("every planted mistake is found, in the layer that it spoils") {
  const auto verdicts = exercise::check_exercises();
  REQUIRE(verdicts.size() == 6);
  const char* expected[] = {"here.weight ",  "here.weight ",  "below.weight ",
                            "below.weight ", "below.weight ", "below.weight "};
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK_MESSAGE(wrong_in(verdicts[i]) == expected[i], verdicts[i].file);
    CHECK(verdicts[i].report.largest_error() > 0.1);
    CHECK(verdicts[i].report.value_agrees);
  }
  CHECK(text_of(verdicts[0]) ==
        "1_subtract.hpp: WRONG\n  below.weight  agrees\n  here.weight   is off by 200 %; element 11: backward says "
        "4.431, the difference quotient -4.431\n  above.weight  agrees\n");
}

TEST_CASE("the solutions are correct") {
  for (const auto& v : exercise::check_exercises(solution::ops)) CHECK_MESSAGE(v.report.ok(), text_of(v));
}
