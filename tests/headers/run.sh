#!/usr/bin/env bash
# Every header of include/quern compiles by itself, and every benchmark, without a warning: tests/headers/run.sh [COMPILER]
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
export compiler=${1:-g++}

alone() {
  "$compiler" -std=c++20 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I include -I bench -isystem /usr/include/eigen3 \
    -include "$PWD/$1" -x c++ /dev/null || { echo "not alone under $compiler: $1" && exit 1; }
}
export -f alone

files=$(find include -name '*.hpp' | sort && find bench -name '*.cpp' | sort)
[ -n "$files" ] || { echo "no header found" && exit 1; }
xargs -P "$(nproc)" -I{} bash -c 'alone {}' <<<"$files" || exit 1
echo "$(grep -c hpp <<<"$files") headers and $(grep -c cpp <<<"$files") benchmarks compile alone under $compiler"
