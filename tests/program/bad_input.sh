#!/usr/bin/env bash
# Bad input: one clear line with the file and, where there is one, the line; exit code 1; nothing half-written.
. "$(dirname "$0")/common.bash"
small_data >"$here/data.csv"
run=$here/run
"$quern" train "$here/data.csv" --out "$run" $tiny --epochs 1 >"$here/output" 2>&1 || fail "train"
cp -r "$run" "$here/good"

# refuse PATTERN FILE [options]: train refuses the data and leaves no folder.
refuse() {
  expect 1 "$1" "$quern" train "${@:2}" --out "$here/none" $tiny
  [ -e "$here/none" ] && fail "a folder was left by: ${*:2}" && rm -rf "$here/none"
}
: >"$here/empty.csv"
refuse "empty.csv: the file is empty" "$here/empty.csv"
refuse "no_such.csv: .*No such file" "$here/no_such.csv"
printf 'text,label\na,x\nb,x\n' >"$here/one_class.csv"
refuse "one_class.csv: training needs at least two classes" "$here/one_class.csv"
printf 'text,label\na,x\nb,x\nc,y\n' >"$here/single.csv"
refuse "single.csv: class 'y' has a single example" "$here/single.csv"
refuse "data.csv:1: no column 'stars' for the label; the columns are 'text', 'label'" "$here/data.csv" --label-column stars
printf 'text,label\na,x\n"b,y\nc,y\n' >"$here/quote.csv"
refuse "quote.csv:3: the quote opened on this line is never closed" "$here/quote.csv"
printf 'text,label\na,x\nb\n' >"$here/truncated.csv"
refuse "truncated.csv:3: expected 2 fields" "$here/truncated.csv"
printf 'text,label\nna\xefve,x\nb,y\n' >"$here/latin.csv"
refuse "latin.csv:2: byte 13 is not UTF-8" "$here/latin.csv" --encoding UTF-8
expect 2 "encoding 'klingon' is not known" "$quern" train "$here/data.csv" --out "$here/none" --encoding klingon
(
  echo text,label
  head -c 100000000 /dev/zero | tr '\0' a
  echo ,x
) >"$here/long.csv"
refuse "long.csv:2: a field is longer than" "$here/long.csv"
rm "$here/long.csv"
if [ "$(id -u)" != 0 ]; then
  cp "$here/data.csv" "$here/secret.csv" && chmod 000 "$here/secret.csv"
  refuse "secret.csv: .*Permission denied" "$here/secret.csv"
fi
expect 1 "the folder cannot be made" "$quern" train "$here/data.csv" --out "$here/data.csv/run" $tiny
refuse "vectors.txt: .*No such file" "$here/data.csv" --vectors "$here/vectors.txt"
refuse "--folds: 1000 parts of 240 texts" "$here/data.csv" --folds 1000
echo '{"widths": [1.5]}' >"$here/widths.json"
refuse "widths.json: 'widths' is .*expected whole numbers" "$here/data.csv" --config "$here/widths.json"
echo '{"warmup": -1}' >"$here/warmup.json"
refuse "warmup.json: 'warmup': expected at least 0, got -1" "$here/data.csv" --config "$here/warmup.json"
echo '{"min_count": 0, "stop_on": "f1"}' >"$here/names.json"
refuse "names.json: 'min_count': expected at least 1, got 0" "$here/data.csv" --config "$here/names.json"
refuse "names.json: 'stop_on': expected loss or macro_f1, got f1" "$here/data.csv" --config "$here/names.json" --min-count 1
printf '{"seed": 1' >"$here/broken.json"
expect 1 "broken.json: not valid JSON" "$quern" train --config "$here/broken.json" --out "$here/none"

# A number that does not fit is wrong usage, not the nearest that does.
for option in "--seed -1" "--seed 18446744073709551616" "--epochs 99999999999999999999" "--filters 2000000"; do
  expect 2 "${option% *}: " "$quern" train "$here/data.csv" --out "$here/none" $option
done
# Weights that came to nothing are not kept, also where no development texts show it.
expect 1 "the loss after the last step is .*nan in epoch 1, step 1" "$quern" train "$here/data.csv" --out "$here/nan" $tiny --dev 0 --epochs 1 --batch 500 --lr 1e15
[ -e "$here/nan/model.safetensors" ] && fail "a model without finite results was written"
# --force takes the old run away only when the new one can begin.
expect 1 "No such file" "$quern" train "$here/data.csv" --out "$run" $tiny --force --vectors "$here/vectors.txt"
same_bytes "$here/good/model.safetensors" "$run/model.safetensors"
# Folds of two settings or of two data sets are not mixed, and a refused --resume changes nothing.
folds="$quern train --out $here/folds $tiny --epochs 1 --folds 3"
$folds "$here/data.csv" >"$here/output" 2>&1 || fail "three folds"
rm -r "$here/folds/fold_3" "$here/folds/metrics.json"
cp "$here/folds/config.json" "$here/config.json"
expect 1 "lr: then 0.02, now 0.5" $folds "$here/data.csv" --resume --lr 0.5
sed 3d "$here/data.csv" >"$here/shorter.csv"
expect 1 "holds other lines than the data give now" $folds "$here/shorter.csv" --resume
expect 1 "holds a run that did not end" $folds "$here/data.csv"
same_bytes "$here/config.json" "$here/folds/config.json"
expect 0 "all folds together" "$quern" train --out "$here/folds" --resume
# Two trainings do not write into one folder.
$quern train "$here/data.csv" --out "$here/busy" $tiny --epochs 100000 --patience 100000 >"$here/stdout" 2>&1 &
pid=$!
for _ in $(seq 100); do
  [ -e "$here/busy/checkpoint.safetensors" ] && break
  sleep 0.05
done
expect 1 "busy: another training writes into this folder now" "$quern" train "$here/data.csv" --out "$here/busy" $tiny --force
kill -KILL $pid
wait $pid 2>/dev/null

# A run folder that was damaged.
damaged() { # damaged PATTERN COMMAND…: the command damages $run; then predict fails with the pattern
  local pattern=$1
  shift
  rm -rf "$run" && cp -r "$here/good" "$run"
  "$@"
  expect 1 "$pattern" "$quern" predict "$run" "a good film"
}
cut_model() { head -c 2000 "$here/good/model.safetensors" >"$run/model.safetensors"; }
absurd_header() { printf '\377\377\377\377\377\377\377\177{}' >"$run/model.safetensors"; }
nan_weight() { # the last float of the file, out.weight or a bias
  head -c -4 "$here/good/model.safetensors" >"$run/model.safetensors"
  printf '\000\000\300\177' >>"$run/model.safetensors"
}
damaged "model.safetensors: tensor .*truncated" cut_model
damaged "model.safetensors: its header is said to have 9223372036854775807 bytes" absurd_header
damaged "model.safetensors: tensor out.bias: element 1 of 2 is nan; expected finite" nan_weight
damaged "no model.safetensors" rm "$run/model.safetensors"
damaged "vocabulary.txt:.* the file is truncated" truncate -s -1 "$run/vocabulary.txt"
two_equal() { printf 'pos\npos\n' >"$run/labels.txt"; }
damaged "labels.txt:2: 'pos': expected a class name that no other line holds" two_equal
swapped_labels() { printf 'pos\nneg\n' >"$run/labels.txt"; }
damaged "labels.txt: is not the file that .*model.safetensors was trained with" swapped_labels
other_words() { sed -i '2s/.*/zebra/' "$run/vocabulary.txt"; }
damaged "vocabulary.txt: is not the file that .*model.safetensors was trained with" other_words
damaged "config.json: 'max_tokens' is -1, expected at least 0" sed -i 's/"max_tokens": .*/"max_tokens": -1,/' "$run/config.json"
damaged "config.json: 'dropout' is 1.5, expected" sed -i 's/"dropout": .*/"dropout": 1.5,/' "$run/config.json"
damaged "config.json: tokenizer 'bpe' is not known" sed -i 's/"tokenizer": .*/"tokenizer": "bpe",/' "$run/config.json"
damaged "config.json: 'embedding' is missing" sed -i /embedding/d "$run/config.json"
expect 1 "is no folder" "$quern" predict "$here/nowhere" "a good film"
rm -rf "$run" && cp -r "$here/good" "$run"

# Texts to classify.
printf 'fine\nna\xefve\nfine\n' >"$here/bad_line"
"$quern" predict "$run" <"$here/bad_line" >"$here/stdout" 2>"$here/stderr"
[ $? = 1 ] || fail "predict: bytes that are not UTF-8 are accepted on stdin"
grep -q "standard input:2: .*not UTF-8" "$here/stderr" || fail "predict: the line of the bad bytes is not named"
[ "$(wc -l <"$here/stdout")" = 1 ] || fail "predict: the good lines before a bad one are not answered"
head -c 100000000 /dev/zero | tr '\0' a | "$quern" predict "$run" >"$here/stdout" 2>"$here/stderr"
[ "${PIPESTATUS[2]}" = 1 ] || fail "predict: a line of 100 MB is accepted"
grep -q "standard input:1: a line of more than" "$here/stderr" || fail "predict: a line of 100 MB has no clear error"
expect 0 "pos|neg" "$quern" predict "$run" ""
expect 1 "TEXT:1: byte 2 is not UTF-8" "$quern" predict "$run" $'na\xefve'
expect 2 "lines are read from stdin" "$quern" predict "$run" --format csv
[ "$(printf 'text\xef' | "$quern" predict "$run" --encoding ISO-8859-1 | wc -l)" = 1 ] || fail "predict --encoding"

# A full disk, for results and for the model; a reader that goes away.
if [ -w /dev/full ]; then
  "$quern" predict "$run" "a good film" >/dev/full 2>"$here/stderr"
  [ $? = 1 ] || fail "predict: a full disk is not an error"
  grep -q "standard output: writing failed: No space left" "$here/stderr" || fail "predict: a full disk has no clear error"
fi
(
  ulimit -f 8 # blocks of 1024 bytes
  trap '' XFSZ
  "$quern" train "$here/data.csv" --out "$here/full" $tiny --embedding 200 >"$here/output" 2>&1
)
[ $? = 1 ] || fail "train: a file that cannot be written is not an error"
grep -q "checkpoint.safetensors: not written .*: writing failed: File too large" "$here/output" ||
  { fail "train: a file that cannot be written has no clear error" && cat "$here/output"; }
[ -z "$(find "$here/full" -name '*.safetensors*' -o -name '*.tmp')" ] || fail "train: a half-written file was left"
yes "a good film" | head -n 200000 | "$quern" predict "$run" 2>"$here/stderr" | head -n 1 >"$here/stdout"
codes=("${PIPESTATUS[@]}")
[ "${codes[2]}" = 0 ] || fail "predict: exit code ${codes[2]} when its reader goes away"
[ -s "$here/stderr" ] && fail "predict: complains when its reader goes away"
finish
