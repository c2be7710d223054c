#!/usr/bin/env bash
# quern data, the formats it reads, cleaning that predict repeats, augmentation, class weights.
. "$(dirname "$0")/common.bash"
small_data >"$here/data.csv"
{
  cat "$here/data.csv"
  printf '%s\n' '"a film, superb!",pos' 'A film - superb,pos' 'a film superb,neg' '...,neg' 'caf&eacute; <br /> good,pos'
} >"$here/odd.csv" # its last lines are 242 to 246

"$quern" data "$here/odd.csv" >"$here/table" 2>"$here/stderr" || fail "data"
[ -s "$here/stderr" ] && fail "data writes to stderr: $(cat "$here/stderr")"
for pattern in "^.*odd.csv: 245 texts, 2 classes" "read as UTF-8: all bytes are ASCII" "^pos +123 +50.2%" \
  "^tokens +[0-9.]+ +0 " "the same text, different labels: 1 text in 2 places" "lines 243 \(pos\), 244 \(neg\): A film - superb" \
  "^empty: 1 text .*no token" "lines 245: \.\.\." "^HTML: 1 text" "class weights: none, the classes are of like size \(122 to 123 texts\)"; do
  grep -qE -- "$pattern" "$here/table" || fail "data: expected /$pattern/ in $(cat "$here/table")"
done
"$quern" data "$here/odd.csv" --json >"$here/json" 2>"$here/stderr" || fail "data --json"
[ "$(wc -l <"$here/json")" = 1 ] || fail "data --json prints more than one line"
grep -q '"contradictions":\[{"lines":\[243,244\],"labels":\["pos","neg"\]' "$here/json" || fail "data --json: contradictions"
grep -q '"lengths":{"characters":{"mean":.*"tokens":{"mean":' "$here/json" || fail "data --json: lengths"
printf 'one\ntwo words\none\n' >"$here/lines.txt"
expect 0 "3 texts, 1 class" "$quern" data "$here/lines.txt" --format lines
expect 1 "the format cannot be told" "$quern" data "$here/lines.txt"

# A name that is not known is wrong usage, and the names that are stand there.
names="csv, tsv, jsonl, fasttext, trec, trec-fine, sentence@label or folder, got 'xml'"
expect 2 "--format: expected $names" "$quern" data "$here/data.csv" --format xml
expect 2 "--format: expected $names" "$quern" train "$here/data.csv" --out "$here/none" --format xml
expect 2 "--encoding: .*UTF-8, ISO-8859-1 or GB18030" "$quern" data "$here/data.csv" --encoding klingon
expect 2 "--clean: clean: 'x' is not known; .*html, control" "$quern" train "$here/data.csv" --out "$here/none" --clean x
expect 2 "--class-weights: .*auto, balanced, root or none" "$quern" train "$here/data.csv" --out "$here/none" --class-weights 3
expect 2 "--augment: expected 0 to 4095" "$quern" train "$here/data.csv" --out "$here/none" --augment -1
expect 2 "--synonyms is used in .*--augment" "$quern" train "$here/data.csv" --out "$here/none" --synonyms x
expect 2 "characters" "$quern" data "$here/data.csv" --tokenizer letters
[ -e "$here/none" ] && fail "wrong usage left a folder"
# A pipe in a folder of class files is refused, not waited for.
mkdir "$here/classes" && printf 'a\n' >"$here/classes/a.txt" && mkfifo "$here/classes/b.txt"
expect 1 "'b.txt' in it is no file but a pipe" "$quern" data "$here/classes"

# The same texts as JSONL, compressed, and as sentence@label.
awk -F, 'NR > 1 { printf "{\"text\": \"%s\", \"label\": \"%s\"}\n", $1, $2 }' "$here/data.csv" >"$here/data.jsonl"
awk -F, 'NR > 1 { print $1 " .@" $2 }' "$here/data.csv" >"$here/data.txt"
expect 0 "data.txt: 240 texts, 2 classes" "$quern" data "$here/data.txt"
"$quern" train "$here/data.csv" --out "$here/from_csv" $tiny >"$here/output" 2>&1 || fail "train on CSV"
"$quern" train "$here/data.jsonl" --out "$here/from_jsonl" $tiny >"$here/output" 2>&1 || fail "train on JSONL"
same_bytes "$here/from_csv/model.safetensors" "$here/from_jsonl/model.safetensors"
[ "$("$quern" predict "$here/from_csv" "$here/data.jsonl" 2>"$here/stderr" | wc -l)" = 240 ] || fail "predict of JSONL"
if type -P xz >/dev/null; then
  xz -k "$here/data.jsonl"
  expect 0 "data.jsonl.xz: 240 texts, 2 classes" "$quern" data "$here/data.jsonl.xz"
  expect 0 "accuracy" "$quern" evaluate "$here/from_csv" "$here/data.jsonl.xz"
  head -c 300 "$here/data.jsonl.xz" >"$here/cut.jsonl.xz"
  expect 1 "cut.jsonl.xz: is truncated" "$quern" data "$here/cut.jsonl.xz"
else
  echo "not tried: xz files, there is no xz here"
fi

# HTML is seen, said and cleaned; config.json tells how, and predict and evaluate do the same.
sed 's/ /<br \/>/; s/\(.*\)film/\1f\&#105;lm/' "$here/data.csv" | sed 1s/.*/text,label/ >"$here/html.csv"
"$quern" train "$here/html.csv" --out "$here/cleaned" $tiny >"$here/output" 2>&1 || fail "train on HTML"
grep -qE "[0-9]+ of 240 texts hold HTML \(first: line 2\); they are cleaned: html,control,nfc,space" "$here/output" ||
  fail "cleaning is not told: $(cat "$here/output")"
grep -q '"clean": "html,control,nfc,space"' "$here/cleaned/config.json" || fail "config.json does not say how texts are cleaned"
same_bytes "$here/cleaned/vocabulary.txt" "$here/from_csv/vocabulary.txt"
same_bytes "$here/cleaned/model.safetensors" "$here/from_csv/model.safetensors"
plain=$("$quern" predict "$here/cleaned" "a superb film" 2>/dev/null)
[ "$("$quern" predict "$here/cleaned" "a<br />superb f&#105;lm" 2>/dev/null)" = "$plain" ] || fail "predict does not clean"
[ "$("$quern" evaluate "$here/cleaned" "$here/html.csv" 2>/dev/null | head -n 4)" = \
  "$("$quern" evaluate "$here/cleaned" "$here/data.csv" 2>/dev/null | head -n 4)" ] || fail "evaluate does not clean"
"$quern" train --config "$here/cleaned/config.json" --out "$here/again" >"$here/output" 2>&1 || fail "train --config, cleaned"
same_bytes "$here/cleaned/model.safetensors" "$here/again/model.safetensors"
"$quern" train "$here/html.csv" --out "$here/raw" $tiny --clean none >"$here/output" 2>&1 || fail "train --clean none"
grep -qx br "$here/raw/vocabulary.txt" || fail "--clean none cleans"

# Augmentation: other weights, the same for any number of threads and after a resume.
printf 'good\tfine,very nice\nbad\tpoor\n' >"$here/synonyms.tsv"
augmented="--augment 2 --augment-rate 0.2 --synonyms $here/synonyms.tsv"
"$quern" train "$here/data.csv" --out "$here/more" $tiny $augmented --threads 1 >"$here/output" 2>&1 || fail "train --augment"
grep -q "2 words of the vocabulary have synonyms" "$here/output" || fail "--synonyms is not told"
grep -qx nice "$here/more/vocabulary.txt" || fail "synonyms are not in the vocabulary"
cmp -s "$here/more/model.safetensors" "$here/from_csv/model.safetensors" && fail "--augment changes nothing"
"$quern" train "$here/data.csv" --out "$here/more3" $tiny $augmented --threads 3 >"$here/output" 2>&1 || fail "train --augment"
same_bytes "$here/more/model.safetensors" "$here/more3/model.safetensors"
expect 1 "synonyms.tsv: .*No such file" "$quern" train "$here/data.csv" --out "$here/none" $tiny --augment 1 --synonyms "$here/no/synonyms.tsv"

# Unbalanced classes are weighed, and the reason is told.
awk 'NR < 140 || /neg$/' "$here/data.csv" >"$here/unbalanced.csv"
expect 0 "class weights: root, because the largest class has 1\.[5-9].* times .*: neg 0\..*, pos 1\." \
  "$quern" train "$here/unbalanced.csv" --out "$here/weighed" $tiny
expect 0 "class weights: balanced, as asked: neg" \
  "$quern" train "$here/unbalanced.csv" --out "$here/balanced" $tiny --class-weights balanced
expect 0 "class weights: none, the classes are of like size \(108 to 108 texts\)" "$quern" train "$here/data.csv" --out "$here/from_csv" $tiny --force
finish
