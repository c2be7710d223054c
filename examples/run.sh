#!/usr/bin/env bash
# The main job, from nothing: installs what is missing, builds the program, trains a text CNN on the reviews that come
# with Quern, measures it on the test set and classifies a sentence; the same with the small BERT that comes with Quern,
# which has read film reviews without labels before (transfer learning); then a text CNN for the Chinese reviews.
#
#   examples/run.sh                                  classifies a sentence of its own
#   examples/run.sh "A film I would watch again."    classifies yours
set -euo pipefail
cd "$(dirname "$0")/.."
. examples/install.sh

stage() { # stage NAME COMMAND…: runs the command and prints its time
  local name=$1 start=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  "$@"
  printf -- '-- %s: %d s\n' "$name" $((SECONDS - start))
}

build() {
  cmake --preset release >build/configure.log
  cmake --build --preset release --target quern
}

train() { # train DATA OUT [more options]: afresh, also when the folder is there from an earlier run
  rm -rf "$2"
  $quern train "$1" --out "$2" --seed 1 "${@:3}"
}

classify() { # classify MODEL TEXT
  echo "$2"
  $quern predict "$1" "$2"
}

quern=build/release/bin/quern
sentence=${*:-The plot is thin, but the two leads are so warm and funny that I did not mind at all.}

mkdir -p build
stage "install what is missing" install_missing
stage "build the program" build
stage "train on English reviews" train examples/data/reviews_en/train.csv build/reviews_en --model text_cnn
stage "evaluate on the test set" $quern evaluate build/reviews_en examples/data/reviews_en/test.csv
stage "classify a sentence" classify build/reviews_en "$sentence"
stage "fine-tune a pretrained encoder on them" train examples/data/reviews_en/train.csv build/reviews_en_bert \
  --model bert --from examples/encoder_en --lr 3e-4 --dev 0.1 --epochs 8 --patience 8 --stop-on macro_f1
stage "evaluate on the test set" $quern evaluate build/reviews_en_bert examples/data/reviews_en/test.csv
stage "classify a sentence" classify build/reviews_en_bert "$sentence"
stage "train on Chinese reviews" train examples/data/reviews_zh/train.csv build/reviews_zh --model text_cnn \
  --tokenizer characters
stage "evaluate on the test set" $quern evaluate build/reviews_zh examples/data/reviews_zh/test.csv
stage "classify a sentence" classify build/reviews_zh "味道很好，服务也热情，下次还会再来。"
printf '\nDone in %d s. The models are in build/reviews_en, build/reviews_en_bert and build/reviews_zh.\n' $SECONDS
