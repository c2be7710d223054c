#!/usr/bin/env bash
# The planted bugs of planted.cuh that ASan and TSan find, and that they find nothing in the kernels without bugs. A run
# counts only when its kernels have come to their results: a sanitizer's own death is no "no report".
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "${QUERN_SOURCE:-$here/../..}"
cxx=${CXX:-g++}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
type -P "$cxx" >/dev/null || { echo "skipped: there is no $cxx" && exit 77; }
echo '#include <boost/context/detail/fcontext.hpp>' | "$cxx" -x c++ -fsyntax-only - 2>/dev/null ||
  { echo "skipped: Boost.Context is not installed" && exit 77; }

build() { # build NAME FLAG…
  local name=$1 source objects=()
  shift
  for source in kernels/emulator/*.cpp tests/kernels/planted_program.cc; do
    objects+=("$work/$name.$(basename "$source").o")
    "$cxx" -std=c++20 -O1 -g -fno-omit-frame-pointer "$@" -DQUERN_CUDA -I include -I . -c "$source" -o "${objects[-1]}"
  done
  "$cxx" "$@" "${objects[@]}" -lboost_context -pthread -o "$work/$name"
}

failed=0
run() { # run PROGRAM BUG SCHEDULE: into $work/log
  "${run_as[@]}" timeout 120 "$work/$1" "$2" "$3" >"$work/log" 2>&1 || true
}
expect() { # expect PROGRAM BUG KERNEL TEXT…: each in the report
  local program=$1 bug=$2 kernel=$3 text
  shift 3
  run "$program" "$bug" round_robin
  for text in "planted::$kernel" "$@"; do
    grep -qF -- "$text" "$work/log" && continue
    echo "FAILED: $program does not report '$text' for $bug" && head -n 30 "$work/log"
    failed=1
    return
  done
  echo "$program reports $bug: $1"
}
nothing() { # nothing PROGRAM: all kernels without bugs, under a few schedules
  local schedule
  for schedule in round_robin shuffled:1 pct:1 pct:2 pct:3; do
    run "$1" none "$schedule"
    if grep -q "Sanitizer\|runtime error" "$work/log" || [ "$(grep -c '^none of .*: error [0-9.]*e-0[6-9]$\|^none of .*: error 0' "$work/log")" != 5 ]; then
      echo "FAILED: $1 under $schedule, kernels without bugs" && head -n 40 "$work/log"
      failed=1
      return
    fi
  done
  echo "$1 reports nothing for the five kernels without bugs"
}

run_as=()
if echo 'int main() {}' | "$cxx" -fsanitize=address,undefined -x c++ - -o "$work/probe" 2>/dev/null && "$work/probe"; then
  build asan -fsanitize=address,undefined -fno-sanitize-recover=all
  nothing asan
  expect asan global_out_of_bounds spread "heap-buffer-overflow" "planted.cuh:"
  expect asan shared_out_of_bounds sum_of_block "use-after-poison" "planted.cuh:"
else
  echo "skipped: $cxx has no address sanitizer" && skipped=1
fi

if echo 'int main() {}' | "$cxx" -fsanitize=thread -x c++ - -o "$work/probe" 2>/dev/null; then
  # Under some kernels the thread sanitizer only starts without address space randomisation.
  "$work/probe" 2>/dev/null || run_as=(setarch "$(uname -m)" -R)
  "${run_as[@]}" "$work/probe" || { echo "skipped: the thread sanitizer does not start here" && exit 77; }
  # g++ would replace memcpy by loads and stores that TSan does not see.
  build tsan -fsanitize=thread -fno-builtin-memcpy -fno-builtin-memset
  nothing tsan
  expect tsan missing_barrier sum_of_block "data race"
  expect tsan missing_syncwarp reverse "data race"
  expect tsan early_stage_reuse product "data race" "ldmatrix" "cp_async"
  expect tsan cross_block_race total "data race"
  expect tsan missing_fence total "data race"
else
  echo "skipped: $cxx has no thread sanitizer" && skipped=1
fi
[ $failed = 0 ] || exit 1
[ -z "${skipped:-}" ] || exit 77
