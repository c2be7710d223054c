#!/usr/bin/env bash
# What gdb shows of tensors and views with docs/debugging/quern_gdb.py.
set -euo pipefail
. "$(dirname "$0")/common.bash"
type -P gdb >/dev/null || { echo "skipped: gdb is not installed" && exit 77; }
gdb --nx --batch -ex 'python print(1)' 2>&1 | grep -x 1 >/dev/null || { echo "skipped: this gdb has no Python" && exit 77; }

build_program
cat >"$work/commands" <<'END'
source docs/debugging/quern_gdb.py
set print elements 5
break stop
run
print referred
up
print matrix
print many
print scalar
print low
print nothing
print view
print borrowed
print recorded
print matrix.shape_
END
gdb --nx --batch --command="$work/commands" "$work/program" >"$work/log" 2>&1 || { cat "$work/log" && exit 1; }
if grep -q "ptrace: Operation not permitted\|Couldn't get registers" "$work/log"; then
  echo "skipped: this machine does not let gdb run a program" && exit 77
fi
expect '= Tensor<float, 2> [2, 3] cpu (words.weight) = {{1, 2, 3}, {4.5, -5, ...}}' \
  '= Tensor<int, 1> [1000] cpu = {0, 1, 2, 3, 4, ...}' \
  '= Tensor<double, 0> [] cpu = 0.5' \
  '= Tensor<bf16, 1> [2] cpu = {0, 1.5}' \
  '= Tensor<float, 3> [0, 0, 0] empty' \
  '= View<const float, 2> [2, 3] = {{1, 2, 3}, {4.5, -5, ...}}' \
  '= Tensor<float, 1> [2] cpu = {7, 8}' \
  '= Tensor<Recorded<float>, 2> slot 0, Tensor<float, 2> [2, 3] cpu (words.weight) = {{1, 2, 3}, {4.5, -5, ...}}' \
  '= Shape [2, 3]'
