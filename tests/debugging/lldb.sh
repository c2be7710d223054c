#!/usr/bin/env bash
# What lldb shows of tensors and views with docs/debugging/quern_lldb.py.
set -euo pipefail
. "$(dirname "$0")/common.bash"
lldb=$(type -P lldb || type -P lldb-14) || { echo "skipped: lldb is not installed" && exit 77; }
python() { "$lldb" --no-lldbinit --batch -o 'script print(1)' 2>&1 | grep -x 1 >/dev/null; }
if ! python; then # Debian 12's lldb looks for its Python part in a folder that is not there
  for part in /usr/lib/llvm-*/lib/python3*/dist-packages/lldb/embedded_interpreter.py; do export PYTHONPATH=${part%/lldb/*}; done
fi
python || { echo "skipped: this lldb has no Python" && exit 77; }

build_program
cat >"$work/commands" <<'END'
command script import docs/debugging/quern_lldb.py
settings set target.max-children-count 5
breakpoint set --name stop
run
frame variable referred
up
frame variable matrix many scalar low nothing view borrowed recorded
frame variable matrix.shape_
END
"$lldb" --no-lldbinit --batch --source "$work/commands" "$work/program" >"$work/log" 2>&1 || { cat "$work/log" && exit 1; }
if grep -q "Operation not permitted\|personality set failed" "$work/log"; then
  echo "skipped: this machine does not let lldb run a program" && exit 77
fi
expect 'stop(referred=[2, 3] cpu (words.weight) = {{1, 2, 3}, {4.5, -5, ...}}' \
  'matrix = [2, 3] cpu (words.weight) = {{1, 2, 3}, {4.5, -5, ...}}' \
  'many = [1000] cpu = {0, 1, 2, 3, 4, ...}' \
  'scalar = [] cpu = 0.5' \
  'low = [2] cpu = {0, 1.5}' \
  'nothing = [0, 0, 0] empty' \
  'view = [2, 3] = {{1, 2, 3}, {4.5, -5, ...}}' \
  'borrowed = [2] cpu = {7, 8}' \
  'recorded = slot 0, [2, 3] cpu (words.weight) = {{1, 2, 3}, {4.5, -5, ...}}' \
  'matrix.shape_ = [2, 3]'
