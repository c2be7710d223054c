#!/usr/bin/env bash
# A training killed at a random moment goes on, and ends with the bytes of the unbroken run; so do 1, 2 and 5 threads.
. "$(dirname "$0")/common.bash"
RANDOM=${QUERN_TEST_SEED:=$$}
echo "QUERN_TEST_SEED=$QUERN_TEST_SEED"
small_data >"$here/data.csv"
train="$quern train $here/data.csv $tiny --checkpoint-seconds 0"

for threads in 1 2 5; do
  $train --out "$here/threads$threads" --threads $threads >"$here/output" 2>&1 || fail "training with $threads threads"
done
same_bytes "$here/threads1/model.safetensors" "$here/threads2/model.safetensors"
same_bytes "$here/threads1/model.safetensors" "$here/threads5/model.safetensors"
began=$(date +%s%N)
$train --out "$here/unbroken" --threads 2 >"$here/output" 2>&1 || fail "the unbroken training"
length=$((($(date +%s%N) - began) / 1000000)) # ms
same_bytes "$here/threads1/model.safetensors" "$here/unbroken/model.safetensors"
$train --out "$here/other" --seed 4 >"$here/output" 2>&1 || fail "training with another seed"
cmp -s "$here/unbroken/model.safetensors" "$here/other/model.safetensors" && fail "another seed gave the same bytes"

# Ten trainings, each killed once, anywhere from its start to its end. One that ended before its signal came, on a
# machine that has become faster, counts for nothing: the next signals come sooner.
killed=0 attempts=0
while [ $killed -lt 10 ] && [ $attempts -lt 100 ]; do
  attempts=$((attempts + 1))
  out=$here/killed$attempts
  $train --out "$out" >"$here/output" 2>&1 &
  pid=$!
  sleep "$(awk -v ms=$((RANDOM % (length + 1))) 'BEGIN { print ms / 1000 }')"
  if ! kill -KILL $pid 2>/dev/null; then
    wait $pid
    length=$((length * 4 / 5))
    continue
  fi
  wait $pid 2>/dev/null
  killed=$((killed + 1))
  $train --out "$out" --resume >"$here/output" 2>&1 || { fail "resuming after kill $killed" && cat "$here/output"; }
  same_bytes "$here/unbroken/model.safetensors" "$out/model.safetensors"
  same_bytes "$here/unbroken/vocabulary.txt" "$out/vocabulary.txt"
  [ -e "$out/metrics.json" ] || fail "no metrics.json after kill $killed"
  [ -e "$out/checkpoint.safetensors" ] && fail "a checkpoint was left behind after kill $killed"
  [ -z "$(find "$out" -name '*.tmp')" ] || fail "a half-written file was left behind after kill $killed"
done
echo "$killed trainings were killed before their end, of $attempts started"
[ $killed = 10 ] || fail "only $killed of $attempts trainings could be killed before they ended"

# One training killed again and again, until it ends.
out=$here/chain
kills=0
for round in $(seq 60); do
  $train --out "$out" --resume >"$here/output" 2>&1 &
  pid=$!
  sleep "$(awk -v ms=$((length / 5 + RANDOM % (length / 3 + 1))) 'BEGIN { print ms / 1000 }')"
  if ! kill -KILL $pid 2>/dev/null; then
    wait $pid
    break
  fi
  wait $pid 2>/dev/null
  kills=$((kills + 1))
done
$quern train --out "$out" --resume >"$here/output" 2>&1 || fail "the last resume"
echo "one training was killed $kills times"
same_bytes "$here/unbroken/model.safetensors" "$out/model.safetensors"

# Ctrl-C: exit code 1, a folder that predicts, and a run that goes on to the same end.
out=$here/interrupted
interrupt "$out" $train --epochs 2000 --patience 2000
grep -q "interrupted: .* holds the" "$here/output" || { fail "Ctrl-C does not say what it kept" && cat "$here/output"; }
expect 0 "pos|neg" "$quern" predict "$out" "good film"
[ -e "$out/checkpoint.safetensors" ] || fail "Ctrl-C left no checkpoint to go on from"
expect 1 "of another run" $train --out "$out" --resume --epochs 2000 --patience 2000 --lr 0.03
expect 1 "lr: then 0.02, now 0.03" $train --out "$out" --resume --epochs 2000 --patience 2000 --lr 0.03
finish
