#!/usr/bin/env bash
# Example 03 trains on a CSV file and classifies a sentence; a file that is not there is an error with its name.
set -euo pipefail
bin=${QUERN_BIN:-build/release/bin}
source_folder=${QUERN_SOURCE:-.}
output=$("$bin/03_text_cnn" "$source_folder/examples/data/reviews_en/train.csv" "I would happily see it again" 2>/dev/null)
echo "$output"
grep -qE '^epoch 10  loss 0\.[0-9]+  accuracy on held-back texts 0\.[6-9]' <<<"$output"
grep -qE '^positive [01]\.[0-9]{3}$' <<<"$output"
if message=$("$bin/03_text_cnn" no_such_file.csv 2>&1); then echo "no error for a missing file" && exit 1; fi
grep -q no_such_file.csv <<<"$message"
[ "$(wc -l <"$source_folder/examples/03_text_cnn.cpp")" -lt 120 ]
