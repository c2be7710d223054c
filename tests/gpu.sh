#!/usr/bin/env bash
# Everything that wants a GPU, in one go of under 10 minutes on one H200: the tests on the device, compute-sanitizer,
# golden vectors of the PTX wrappers, and the benchmarks. Results go to build/gpu (or $OUT).
#
#   tests/gpu.sh               on a machine with a GPU and nvcc; without one it says so and exits with 77
#   tests/gpu.sh --rehearse    the same steps against the emulator, on any machine
#
# Steps go on after a failure, so that no time on the machine is lost; the last line counts them.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
device=cuda preset=cuda rehearse=
if [ "${1:-}" = --rehearse ]; then
  rehearse=1 device=emulated preset=dev
elif ! nvidia-smi -L >/dev/null 2>&1 || ! command -v nvcc >/dev/null; then
  echo "skipped: this machine has no GPU, or no nvcc (tests/gpu.sh --rehearse needs neither)"
  exit 77
fi
out=${OUT:-$PWD/build/gpu}
mkdir -p "$out"
jobs=$(nproc) passed=0 failed=0 times=()
export device preset rehearse out jobs

step() { # step NAME SECONDS COMMAND…: its output goes to a file, of which the end is shown when it fails
  local name=$1 limit=$2 start=$SECONDS status
  shift 2
  printf '== %s\n' "$name"
  timeout "$limit" bash -c "$(declare -f)"'; "$@"' "$name" "$@" >"$out/$name.log" 2>&1 # which knows the functions below
  status=$?
  if [ $status = 0 ]; then
    passed=$((passed + 1)) && tail -n 3 "$out/$name.log"
  else
    failed=$((failed + 1)) && echo "FAILED ($status): $name" && tail -n 25 "$out/$name.log"
  fi
  times+=("$(printf '%5d s  %s' $((SECONDS - start)) "$name")")
}

configure_and_build() {
  local target=(-D QUERN_BUILD_BENCH=ON)
  if [ -z "$rehearse" ]; then # for this GPU alone, which takes a fifth of the time
    target+=(-D "QUERN_CUDA_ARCHITECTURES=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d . | sed 's/^90$/90a/')-real")
  fi
  cmake --preset "$preset" "${target[@]}" && cmake --build --preset "$preset" --parallel "$jobs" --target \
    tests_on_device bench_gpu quern
}

on_device() { ctest --test-dir "build/$preset" -L "$device" --parallel 4 --output-on-failure; }

sanitized() { # sanitized TOOL SECONDS: file by file, those that share most first, as far as the time goes
  local tool=$1 until=$(($(date +%s) + $2)) file status worst=0 done=0
  for file in kernels/{matmul,layer_norm,softmax,embedding,transpose,conv1d_relu_max_over_time,parameters,gelu,dropout} \
    loss/{cross_entropy,focal_loss,info_nce} ops/{layer_norm_residual,sum,max_over_time,mean_over_time,concat,slice,conv1d,linear}; do
    [ "$(date +%s)" -lt $until ] || { echo "the time was up before $file" && break; }
    compute-sanitizer --tool "$tool" --error-exitcode 9 "build/$preset/bin/test_${file%%/*}_$device" --source-file="*tests/$file.cpp"
    status=$?
    done=$((done + 1))
    [ $status = 0 ] || [ $status = 77 ] || { echo "FAILED ($status): $file" && worst=$status; } # 77: a test was skipped
  done
  echo "$tool: $done files"
  return $worst
}

goldens() { QUERN_RECORD_GOLDENS=$out/goldens "build/$preset/bin/test_kernels_$device" --source-file='*goldens*'; }

step build 420 configure_and_build
step tests 240 on_device
step goldens 60 goldens
if [ -n "$rehearse" ]; then
  step bench 240 bench/gpu.sh --rehearse
else
  nvidia-smi >"$out/nvidia-smi.log"
  step bench 240 bench/gpu.sh
  tools=(memcheck racecheck initcheck synccheck)
  for i in "${!tools[@]}"; do # what is left of ten minutes, in equal parts, but 20 seconds at least
    share=$(((580 - SECONDS) / (${#tools[@]} - i)))
    [ $share -ge 20 ] || share=20
    step "${tools[i]}" $((share + 60)) sanitized "${tools[i]}" $share
  done
fi
cp build/bench/gpu.json build/bench/gpu.svg "$out" 2>/dev/null

printf '%s\n' "${times[@]}"
printf '%d passed, %d failed\n' $passed $failed
[ $failed = 0 ]
