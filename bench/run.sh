#!/usr/bin/env bash
# The speed of Quern on this machine, beside its peers where there are any.
#
#   bench/run.sh                     the text CNN's training step beside PyTorch → build/bench/text_cnn.{json,svg}
#   bench/run.sh --rounds 20         more samples; see bench/peers/text_cnn_torch.py --help
#   bench/run.sh --ops [FILTER]      every op, after its results were checked → build/bench/{ops,loss,optim}.json
#   bench/run.sh --attention         attention beside PyTorch's scaled_dot_product_attention → build/bench/attention.json
#   bench/run.sh --bert              a BERT of MiniLM's shape: fine-tuning, inference, memory beside PyTorch → build/bench/bert.json
#   bench/run.sh --memory            layer_norm, softmax, gelu, AdamW beside PyTorch and a copy → build/bench/memory_bound.json
#   bench/run.sh --onnx              a text CNN's answers beside ONNX Runtime, on the file that Quern exports → build/bench/onnx.json
#   bench/run.sh --recurrent         nn::Lstm and nn::Gru, forward and backward, beside PyTorch → build/bench/recurrent.json
#
# QUERN_PEERS_PYTHON names a Python that has torch (--onnx: onnxruntime) and numpy. Where neither it nor the
# system's Python has them, they are installed from PyPI into build/peers. Where results differ, no time is printed and the exit code is 1.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=$root/build/bench
bin=$root/build/release/bin
mkdir -p "$out"

build() {
  [ -e "$root/build/release/build.ninja" ] || cmake -S "$root" --preset release >/dev/null
  cmake --build "$root/build/release" --target "$@" | tail -n 1
}

if [ "${1:-}" = --ops ]; then
  build bench_ops bench_loss bench_optim
  failed=0
  for part in ops loss optim; do
    "$bin/bench_$part" --benchmark_filter="${2:-.}" --benchmark_out="$out/$part.json" --benchmark_out_format=json
    if grep -q '"error_occurred": true' "$out/$part.json"; then failed=1; fi
  done
  exit $failed
fi

peer=text_cnn_torch program=bench_models needs=torch
if [ "${1:-}" = --onnx ]; then
  peer=onnx_runtime program=bench_onnx needs=onnxruntime
  shift
fi
if [ "${1:-}" = --memory ]; then
  peer=memory_bound_torch program=bench_memory_bound
  shift
elif [ "${1:-}" = --attention ]; then
  peer=attention_torch program=bench_attention
  shift
elif [ "${1:-}" = --bert ]; then
  peer=bert_torch program=bench_bert # needs transformers as well
  shift
fi
build "$program"
python=${QUERN_PEERS_PYTHON:-}
if [ -z "$python" ]; then
  python=$(command -v python3 || true)
  [ -n "$python" ] || { echo "bench/run.sh needs python3 (Debian and Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
  if ! "$python" -c "import $needs, numpy" 2>/dev/null; then
    peers=$root/build/peers
    if ! "$peers/bin/python" -c "import $needs, numpy" 2>/dev/null; then
      "$python" -m venv "$peers"
      "$peers/bin/pip" install --quiet "$needs" numpy
    fi
    python=$peers/bin/python
  fi
fi
exec "$python" "$root/bench/peers/$peer.py" --quern "$bin/$program" --out "$out" "$@"
