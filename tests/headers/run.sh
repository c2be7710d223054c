#!/usr/bin/env bash
# Every header of include/quern compiles by itself, without a warning: tests/headers/run.sh [COMPILER]
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
export compiler=${1:-g++}

alone() {
  "$compiler" -std=c++20 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I include -isystem /usr/include/eigen3 \
    -include "${1#include/}" -x c++ /dev/null || { echo "not alone under $compiler: $1" && exit 1; }
}
export -f alone

headers=$(find include -name '*.hpp' | sort)
[ -n "$headers" ] || { echo "no header found" && exit 1; }
xargs -P "$(nproc)" -I{} bash -c 'alone {}' <<<"$headers" || exit 1
echo "$(wc -l <<<"$headers") headers compile alone under $compiler"
