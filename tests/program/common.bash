# What the tests of the program share; to be sourced. QUERN_BIN: folder of the program, QUERN_SOURCE: of the repository.
set -uo pipefail
quern=${QUERN_BIN:-build/release/bin}/quern
source_dir=${QUERN_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
if [ ! -x "$quern" ]; then
  echo "skipped: $quern is not built"
  exit 77
fi
here=$(mktemp -d "${TMPDIR:-/tmp}/quern-program-XXXXXX")
trap 'rm -rf "$here"' EXIT
failed=0

fail() {
  echo "FAILED: $*"
  failed=1
}

# expect CODE PATTERN COMMAND…: the exit code, and a pattern (grep -E) that stdout and stderr together must hold.
expect() {
  local code=$1 pattern=$2 got
  shift 2
  timeout 120 "$@" >"$here/output" 2>&1 </dev/null
  got=$?
  [ "$got" = "$code" ] || fail "exit code $got, expected $code: $*"
  grep -qE -- "$pattern" "$here/output" || fail "expected /$pattern/ from: $*"
  if [ "$failed" = 1 ] && [ "$got" != "$code" ]; then cat "$here/output"; fi
}

# A few reviews in which one word decides: 240 rows of CSV with the columns text and label.
small_data() {
  awk 'BEGIN {
    srand(7); print "text,label"
    split("the a of film plot cast scene music and with it was story long short", w, " ")
    for (i = 0; i < 240; ++i) {
      s = ""; n = 3 + int(rand() * 9); at = 1 + int(rand() * n)
      for (k = 1; k <= n; ++k) s = s (k > 1 ? " " : "") (k == at ? (i % 2 ? (i % 4 == 1 ? "good" : "superb") : (i % 4 ? "bad" : "awful")) : w[1 + int(rand() * 15)])
      print s "," (i % 2 ? "pos" : "neg")
    }
  }'
}
tiny="--embedding 8 --filters 6 --epochs 6 --batch 10 --lr 0.02 --patience 6 --seed 3"

# interrupt OUT COMMAND…: Ctrl-C once it has written its first checkpoint; its exit code is 1. Its output is in $here/output.
interrupt() {
  local out=$1 pid code
  shift
  # A shell gives background jobs no SIGINT; env puts the usual one back.
  env --default-signal=INT "$@" --out "$out" >"$here/output" 2>&1 &
  pid=$!
  for _ in $(seq 200); do
    sleep 0.05
    [ -e "$out/checkpoint.safetensors" ] && break
  done
  kill -INT $pid
  wait $pid
  code=$?
  [ $code = 1 ] || fail "Ctrl-C: exit code $code, expected 1"
}

# same_bytes FILE FILE
same_bytes() { cmp -s "$1" "$2" || fail "$1 and $2 differ"; }

finish() {
  [ "$failed" = 0 ] && echo "passed"
  exit "$failed"
}
