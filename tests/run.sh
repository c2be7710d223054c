#!/usr/bin/env bash
# The tests. Installs what is missing, builds, runs, and ends with one line: N passed, N failed, N skipped.
#
#   tests/run.sh         the tests under g++ (at most 15 minutes on two cores)
#   tests/run.sh --all   also every op on the emulated GPU, sanitizers under clang++, every header alone, consumers,
#                        compile budget, fuzzing (at most 60 minutes)
#
# Tests on real data sets read the folder $QUERN_DATA and are skipped where it is not set.
set -uo pipefail
if [ -n "${QUERN_DATA:-}" ]; then
  QUERN_DATA=$(cd "$QUERN_DATA" && pwd) || exit 2
  export QUERN_DATA
fi
cd "$(dirname "$0")/.." || exit
. examples/install.sh
[ $# = 0 ] || [ "$*" = --all ] || { echo "usage: tests/run.sh [--all]" >&2 && exit 2; }
all=${1:-}

passed=0 failed=0 skipped=0 times=()

count() { # count passed|failed|skipped NUMBER
  printf -v "$1" %d $(($1 + ${2:-0}))
}

part() { # part NAME COMMAND…: runs a part that does not go through ctest; it counts as one test
  local name=$1 start=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  "$@"
  case $? in
    0) count passed 1 ;;
    77) count skipped 1 ;;
    *) count failed 1 && echo "FAILED: $name" ;;
  esac
  times+=("$(printf '%5d s  %s' $((SECONDS - start)) "$name")")
}

# Builds a preset and adds up what its ctest says: `tests PRESET [ctest's arguments]`.
tests() {
  local preset=$1 start=$SECONDS report=build/$1/ctest.xml before=$failed status=1 compiler=$CXX
  [ "$preset" = dev ] || compiler=clang++
  shift
  printf '\n== tests, preset %s\n' "$preset"
  rm -f "$report"
  if cmake --preset "$preset" -D CMAKE_CXX_COMPILER="$compiler" -D QUERN_FEW_DEVICE_TESTS="$few" >build/configure.log &&
    cmake --build --preset "$preset" --parallel "$jobs"; then
    "${run_as[@]}" ctest --preset "$preset" --parallel "$jobs" --output-junit ctest.xml "$@"
    status=$?
  fi
  [ -s "$report" ] && read_report "$report"
  if [ $status != 0 ] && [ "$failed" = "$before" ]; then
    echo "FAILED: preset $preset was not built, or ctest itself failed" && count failed 1
  fi
  times+=("$(printf '%5d s  tests, preset %s' $((SECONDS - start)) "$preset")")
}

read_report() {
  local total failures skips
  total=$(sed -n 's/^[[:space:]]*tests="\([0-9]*\)".*/\1/p' "$1" | head -n 1)
  failures=$(sed -n 's/^[[:space:]]*failures="\([0-9]*\)".*/\1/p' "$1" | head -n 1)
  skips=$(sed -n 's/^[[:space:]]*skipped="\([0-9]*\)".*/\1/p' "$1" | head -n 1)
  if [ "${total:-0}" = 0 ]; then
    echo "FAILED: ctest ran no test" && count failed 1
    return
  fi
  sed -n 's/^.*MESSAGE: \(skipped: .*\)$/\1/p' "$1" | sort | uniq -c # the reasons
  count failed "$failures" && count skipped "$skips" && count passed $((total - failures - skips))
}

# Under some kernels the thread sanitizer only starts without address space randomisation.
without_randomised_addresses() {
  echo 'int main() {}' | clang++ -fsanitize=thread -x c++ - -o build/tsan_probe
  if ! build/tsan_probe >/dev/null 2>&1; then run_as=(setarch "$(uname -m)" -R); fi
}

jobs=$(nproc)
few=ON # every op for the CPU, of the GPU's emulator the kernels' own tests
[ "$all" != --all ] || few=OFF
run_as=()
mkdir -p build
install_missing "$all" || exit 1
[ -n "${QUERN_DATA:-}" ] || echo "QUERN_DATA is not set: tests on real data sets are skipped."

tests dev
if [ "$all" = --all ]; then
  tests asan
  without_randomised_addresses
  tests tsan
  run_as=()
  part "every header alone, every benchmark" tests/headers/run.sh clang++
  part "consumers" tests/consumer/run.sh
  part "compile budget" tests/compile_budget.sh
  part "fuzzing the readers" tests/fuzz/run.sh 10
fi

printf '\n'
printf '%s\n' "${times[@]}"
printf '%5d s  in all\n\n' $SECONDS
printf '%d passed, %d failed, %d skipped\n' $passed $failed $skipped
[ $failed = 0 ] && [ $passed != 0 ]
