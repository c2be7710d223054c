#!/usr/bin/env bash
# Every kind of model from the first to the last: trained, resumed, measured, asked, attacked, exported; settings that a
# model does not have; folders of Hugging Face, with what can be wrong with them.
. "$(dirname "$0")/common.bash"
source_folder=$source_dir
. "$source_dir/tests/program/tiny_bert.bash"
small_data >"$here/data.csv"
small="--epochs 4 --batch 20 --lr 0.01 --seed 3 --patience 9"

# From nothing; the same bytes for any threads, and after a stop.
for model in lstm gru transformer; do
  options="--model $model --hidden 16 $small"
  [ $model = transformer ] || options+=" --embedding 8"
  [ $model = transformer ] && options+=" --heads 2 --feed-forward 16 --layers 1"
  train="$quern train $here/data.csv $options"
  expect 0 "the model is in" $train --out "$here/$model" --threads 1
  expect 0 "the model is in" $train --out "$here/${model}2" --threads 2
  same_bytes "$here/$model/model.safetensors" "$here/${model}2/model.safetensors"
  expect 0 "^accuracy +(0\.[89]|1)" "$quern" evaluate "$here/$model" "$here/data.csv"
  expect 0 "^pos	" "$quern" predict "$here/$model" "a superb film"
  expect 0 "under attack \(fgm" "$quern" evaluate "$here/$model" "$here/data.csv" --attack fgm
  grep -q '"filters"' "$here/$model/config.json" && fail "$model: config.json has settings of another model"
  expect 0 "$model, [0-9]+ weights, 2 classes" "$quern" export "$here/$model" --to onnx --out "$here/$model.onnx"
  [ -s "$here/$model.onnx" ] || fail "$model: no ONNX file"
done
expect 0 "the model is in" "$quern" train --config "$here/gru/config.json" --out "$here/again"
same_bytes "$here/gru/model.safetensors" "$here/again/model.safetensors"
expect 1 "is a gru, which Hugging Face has no form for" "$quern" export "$here/gru" --to huggingface --out "$here/none"
sed -i 's/"hidden": 16/"hidden": 17/' "$here/again/config.json"
expect 1 "holds [0-9]+ numbers, but the model of .*config.json" "$quern" predict "$here/again" "a film"

# Settings that a model does not have.
expect 2 "--filters: --model lstm has no such setting; it is one of text_cnn" "$quern" train "$here/data.csv" --model lstm --filters 3 --out "$here/none"
expect 2 "--hidden: --model text_cnn has no such setting" "$quern" train "$here/data.csv" --hidden 3 --out "$here/none"
expect 2 "--model: expected text_cnn, lstm, gru, transformer or bert, got lsdm" "$quern" train "$here/data.csv" --model lsdm --out "$here/none"
expect 1 "config.json: 'hidden': --model text_cnn has no such setting" "$quern" train --config "$here/gru/config.json" --model text_cnn --out "$here/none"
expect 2 "--hidden: expected a multiple of --heads, got 10" "$quern" train "$here/data.csv" --model transformer --hidden 10 --out "$here/none"
expect 2 "--from FOLDER" "$quern" train "$here/data.csv" --model bert --out "$here/none"
expect 2 "--max-tokens: expected at least 0" "$quern" train "$here/data.csv" --max_tokens -1 --out "$here/none"

# A folder of Hugging Face as it is: asked, measured, exported.
tiny_bert "$here/tiny"
expect 0 '^\{"label":"LABEL_[012]","probabilities":\{"LABEL_0":[0-9.e-]+,"LABEL_1":.*\},"logits":\[[-0-9.e]+,[-0-9.e]+,[-0-9.e]+\]\}$' \
  "$quern" predict "$here/tiny" "a superb film" --logits --json
printf 'text,label\na superb film,LABEL_1\nthe plot was awful,LABEL_0\n' >"$here/labels.csv"
expect 0 "accuracy" "$quern" evaluate "$here/tiny" "$here/labels.csv"
expect 1 "data.csv:2: label '(pos|neg)' is none of the model's 3 classes" "$quern" evaluate "$here/tiny" "$here/data.csv"
expect 0 "bert, [0-9]+ weights, 3 classes" "$quern" export "$here/tiny" --to onnx --out "$here/tiny.onnx"
expect 0 "bert, [0-9]+ weights" "$quern" export "$here/tiny" --to huggingface --out "$here/copy"
for text in "a superb film" "it was long"; do
  [ "$("$quern" predict "$here/tiny" "$text" --logits)" = "$("$quern" predict "$here/copy" "$text" --logits)" ] ||
    fail "an exported folder gives other logits"
done

# Lines of text have no columns: the one that a model was trained with is not asked for.
sed '1s/text/review/' "$here/data.csv" >"$here/named.csv"
expect 0 "the model is in" "$quern" train "$here/named.csv" --text-column review --epochs 1 --out "$here/named"
printf 'a superb film\n' >"$here/lines.txt"
expect 0 "a superb film|neg|pos" "$quern" predict "$here/named" "$here/lines.txt"

# Fine-tuned: a folder of the same form, which is trained further, and which predicts what it predicted.
tuned="$quern train $here/data.csv --model bert --from $here/tiny --max-tokens 12 --lr 0.003 --epochs 3 --batch 16 --seed 3"
expect 1 "label '(pos|neg)' is none of the model's 3 classes.*; the classes are those of .*--new-head" $tuned --out "$here/none"
expect 0 "classifier.weight" $tuned --new-head --out "$here/tuned" --threads 1
expect 0 "the model is in" $tuned --new-head --out "$here/tuned2" --threads 2 --recompute
same_bytes "$here/tuned/model.safetensors" "$here/tuned2/model.safetensors"
grep -q '"pos"' "$here/tuned/config.json" && grep -q '"layer_decay"' "$here/tuned/quern.json" || fail "the folder of a fine-tuned BERT"
same_bytes "$here/tiny/vocab.txt" "$here/tuned/vocab.txt"
expect 0 "accuracy" "$quern" evaluate "$here/tuned" "$here/data.csv"
expect 0 "the model is in" $tuned --new-head --out "$here/other" --layer-decay 0.5 --adversarial fgm --epsilon 0.1
cmp -s "$here/tuned/model.safetensors" "$here/other/model.safetensors" && fail "--layer-decay and --adversarial change nothing"
expect 0 "the model is in" $tuned --new-head --out "$here/bf16" --precision bf16
cmp -s "$here/tuned/model.safetensors" "$here/bf16/model.safetensors" && fail "--precision bf16 changes nothing"
expect 0 "accuracy" "$quern" evaluate "$here/bf16" "$here/data.csv"
expect 2 "--precision: expected float or bf16, got half" $tuned --new-head --out "$here/none" --precision half
expect 0 "the model is in" "$quern" train "$here/data.csv" --model bert --from "$here/tuned" --max-tokens 12 --epochs 1 --out "$here/further"
expect 0 "this run has already ended" "$quern" train --out "$here/tuned" --resume
expect 1 "holds a finished run" $tuned --new-head --out "$here/tuned"
expect 0 "the model is in" $tuned --new-head --out "$here/tuned" --force
same_bytes "$here/tuned/model.safetensors" "$here/tuned2/model.safetensors"

# What can be wrong with a folder.
expect 2 "--out is the folder of --from" $tuned --new-head --out "$here/tiny"
expect 1 "holds a model that quern train did not write" $tuned --new-head --out "$here/copy" --force
expect 1 "the model has 12 positions, --max-tokens is 512" "$quern" train "$here/data.csv" --model bert --from "$here/tiny" --new-head --out "$here/none"
expect 1 "nowhere: is no folder" "$quern" train "$here/data.csv" --model bert --from "$here/nowhere" --out "$here/none"
expect 1 "config.json" "$quern" train "$here/data.csv" --model bert --from "$here/gru" --out "$here/none"
damaged() { # damaged PATTERN COMMAND…: the command damages $here/copy; then predict fails with the pattern
  rm -rf "$here/copy" && cp -r "$here/tiny" "$here/copy"
  "${@:2}"
  expect 1 "$1" "$quern" predict "$here/copy" "a good film"
}
damaged "copy: has neither tokenizer.json nor vocab.txt" rm "$here/copy/vocab.txt"
damaged "model.safetensors" rm "$here/copy/model.safetensors"
damaged "the weights do not fit config.json" sed -i 's/"intermediate_size": 64/"intermediate_size": 65/' "$here/copy/config.json"
damaged "its tokenizer has 61 tokens, but config.json says 'vocab_size' 60" bash -c "seq 100 $((100 + 20)) >>'$here/copy/vocab.txt'"
damaged "truncated" truncate -s -4 "$here/copy/model.safetensors"
[ -e "$here/none" ] && fail "a refused training left a folder"
finish
