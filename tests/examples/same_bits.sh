#!/usr/bin/env bash
# Examples 01 (backward by hand) and 02 (through the tape) end with the same bits in every parameter.
set -euo pipefail
bin=${QUERN_BIN:-build/release/bin}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$bin/01_hand_backward" >"$folder/by_hand" 2>/dev/null
"$bin/02_same_with_tape" >"$folder/with_tape" 2>/dev/null
parameters=$(wc -l <"$folder/by_hand")
[ "$parameters" = 82 ] || { echo "expected 82 parameters, got $parameters" && exit 1; }
cmp "$folder/by_hand" "$folder/with_tape" || { diff "$folder/by_hand" "$folder/with_tape" | head; exit 1; }
echo "$parameters parameters, all with the same bits"
