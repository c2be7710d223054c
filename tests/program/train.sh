#!/usr/bin/env bash
# train, evaluate and predict from end to end: what they print, what they leave, their exit codes.
. "$(dirname "$0")/common.bash"
small_data >"$here/data.csv"
run=$here/run

"$quern" train "$here/data.csv" --out "$run" $tiny --json >"$here/stdout" 2>"$here/stderr" || fail "train --json"
[ "$(wc -l <"$here/stdout")" = 1 ] || fail "train --json prints more than one line to stdout"
for key in accuracy macro_f1 loss per_class seconds samples_per_second; do
  grep -q "\"$key\":" "$here/stdout" || fail "train --json: no $key"
done
grep -q "^epoch 1/6  train loss" "$here/stderr" || fail "no line for the first epoch on stderr"
for file in model.safetensors vocabulary.txt labels.txt config.json split.json metrics.json learning_curves.svg confusion.svg; do
  [ -s "$run/$file" ] || fail "no $file"
done
[ "$(cat "$run/labels.txt")" = "neg
pos" ] || fail "labels.txt"
head -c 400 "$run/model.safetensors" | grep -q '"words.weight"' || fail "no words.weight in model.safetensors"

# Finished folders are not written over.
expect 1 "holds a finished run.*--force" "$quern" train "$here/data.csv" --out "$run" $tiny
expect 0 "already ended" "$quern" train --out "$run" --resume
expect 0 "the model is in" "$quern" train "$here/data.csv" --out "$run" $tiny --force

# config.json gives the same run again, from any folder; the command line goes before it.
(cd / && "$quern" train --config "$run/config.json" --out "$here/again") >"$here/output" 2>&1 || fail "train --config"
same_bytes "$run/model.safetensors" "$here/again/model.safetensors"
same_bytes "$run/config.json" "$here/again/config.json"
same_bytes "$run/split.json" "$here/again/split.json"
expect 0 "the model is in" "$quern" train --config "$run/config.json" --out "$here/seed9" --seed 9
grep -q '"seed": 9' "$here/seed9/config.json" || fail "--seed does not go before --config"
sed 's/"seed"/"sede"/' "$run/config.json" >"$here/wrong.json"
expect 1 "'sede' is no setting" "$quern" train --config "$here/wrong.json" --out "$here/none"

# evaluate
expect 0 "accuracy +1\.0000|accuracy +0\.9" "$quern" evaluate "$run" "$here/data.csv"
"$quern" evaluate "$run" "$here/data.csv" --json 2>"$here/stderr" | tail -n 1 >"$here/stdout"
grep -q '"macro_f1":.*"seconds":.*"samples_per_second":' "$here/stdout" || fail "evaluate --json"
printf 'text,label\na good film,neutral\n' >"$here/unknown.csv"
expect 1 "unknown.csv:2: label 'neutral' is none of the model's 2 classes" "$quern" evaluate "$run" "$here/unknown.csv"

# predict: an argument, a file, stdin
expect 0 "^pos	0\.[5-9]|^pos	1" "$quern" predict "$run" "a superb film"
printf 'a bad film\n\nthe good cast\r\nlast line without end: awful' >"$here/lines.txt"
"$quern" predict "$run" "$here/lines.txt" >"$here/from_file" 2>"$here/stderr" || fail "predict FILE"
"$quern" predict "$run" <"$here/lines.txt" >"$here/from_stdin" || fail "predict, stdin"
"$quern" predict "$run" - <"$here/lines.txt" >"$here/from_dash" || fail "predict -"
same_bytes "$here/from_file" "$here/from_stdin"
same_bytes "$here/from_file" "$here/from_dash"
[ "$(cut -f 1 "$here/from_file" | tr '\n' ' ' | sed 's/[a-z]* \([a-z]* [a-z]* \)$/* \1/')" = "neg * pos neg " ] ||
  fail "predict FILE: $(cat "$here/from_file")"
"$quern" predict "$run" "$here/lines.txt" --json 2>"$here/stderr" >"$here/json" || fail "predict --json"
[ "$(grep -c '^{"label":"\(pos\|neg\)","probabilities":{"neg":[0-9.e-]*,"pos":[0-9.e-]*}}$' "$here/json")" = 4 ] ||
  fail "predict --json: $(cat "$here/json")"
cut -d , -f 1 "$here/data.csv" >"$here/texts.csv"
[ "$("$quern" predict "$run" "$here/texts.csv" 2>"$here/stderr" | wc -l)" = 240 ] || fail "predict of a CSV"
# Lines are answered as they come, while stdin stays open.
mkfifo "$here/pipe"
"$quern" predict "$run" <"$here/pipe" >"$here/live" &
pid=$!
exec 3>"$here/pipe"
echo "a good film" >&3
for _ in $(seq 100); do
  [ -s "$here/live" ] && break
  sleep 0.05
done
[ "$(cut -f 1 "$here/live")" = pos ] || fail "a line of stdin is not answered while stdin is open"
exec 3>&-
wait $pid || fail "predict, stdin closed"

# folds
"$quern" train "$here/data.csv" --folds 3 $tiny --json >"$here/stdout" 2>"$here/stderr" || fail "train --folds --json"
[ "$(grep -o '"test":' "$here/stdout" | wc -l)" = 3 ] || fail "train --folds 3 --json does not have three tests"
grep -q '^{"accuracy":[0-9.e-]*,"accuracy_std":' "$here/stdout" || fail "train --folds --json: no mean and spread"
expect 0 "accuracy [01]\.[0-9]{4} ± 0\.[0-9]{4} \(mean and standard deviation of 3 folds" \
  "$quern" train "$here/data.csv" --folds 3 $tiny --out "$here/folds"
expect 0 "fold 3: accuracy" "$quern" train "$here/data.csv" --folds 3 $tiny --out "$here/folds" --resume
[ -s "$here/folds/fold_2/model.safetensors" ] && [ -s "$here/folds/metrics.json" ] || fail "--folds --out leaves no folders"

# usage
expect 0 "Examples:" "$quern" --help
expect 0 "Ctrl-C \(or SIGTERM\) keeps the best model" "$quern" train --help
expect 0 "^[0-9]+\.[0-9]+\.[0-9]+" "$quern" --version
expect 2 "subcommand" "$quern"
expect 2 "--out" "$quern" train "$here/data.csv"
expect 2 "give the data" "$quern" train --out "$here/none"
expect 2 "--nonsense" "$quern" train "$here/data.csv" --out "$here/none" --nonsense
expect 2 "epochs" "$quern" train "$here/data.csv" --out "$here/none" --epochs many
expect 2 "--epochs: expected at least 1, got 0" "$quern" train "$here/data.csv" --out "$here/none" --epochs 0
expect 2 "--dropout: expected a number from 0" "$quern" train "$here/data.csv" --out "$here/none" --dropout 1
expect 2 "--static keeps given vectors" "$quern" train "$here/data.csv" --out "$here/none" --static
expect 2 "--folds: expected 0 or at least 2" "$quern" train "$here/data.csv" --folds 1
expect 2 "--stop-on: expected loss or macro_f1" "$quern" train "$here/data.csv" --out "$here/none" --stop-on f1
expect 2 "--threads" "$quern" train "$here/data.csv" --out "$here/none" --threads -1
expect 2 "DIR" "$quern" evaluate
[ -e "$here/none" ] && fail "a refused command line left a folder"

# Given vectors: static ones stay as they are.
printf '2 3\ngood 1 2 3\nbad -1 -2 -3\n' >"$here/vectors.txt"
expect 0 "2 of [0-9]+ words have a vector, of length 3" "$quern" train "$here/data.csv" --out "$here/static" $tiny \
  --vectors "$here/vectors.txt" --static
expect 0 "pos" "$quern" predict "$here/static" "a good film"

# Other options
expect 0 "the model is in" "$quern" train "$here/data.csv" --out "$here/options" $tiny --class-weights balanced --clip 1 \
  --label-smoothing 0.1 --weight-decay 0.01 --warmup 10 --stop-on macro_f1 --min-count 2 --widths 2,3 --word-dropout 0.1
expect 0 "the model is in" "$quern" train "$here/data.csv" --out "$here/nodev" $tiny --dev 0
finish
