#!/usr/bin/env bash
# Adversarial training and accuracy under attack; the pictures and event files of a training; SIGTERM.
. "$(dirname "$0")/common.bash"
RANDOM=${QUERN_TEST_SEED:=$$}
echo "QUERN_TEST_SEED=$QUERN_TEST_SEED"
small_data >"$here/data.csv"
train="$quern train $here/data.csv $tiny"

# Training against an attack: other bytes than without, the same for any threads, described in config.json.
$train --out "$here/plain" --tensorboard "$here/events" --tensorboard-steps 5 >"$here/output" 2>&1 || fail "train"
hard="$train --adversarial pgd --epsilon 0.5 --attack-steps 2 --checkpoint-seconds 0"
for threads in 1 5; do
  $hard --out "$here/pgd$threads" --threads $threads >"$here/output" 2>&1 || fail "train --adversarial pgd"
done
same_bytes "$here/pgd1/model.safetensors" "$here/pgd5/model.safetensors"
cmp -s "$here/pgd1/model.safetensors" "$here/plain/model.safetensors" && fail "--adversarial changes nothing"
grep -q '"adversarial": "pgd"' "$here/pgd1/config.json" || fail "config.json: no adversarial"
expect 0 "the model is in" $train --out "$here/fgm" --adversarial fgm
expect 2 "--epsilon: expected a number above 0, got 0" $train --out "$here/none" --adversarial fgm --epsilon 0
expect 2 "--adversarial: expected none, fgm or pgd" $train --out "$here/none" --adversarial hard

# Killed again and again it ends with the same bytes.
out=$here/killed kills=0
for _ in $(seq 25); do
  $hard --out "$out" --resume >"$here/output" 2>&1 &
  pid=$!
  sleep "0.$((RANDOM % 30 + 10))"
  kill -KILL $pid 2>/dev/null || { wait $pid && break; }
  wait $pid 2>/dev/null
  kills=$((kills + 1))
done
$hard --out "$out" --resume >"$here/output" 2>&1 || { fail "resuming" && cat "$here/output"; }
echo "killed $kills times"
same_bytes "$here/pgd1/model.safetensors" "$out/model.safetensors"

# Accuracy under attack.
expect 0 "under attack \(fgm, epsilon 0.5, 1 steps\): accuracy [01]\.[0-9]{4}, without" \
  "$quern" evaluate "$here/plain" "$here/data.csv" --attack fgm --epsilon 0.5
expect 2 "expected an epsilon above 0" "$quern" evaluate "$here/plain" "$here/data.csv" --attack fgm --epsilon -1
expect 2 "attack" "$quern" evaluate "$here/plain" "$here/data.csv" --attack hard
loss_under_attack() { # loss_under_attack MODEL
  "$quern" evaluate "$1" "$here/data.csv" --attack pgd --epsilon 0.5 --json 2>"$here/stderr" |
    sed -n 's/.*"attack":{"kind":"pgd","epsilon":0.5,"steps":3,"step_size":[0-9.]*,"accuracy":[0-9.]*,"macro_f1":[0-9.e-]*,"loss":\([0-9.e-]*\)}.*/\1/p'
}
plain=$(loss_under_attack "$here/plain") pgd=$(loss_under_attack "$here/pgd1")
awk -v a="$pgd" -v b="$plain" 'BEGIN { exit !(a > 0 && b > 0) }' || fail "evaluate --attack --json: '$plain' '$pgd'"
"$quern" evaluate "$here/plain" "$here/data.csv" --json 2>"$here/stderr" | grep -q '"attack"' && fail "an attack nobody asked for"

# Pictures, and the events of a training; --force takes the old pictures away.
for picture in learning_curves confusion; do
  grep -q "</svg>" "$here/plain/$picture.svg" || fail "no $picture.svg"
done
expect 0 "the model is in" $train --out "$here/plain" --force --dev 0
[ -e "$here/plain/confusion.svg" ] && fail "without development texts there is nothing to confuse"
[ "$(find "$here/events" -name 'events.out.tfevents.*' | wc -l)" = 1 ] || fail "no event file"
for tag in loss/batch learning_rate loss/train loss/dev accuracy/dev macro_f1/dev; do
  grep -aq "$tag" "$here"/events/events.out.tfevents.* || fail "no events of $tag"
done
expect 0 "all folds" $train --folds 2 --tensorboard "$here/folds" --out "$here/both"
[ -n "$(find "$here/folds/fold_2" -name 'events.*')" ] && [ -s "$here/both/confusion.svg" ] || fail "folds: no events, no picture"

# SIGTERM is as good as Ctrl-C; with --json there is JSON, also of folds that did not all end.
stopped() { # stopped SIGNAL COMMAND…: sends the signal once it trains; the exit code is to be 1
  env --default-signal=INT,TERM "${@:2}" >"$here/stdout" 2>"$here/stderr" &
  pid=$!
  for _ in $(seq 100); do
    sleep 0.05
    grep -q "^epoch [3-9]" "$here/stderr" && break
  done
  kill -"$1" $pid
  wait $pid
  local code=$?
  [ $code = 1 ] || fail "$1: exit code $code, expected 1: ${*:2}"
}
stopped TERM $train --out "$here/term" --epochs 100000 --patience 100000 --json
grep -q "interrupted: .* holds the best model so far" "$here/stderr" || { fail "SIGTERM does not say what it kept" && cat "$here/stderr"; }
grep -q '"interrupted":true' "$here/stdout" || fail "SIGTERM: no JSON"
expect 0 "pos|neg" "$quern" predict "$here/term" "good film"
stopped INT $train --folds 3 --epochs 100000 --patience 100000 --json
grep -q '^{"accuracy":null,.*"folds":\[\],"interrupted":true}$' "$here/stdout" ||
  { fail "Ctrl-C in the first fold: no JSON" && cat "$here/stdout" "$here/stderr"; }
finish
