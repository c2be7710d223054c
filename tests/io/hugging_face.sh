#!/usr/bin/env bash
# Folders of transformers go through Quern and back: what transformers computes from both is equal, to 1e-6. Skipped
# where python3 has no torch or transformers.
set -euo pipefail
cd "${QUERN_SOURCE:-.}"
python=${QUERN_PEERS_PYTHON:-$(command -v python3 || true)}
[ -n "$python" ] || { echo "skipped: there is no python3" && exit 77; }
"$python" -c 'import torch, transformers' 2>/dev/null || { echo "skipped: $python has no torch or transformers" && exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
quietly() { "$@" >"$folder/log" 2>&1 || { cat "$folder/log" && exit 1; }; }  # transformers shows how it loads

quietly "$python" tests/io/hugging_face_transformers.py make "$folder/models"
for kind in "$folder"/models/*; do
  QUERN_BERT_IN=$kind QUERN_BERT_OUT=$kind.quern quietly "${QUERN_BIN:-build/dev/bin}/test_io" \
    --test-case='hugging_face: out and in again for transformers'
done
quietly "$python" tests/io/hugging_face_transformers.py compare "$folder/models"
grep 'largest difference' "$folder/log"
