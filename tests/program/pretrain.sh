#!/usr/bin/env bash
# quern pretrain from nothing to a fine-tuned classifier: the same bytes for any threads and after a stop; masked words,
# sentences alone and in pairs; and what can be wrong.
. "$(dirname "$0")/common.bash"
source_folder=$source_dir
. "$source_dir/tests/program/tiny_bert.bash"
small_data >"$here/data.csv"
cut -d, -f1 "$here/data.csv" | tail -n +2 >"$here/texts.txt"
sizes="--vocabulary 130 --hidden 16 --layers 1 --heads 2 --feed-forward 24 --positions 16 --max-tokens 16"
pretrain="$quern pretrain $here/texts.txt $sizes --epochs 3 --batch 16 --lr 0.01 --dev 0.1 --seed 3"

# From nothing: a folder with its vocabulary, the same bytes each time.
expect 0 "epoch 3/3  train loss [0-9.]+  held-out loss [0-9.]+  accuracy 0" $pretrain --out "$here/encoder" --threads 1
expect 0 '"dev_accuracy":0\.' $pretrain --out "$here/encoder2" --threads 3 --json --recompute
same_bytes "$here/encoder/model.safetensors" "$here/encoder2/model.safetensors"
for file in config.json model.safetensors vocab.txt tokenizer_config.json pretrain.json metrics.json; do
  [ -s "$here/encoder/$file" ] || fail "no $file"
done
[ -e "$here/encoder/checkpoint.safetensors" ] && fail "a checkpoint was left behind"
grep -q '"hidden_dropout_prob": 0.1' "$here/encoder/config.json" || fail "config.json does not say the dropout"
echo superb >"$here/line.txt"
expect 0 '"\[CLS\]", "superb", "\[SEP\]"' "$quern" tokenize --from "$here/encoder" "$here/line.txt"
expect 0 "the model is in" $pretrain --out "$here/small" --weights bf16 --whole-words --mask-rate 0.3
[ "$(stat -c %s "$here/small/model.safetensors")" -lt $(($(stat -c %s "$here/encoder/model.safetensors") * 6 / 10)) ] ||
  fail "weights of bf16 are not half as large"

# Stopped and gone on with: the bytes of the unbroken run.
out=$here/stopped
interrupt "$out" $pretrain --checkpoint-seconds 0 --epochs 400
grep -q "interrupted: .* go on with --resume" "$here/output" || fail "Ctrl-C does not say how to go on"
cp "$out/pretrain.json" "$here/before.json"
expect 1 "epochs: then 400, now 3" $pretrain --out "$out" --resume
same_bytes "$here/before.json" "$out/pretrain.json" # a refused resume must not cost the settings of the run
expect 0 "has already ended" "$quern" pretrain --out "$here/encoder" --resume
program=$(realpath "$quern")
(cd "$here" && "$program" pretrain texts.txt $sizes --batch 16 --out relative) >"$here/output" 2>&1 || fail "a relative path"
grep -q "\"$here/texts.txt\"" "$here/relative/pretrain.json" || fail "pretrain.json holds a relative path"
for attempt in 1 2 3; do
  $pretrain --out "$here/killed" --resume --checkpoint-seconds 0 >"$here/output" 2>&1 &
  pid=$!
  sleep 0.1$attempt
  kill -KILL $pid 2>/dev/null
  wait $pid 2>/dev/null
done
[ -e "$here/killed/metrics.json" ] || expect 0 "the model is in" $pretrain --out "$here/killed" --resume
same_bytes "$here/encoder/model.safetensors" "$here/killed/model.safetensors"

# On from a folder: masked words again, sentences alone and in pairs; then fine-tuned to a classifier.
expect 0 "the model is in" "$quern" pretrain "$here/texts.txt" --from "$here/encoder" --max-tokens 16 --out "$here/more"
grep -q '"dropout": 0.1' "$here/more/pretrain.json" || fail "with --from its own dropout is not used"
for setting in "--dropout 0" "--precision bf16"; do
  expect 0 "the model is in" "$quern" pretrain "$here/texts.txt" --from "$here/encoder" --max-tokens 16 --out "$here/other" --force $setting
  cmp -s "$here/more/model.safetensors" "$here/other/model.safetensors" && fail "$setting changes nothing"
  grep -q '"hidden_dropout_prob": 0.1' "$here/other/config.json" || fail "$setting changes what config.json says"
done
expect 0 "the model is in" $pretrain --out "$here/wide" --initializer-range 0.1
cmp -s "$here/encoder/model.safetensors" "$here/wide/model.safetensors" && fail "--initializer-range changes nothing"
expect 0 "the model is in" "$quern" pretrain "$here/texts.txt" --from "$here/more" --objective simcse --max-tokens 16 --out "$here/alone"
printf 'text,other\na superb film,a good film\nan awful plot,a bad plot\nthe cast,the music\nlong scene,short scene\n' >"$here/pairs.csv"
printf 'half,\n' >>"$here/pairs.csv"
expect 0 "pairs left out, as a side is empty: 1" "$quern" pretrain "$here/pairs.csv" --from "$here/more" --objective simcse --pair-column other --dev 0 --epochs 2 --max-tokens 16 --out "$here/pairs"
grep -q dev_loss "$here/pairs/metrics.json" && fail "metrics.json tells a loss of no texts"
printf '%s\n' 甲乙丙丁戊己庚辛壬癸 甲乙丙丁戊己庚辛壬癸 >"$here/zh.txt"
expect 0 "[4-9][0-9][0-9] in a thousand \[UNK\]" "$quern" pretrain "$here/zh.txt" $sizes --alphabet 2 --dev 0 --out "$here/zh"
expect 0 " 0 in a thousand \[UNK\]" "$quern" pretrain "$here/zh.txt" $sizes --alphabet 0 --dev 0 --out "$here/zh0"
for from in encoder alone; do
  expect 0 "the model is in" "$quern" train "$here/data.csv" --model bert --from "$here/$from" --max-tokens 16 --epochs 12 --lr 0.01 --seed 1 --out "$here/tuned_$from"
  expect 0 "^accuracy +(0\.[789]|1)" "$quern" evaluate "$here/tuned_$from" "$here/data.csv"
done

# What can be wrong.
expect 1 "holds a model; give another --out" $pretrain --out "$here/encoder"
: >"$here/one.txt"
expect 1 "one.txt: is a file; give --out a folder" $pretrain --out "$here/one.txt"
simcse="$quern pretrain --from $here/more --objective simcse --out $here/none"
expect 2 "--batch: expected at least 2" $simcse "$here/pairs.csv" --batch 1
expect 2 "--dropout: without it a sentence and itself are one vector" $simcse "$here/texts.txt" --dropout 0
expect 2 "is the --text-column itself" $simcse "$here/pairs.csv" --text-column text --pair-column text
expect 1 "is read as lines of text, which have no column 'other'" $simcse "$here/texts.txt" --pair-column other
expect 1 "this BERT has no classifier yet" "$quern" predict "$here/more" "a film"
expect 1 "holds a model; give another --out, or replace it with --force" "$quern" export "$here/tuned_alone" --to huggingface --out "$here/more"
expect 0 "bert, [0-9]+ weights" "$quern" export "$here/tuned_alone" --to huggingface --out "$here/tuned_encoder" --force
expect 0 "the model is in" $pretrain --out "$here/encoder2" --force
tiny_bert "$here/tiny"
expect 1 "holds a model that quern pretrain did not write" $pretrain --out "$here/tiny" --force
expect 2 "give a file of texts" "$quern" pretrain --out "$here/none"
expect 2 "give the folder" "$quern" pretrain "$here/texts.txt"
expect 2 "--objective: expected mlm or simcse, got mln" $pretrain --out "$here/none" --objective mln
expect 2 "--mask-rate: expected a number above 0 and below 1, got 1" $pretrain --out "$here/none" --mask-rate 1
expect 2 "--mask-rate: --objective simcse has no such setting" $pretrain --out "$here/none" --objective simcse --mask-rate 0.3
expect 2 "--initializer-range: expected a number above 0" $pretrain --out "$here/none" --initializer-range 0
expect 2 "--precision: expected float or bf16" $pretrain --out "$here/none" --precision fp8
expect 2 "--vocabulary: the model of --from has its own" $pretrain --out "$here/none" --from "$here/encoder"
expect 2 "--max-tokens: expected at most --positions" $pretrain --out "$here/none" --max-tokens 17
expect 1 "the model has 16 positions, --max-tokens is 512" "$quern" pretrain "$here/texts.txt" --from "$here/encoder" --max-tokens 512 --out "$here/none"
expect 1 "cls.predictions.bias: missing" "$quern" pretrain "$here/texts.txt" --from "$here/alone" --max-tokens 16 --out "$here/none"
expect 1 "raise size or lower alphabet" $pretrain --vocabulary 20 --out "$here/none"
expect 1 "a lower learning rate" $pretrain --lr 1e30 --warmup-share 0 --out "$here/diverged"
: >"$here/empty.txt"
expect 1 "empty" "$quern" pretrain "$here/empty.txt" --out "$here/none"
expect 1 "missing.txt" "$quern" pretrain "$here/missing.txt" --out "$here/none"
expect 1 "column" "$quern" pretrain "$here/pairs.csv" --objective simcse --pair-column partner $sizes --out "$here/none"
[ -e "$here/none" ] && fail "a refused training has made its folder"
finish
