#!/usr/bin/env bash
# Devices from end to end: what is chosen and why, errors where a GPU is missing, and a training through the CUDA path on
# the emulator (quern_on_emulator is the same program, linked with it).
. "$(dirname "$0")/common.bash"
small_data >"$here/data.csv"

expect 0 "^cpu " "$quern" devices
expect 0 "auto takes cpu: this program was built without a CUDA part" "$quern" devices
expect 0 '"auto":"cpu"' "$quern" devices --json
expect 0 "device: cpu \(this program was built without a CUDA part\)" "$quern" train "$here/data.csv" --out "$here/cpu" $tiny
for device in cuda cuda:0; do
  expect 1 "device $device: this program was built without a CUDA part" \
    "$quern" train "$here/data.csv" --out "$here/none" $tiny --device "$device"
done
[ ! -e "$here/none" ] || fail "a refused training left a folder"
for device in gpu cuda1 cuda:x cuda: CUDA; do
  expect 1 "device '$device' is not known; expected cpu, cuda" "$quern" evaluate "$here/cpu" "$here/data.csv" --device "$device"
done

emulated=${quern}_on_emulator
if [ ! -x "$emulated" ]; then
  echo "skipped: $emulated is not built; what needs no kernels passed"
  [ "$failed" = 0 ] && exit 77
  exit 1
fi
expect 0 "cuda:0 +emulator" "$emulated" devices
expect 0 "auto takes cuda:0: the first GPU" "$emulated" devices
expect 1 "device cuda:1: there are 1 CUDA devices" "$emulated" evaluate "$here/cpu" "$here/data.csv" --device cuda:1
expect 0 "device: cuda:0 +emulator" "$emulated" train "$here/data.csv" --out "$here/gpu" $tiny --device cuda
"$emulated" train "$here/data.csv" --out "$here/again" $tiny --device cuda >"$here/output" 2>&1 || fail "training again"
same_bytes "$here/gpu/model.safetensors" "$here/again/model.safetensors" # the same bits from run to run

# The two devices come to the same model but for rounding, and either runs the other's.
losses() { grep -oE '"(train|dev)_loss": *[0-9.e-]+' "$1/metrics.json" | sed 's/.*: *//'; }
paste <(losses "$here/cpu") <(losses "$here/gpu") >"$here/losses"
awk '{ d = $1 - $2; if (NF != 2 || d * d > 1e-6) bad = 1 } END { exit bad || NR != 12 }' "$here/losses" ||
  fail "the losses of the CPU and of the device differ:"$'\n'"$(cat "$here/losses")"
for device in cpu cuda; do
  expect 0 "^pos	" "$emulated" predict "$here/gpu" "a superb film" --device "$device"
  expect 0 "^neg	" "$emulated" predict "$here/cpu" "an awful film" --device "$device"
  expect 0 "accuracy +(0\.9|1)" "$emulated" evaluate "$here/gpu" "$here/data.csv" --device "$device"
done

finish
