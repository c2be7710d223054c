#!/usr/bin/env bash
# The commands of docs/emulator.md on the program of docs/emulator.md: gdb stops in one thread of a kernel and prints
# shared memory.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "${QUERN_SOURCE:-$here/../..}"
type -P gdb >/dev/null || { echo "skipped: gdb is not installed" && exit 77; }
type -P g++ >/dev/null || { echo "skipped: there is no g++" && exit 77; }
echo '#include <boost/context/detail/fcontext.hpp>' | g++ -x c++ -fsyntax-only - 2>/dev/null ||
  { echo "skipped: Boost.Context is not installed" && exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

block() { sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" docs/emulator.md | sed '/^```/d'; }
block cuda >"$work/row_sum.cpp"
block sh >"$work/commands"
compile=$(grep '^g++ ' "$work/commands") debug=$(grep '^gdb ' "$work/commands")
[ -n "$compile" ] && [ -n "$debug" ] || { echo "docs/emulator.md has no commands" && exit 1; }
[ "$(sed -n 17p "$work/row_sum.cpp" | grep -c 'stop here')" = 1 ] || { echo "line 17 is not where to stop" && exit 1; }

eval "${compile//row_sum/$work\/row_sum}"
(cd "$work" && eval "${debug/gdb /gdb --nx --batch }" -ex "'print threadIdx'" -ex "'print blockIdx'") >"$work/log" 2>&1 ||
  { cat "$work/log" && exit 1; }
if grep -q "ptrace: Operation not permitted\|Couldn't get registers" "$work/log"; then
  echo "skipped: this machine does not let gdb run a program" && exit 77
fi
wrong=0
for line in 'row_sum (x=' 'stop here' '= {72, 74, 76, 78, 80, 82, 84, 86}' '= {x = 5, y = 0, z = 0}' '= {x = 2, y = 0, z = 0}'; do
  grep -qF -- "$line" "$work/log" || { echo "not shown: $line" && wrong=1; }
done
[ $wrong = 0 ] || { cat "$work/log" && exit 1; }
grep -F '= {72' "$work/log"
