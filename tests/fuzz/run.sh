#!/usr/bin/env bash
# Fuzzes the readers of files with libFuzzer under the address and undefined-behaviour sanitizers, each target for a
# bounded time, from the kept corpus. Exit code 77 where clang++ has no libFuzzer.
#
#   tests/fuzz/run.sh                   all targets, 20 s each
#   tests/fuzz/run.sh 300 csv jsonl     two of them, 300 s each
#   tests/fuzz/run.sh merge             adds to the corpus what reached something new in build/fuzz (small files alone)
#
# What breaks a property is left as build/fuzz/<target>-crash-…; put it into tests/fuzz/corpus/<target>/ once it is mended.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
build=build/fuzz corpus=tests/fuzz/corpus
merge=0 seconds=20
[ "${1:-}" = merge ] && merge=1 && shift
case ${1:-} in [0-9]*) seconds=$1 && shift ;; esac
targets=("$@")
[ ${#targets[@]} != 0 ] || mapfile -t targets < <(ls "$corpus")
clang=${CLANGXX:-clang++}
mkdir -p "$build"

echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' >"$build/probe.cc"
if ! "$clang" -fsanitize=fuzzer,address,undefined "$build/probe.cc" -o "$build/probe" 2>"$build/probe.log"; then
  echo "skipped: $clang has no libFuzzer"
  exit 77
fi
"$clang" -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -DQUERN_POISON \
  -I include -isystem /usr/include/eigen3 tests/fuzz/fuzzer.cc -o "$build/fuzzer" -pthread -lutf8proc || exit 1

failed=0
for target in "${targets[@]}"; do
  seeds=$corpus/$target found=$build/corpus/$target
  mkdir -p "$found"
  [ -d "$seeds" ] || { echo "no corpus $seeds" && exit 2; }
  if [ $merge = 1 ]; then
    QUERN_FUZZ=$target "$build/fuzzer" -merge=1 -max_len=400 "$seeds" "$found" 2>&1 | tail -n 1
    continue
  fi
  log=$build/$target.log
  QUERN_FUZZ=$target "$build/fuzzer" -max_total_time="$seconds" -max_len=2048 -timeout=10 -rss_limit_mb=2048 \
    -print_final_stats=1 -dict=tests/fuzz/dictionary -artifact_prefix="$build/$target-" "$found" "$seeds" >"$log" 2>&1
  status=$?
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  reached=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
  printf '%-12s %9s executions in %s s, %s places reached\n' "$target" "${runs:-?}" "$seconds" "${reached:-?}"
  if [ $status != 0 ]; then
    failed=1
    echo "FAILED: $target; the input is in $build/$target-*, the report in $log:"
    grep -E "ERROR|what\(\)|Test unit written|runtime error" "$log" | head -n 8
  fi
done
exit $failed
