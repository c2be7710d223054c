#!/usr/bin/env bash
# The speed of the kernels on this machine's GPU, beside PyTorch → build/bench/gpu.{json,svg}.
#
#   bench/gpu.sh               needs a GPU, nvcc, and a Python with torch (QUERN_PEERS_PYTHON names another)
#   bench/gpu.sh --rehearse    the same on the emulator with small shapes: finds mistakes, times say nothing
#
# Where a result differs from the CPU's no time is printed and the exit code is 1.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
preset=cuda small=()
[ "${1:-}" != --rehearse ] || { preset=dev && small=(--small); }
cd "$root"
cmake --preset "$preset" -D QUERN_BUILD_BENCH=ON >/dev/null
cmake --build "build/$preset" --target bench_gpu | tail -n 1
exec "${QUERN_PEERS_PYTHON:-python3}" bench/peers/gpu_torch.py --quern "build/$preset/bin/bench_gpu" --out build/bench "${small[@]}"
