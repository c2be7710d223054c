#!/usr/bin/env bash
# What a user pays to compile a program with quern.hpp: at most 8 seconds of processor time and 600 MB, without a
# warning.
#
# The seconds are those of a machine on which a small program with Eigen, one float product, takes 2.0. A slower machine
# is given as much more time as it needs for that program, compiled just before: the median of five such pairs counts. On
# a faster one 8 seconds are enough, whatever the pairs say.
# To see it fail: QUERN_BUDGET_SECONDS=1 tests/compile_budget.sh, or QUERN_BUDGET_MB=100.
set -euo pipefail
cd "$(dirname "$0")/.."
source=examples/03_text_cnn.cpp
seconds_allowed=${QUERN_BUDGET_SECONDS:-8} mb_allowed=${QUERN_BUDGET_MB:-600}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/yardstick.cpp" <<'END'
#include <Eigen/Dense>
#include <cstdio>
int main(int argc, char**) {
  const Eigen::MatrixXf a = Eigen::MatrixXf::Random(100 + argc, 100), b = Eigen::MatrixXf::Random(100, 100);
  const Eigen::MatrixXf c = a * b;
  std::printf("%g\n", c.sum());
}
END

# The compiler proper is a child of g++; GNU time reports the sum of seconds and the largest of the sizes.
compile() { # compile SOURCE: sets seconds and mb
  env time -f '%U %M' -o "$folder/usage" \
    "${CXX:-g++}" -std=c++20 -O2 -Wall -Wextra -Wpedantic -Werror -I include -I /usr/include/eigen3 "$1" \
    -o "$folder/program" -pthread
  read -r seconds mb <"$folder/usage"
  mb=$((mb / 1024))
}
median() { sort -g | sed -n 3p; } # of five lines

ratios='' best_mb=1000000 best_seconds=1000000
for run in 1 2 3 4 5; do
  compile "$folder/yardstick.cpp"
  yardstick=$seconds
  compile "$source"
  ratio=$(awk "BEGIN { printf \"%.2f\", $seconds / $yardstick }")
  echo "run $run: $yardstick user seconds for the yardstick, $seconds and $mb MB for $source: $ratio times as long"
  ratios+=$ratio$'\n'
  best_seconds=$(printf '%s\n' "$best_seconds" "$seconds" | sort -g | head -n 1)
  ((mb >= best_mb)) || best_mb=$mb
done
ratio=$(printf %s "$ratios" | median)
most=$(awk "BEGIN { print $seconds_allowed / 2.0 }")
echo "$ratio times as long as the yardstick (median of five; $most are allowed, or $seconds_allowed s, and $mb_allowed MB)"
awk "BEGIN { exit !(($ratio <= $most || $best_seconds <= $seconds_allowed) && $best_mb <= $mb_allowed) }" ||
  { echo "over the compile budget" && exit 1; }
