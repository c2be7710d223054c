#!/usr/bin/env bash
# Example 05: the gradient of its op is right, and a net that uses the op learns.
set -euo pipefail
bin=${QUERN_BIN:-build/release/bin}
output=$("$bin/05_your_own_op")
echo "$output"
grep -qE '^gradcheck: ok, largest error [0-9]e-(0[7-9]|1[0-9])$' <<<"$output"
grep -qE '^step +0  loss 0\.[5-9]' <<<"$output"
grep -qE '^step 200  loss 0\.0' <<<"$output"
[ "$(wc -l <<<"$output")" = 6 ] || { echo "expected 6 lines" && exit 1; }
