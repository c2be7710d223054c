#!/usr/bin/env bash
# -ffast-math would take NaN for a number and reorder sums: it must not go unnoticed.
set -uo pipefail
cd "${QUERN_SOURCE:-$(dirname "$0")/../..}" || exit
compile() { echo '#include <quern/base/config.hpp>' | "${CXX:-g++}" -std=c++20 "$@" -I include -x c++ -fsyntax-only - 2>&1; }
compile || { echo "FAILED: config.hpp does not compile" && exit 1; }
for flag in -ffast-math -Ofast; do
  said=$(compile $flag) && { echo "FAILED: $flag was taken without a word" && exit 1; }
  grep -q "compile without -ffast-math" <<<"$said" || { echo "FAILED: $flag: $said" && exit 1; }
done
echo "passed"
