#!/usr/bin/env bash
# Example 06 fine-tunes a tiny BERT with random weights on texts in which one word decides, and writes a folder that it
# can begin with again. A folder without its vocabulary is an error with its name.
set -euo pipefail
bin=${QUERN_BIN:-build/release/bin}
source_folder=${QUERN_SOURCE:-.}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
. "$source_folder/tests/program/tiny_bert.bash"
tiny_bert "$folder/tiny"
awk 'BEGIN { print "text,label"; for (i = 0; i < 80; ++i) print "a film so " (i % 2 ? "good" : "bad") " " i % 7 "," (i % 2 ? "pos" : "neg") }' >"$folder/data.csv"
output=$("$bin/06_bert_finetune" "$folder/tiny" "$folder/data.csv" "$folder/out" 2 2>/dev/null)
echo "$output"
grep -qE '^epoch 1  batch 2/2  loss [01]\.[0-9]{4}$' <<<"$output"
grep -qE '^epoch 2  loss [01]\.[0-9]{4}$' <<<"$output"
grep -qE '^accuracy [01]\.[0-9]{4} \([0-9]+ of 16 held-out texts\)$' <<<"$output"
"$bin/06_bert_finetune" "$folder/out" "$folder/data.csv" "$folder/again" 1 >/dev/null 2>&1
cmp "$folder/tiny/vocab.txt" "$folder/again/vocab.txt"
rm "$folder/out/vocab.txt"
if message=$("$bin/06_bert_finetune" "$folder/out" "$folder/data.csv" "$folder/none" 1 2>&1); then echo "no error without vocab.txt" && exit 1; fi
grep -q "out: has neither tokenizer.json nor vocab.txt" <<<"$message"
if message=$("$bin/06_bert_finetune" "$folder/tiny" "$folder/data.csv" "$folder/tiny" 1 2>&1); then echo "overwrites its folder" && exit 1; fi
grep -q "tiny: is there already" <<<"$message"
if "$bin/06_bert_finetune" "$folder/tiny" "$folder/data.csv" "$folder/none" abc 2>/dev/null; then echo "takes abc epochs" && exit 1; fi
[ "$(wc -l <"$source_folder/examples/06_bert_finetune.cpp")" -lt 120 ]
