#!/usr/bin/env bash
# nvcc compiles every kernel for sm_80, 86, 89, 90a and PTX without a warning, a spilled register or an ignored setmaxnreg;
# machine code shows the instructions that the wrappers promise; NVRTC compiles every kernel header by itself.
# Without nvcc it says so and exits with 77. QUERN_NVCC_FILES="kernels/relu.cu …" takes these alone, QUERN_NVCC_TARGETS="80"
# compiles for this GPU alone; ccache, where it is installed, makes a second run short.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "${QUERN_SOURCE:-$here/../..}" || exit
type -P nvcc >/dev/null || { echo "skipped: nvcc is not on the path" && exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
fail() { echo "FAILED: $*" && failed=1; }

# Instantiations that may spill, as a pattern of their mangled names. None.
may_spill='^$'

# No kernel asks for more than sm_80 but for sm_90a's own: the others' machine code is made of the same PTX, in less time.
targets=() of_the_same=compute_80
for target in ${QUERN_NVCC_TARGETS:-80 86 89 90a}; do
  case $target in
    90a) targets+=(-gencode arch=compute_90a,code=sm_90a) ;;
    *) of_the_same+=,sm_$target ;;
  esac
done
targets+=(-gencode "arch=compute_80,code=[$of_the_same]")
ccache=() && type -P ccache >/dev/null && ccache=(ccache)
compile() { # compile SOURCE OBJECT: its warnings and ptxas' remarks into OBJECT.log
  "${ccache[@]}" nvcc -std=c++20 "${targets[@]}" -Werror all-warnings -Xptxas -v -DQUERN_CUDA -I include -I . -x cu -c "$1" -o "$2" >"$2.log" 2>&1
}

# The wrappers, in kernels that use them all.
cat >"$work/wrappers.cu" <<'CODE'
#include "tests/kernels/planted.cuh"
using namespace planted;
template __global__ void planted::product<Bug::none>(const bf16*, const bf16*, float*, int, int);
template __global__ void planted::hopper_product<Bug::none>(const __grid_constant__ TensorMap, const __grid_constant__ TensorMap,
                                                                const __grid_constant__ TensorMap, int);
__global__ void __launch_bounds__(384, 1) registers(float* x) {
  if (threadIdx.x < 128) {
    give_registers_back<24>();
  } else {
    take_registers<240>();
    x[threadIdx.x] *= 2;
  }
}
CODE
IFS=' ' read -ra sources <<<"${QUERN_NVCC_FILES:-$(echo kernels/*.cu)}"
pids=() names=()
for source in "$work/wrappers.cu" "${sources[@]}"; do
  while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n; done
  name=$(basename "$source" .cu)
  compile "$source" "$work/$name.o" &
  pids+=($!) names+=("$name")
done
for i in "${!pids[@]}"; do
  name=${names[i]} log=$work/${names[i]}.o.log
  if ! wait "${pids[i]}"; then
    fail "nvcc, $name" && grep -v '^ptxas info' "$log" | head -n 30
    continue
  fi
  spilled=$(awk -F"'" '/Compiling entry function/ { name = $2 " for " $4 }
    /bytes spill stores/ && !/ 0 bytes spill stores, 0 bytes spill loads/ { print name ": " $0 }' "$log" | grep -vE "$may_spill")
  [ -z "$spilled" ] || fail "$name spills registers:"$'\n'"$spilled"
  # C7508: setmaxnreg ignored; C7510: wgmma serialized; C7519: wgmma.fence added by the compiler
  remarks=$(grep -E "setmaxnreg.*ignored|C7508|C7510|C7519" "$log")
  [ -z "$remarks" ] || fail "$name: $remarks"
done
echo "nvcc: ${#pids[@]} files for sm_{${QUERN_NVCC_TARGETS:-80 86 89 90a}} and PTX"

# A program of somebody else's, against the installed tree.
if cmake -S . -B "$work/build" -D QUERN_BUILD_TESTS=OFF -D QUERN_BUILD_EXAMPLES=OFF -D QUERN_BUILD_BENCH=OFF >"$work/log" 2>&1 &&
  cmake --install "$work/build" --prefix "$work/installed" >>"$work/log" 2>&1 &&
  nvcc -std=c++20 -arch=sm_80 -Werror all-warnings -I "$work/installed/include" -I "$work/installed/include/quern" \
    -c tests/kernels/user.cu -o "$work/user.o" >>"$work/log" 2>&1; then
  echo "a program of nvcc's own includes kernels/softmax.cuh as it is installed, and links nothing"
else
  fail "tests/kernels/user.cu: $(tail -n 20 "$work/log")"
fi

# Not all toolkits have cuobjdump; PyPI has it.
cuobjdump=$(type -P "${CUOBJDUMP:-cuobjdump}")
if [ -z "$cuobjdump" ] && python3 -m venv "$work/venv" >/dev/null 2>&1 &&
  "$work/venv/bin/pip" -q install nvidia-cuda-cuobjdump nvidia-cuda-nvdisasm >/dev/null 2>&1; then
  cuobjdump=$(find "$work/venv" -name cuobjdump -type f | head -n 1)
  nvdisasm=$(find "$work/venv" -name nvdisasm -type f | head -n 1)
  PATH=$(dirname "$nvdisasm"):$PATH
fi
shows() { # shows FILE TARGET INSTRUCTION…
  local file=$1 target=$2 instruction missing=
  shift 2
  "$cuobjdump" -sass -arch "$target" "$file" >"$work/sass" 2>&1
  for instruction; do
    grep -q "$instruction" "$work/sass" || missing+=" $instruction"
  done
  [ -z "$missing" ] || { fail "$(basename "$file" .o): no$missing in the code for $target" && return; }
  echo "$(basename "$file" .o) has $* in its code for $target"
}
if [ -z "$cuobjdump" ]; then
  echo "skipped: there is no cuobjdump to look into machine code" && skipped=1
elif [ -e "$work/wrappers.o" ]; then
  for target in ${QUERN_NVCC_TARGETS:-80 86 89 90a}; do shows "$work/wrappers.o" "sm_$target" HMMA.16816 LDGSTS LDSM; done
  [[ " ${QUERN_NVCC_TARGETS:-90a} " != *" 90a "* ]] || shows "$work/wrappers.o" sm_90a HMMA.16816 LDGSTS HGMMA.64x64x16 UTMALDG UTMASTG SYNCS USETMAXREG
  [ ! -e "$work/matmul.o" ] || [[ " ${QUERN_NVCC_TARGETS:-80} " != *" 80 "* ]] || shows "$work/matmul.o" sm_80 HMMA LDGSTS
fi

cuda=$(dirname "$(dirname "$(readlink -f "$(type -P nvcc)")")")
if g++ -std=c++20 -O1 tests/kernels/nvrtc.cc -I "$cuda/include" -L "$cuda/lib64" -L "$cuda/lib" "-Wl,-rpath,$cuda/lib64:$cuda/lib" \
  -lnvrtc -o "$work/nvrtc" 2>"$work/nvrtc.log"; then
  headers=()
  for header in kernels/*.cuh kernels/device/*.cuh; do # *_launch.cuh is the host's side
    [[ $header == *_launch.cuh ]] || headers+=("$header")
  done
  "$work/nvrtc" "$PWD" "${headers[@]}" || failed=1
else
  echo "skipped: NVRTC is not installed" && skipped=1
fi
# The program with kernels, on a machine without a driver: it starts, says why there is no GPU, trains on the CPU, and
# refuses to pretend. Its objects are those of the program for the emulator: host code is the same.
objects=("${QUERN_BIN:-build/dev/bin}"/../examples/CMakeFiles/quern_on_emulator.dir/Unity/*.o)
if [ -n "${QUERN_BIN:-}" ] && [ ! -e "${objects[0]}" ]; then
  fail "there is no ${objects[0]}" # the build has moved them
elif [ -n "${QUERN_NVCC_FILES:-}" ] || [ ! -e "${objects[0]}" ] || nvidia-smi -L >/dev/null 2>&1; then
  echo "not tried: the program on a machine without a driver (not all kernels, no objects of the program, or a driver)"
elif g++ "${objects[@]}" $(printf "$work/%s.o " $(basename -s .cu kernels/*.cu)) -L "$cuda/lib64" -L "$cuda/lib" -lcudart_static \
  -ldl -lrt -pthread -llzma -lutf8proc -o "$work/quern"; then
  printf 'text,label\n' >"$work/data.csv"
  for i in $(seq 40); do printf 'a good film %d,pos\na bad film %d,neg\n' "$i" "$i"; done >>"$work/data.csv"
  says() { grep -q "$1" "$work/output" || fail "expected '$1' in: $(cat "$work/output")"; }
  if ldd "$work/quern" | grep -qE 'libcuda|libcublas|libcudnn'; then fail "the program wants CUDA's libraries"; fi
  "$work/quern" devices >"$work/output" 2>&1 || fail "quern devices, without a driver"
  says "auto takes cpu: no CUDA device: the NVIDIA driver is missing"
  "$work/quern" train "$work/data.csv" --out "$work/model" --epochs 1 >"$work/output" 2>&1 || fail "training without a driver"
  says "device: cpu (no CUDA device: "
  if "$work/quern" train "$work/data.csv" --out "$work/none" --device cuda >"$work/output" 2>&1; then
    fail "--device cuda without a driver did not fail"
  fi
  says "device cuda: no CUDA device: the NVIDIA driver is missing"
  echo "the program with kernels, without a driver: $(stat -c %s "$work/quern") bytes; trains on the CPU, refuses --device cuda"
else
  fail "linking the program with the kernels"
fi
[ $failed = 0 ] || exit 1
[ -z "${skipped:-}" ] || exit 77
