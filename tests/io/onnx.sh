#!/usr/bin/env bash
# Exported models give Quern's logits in ONNX Runtime: tests/io/onnx.cpp writes them, tests/io/onnx_runtime.py runs them.
# Skipped where python3 has no onnx or onnxruntime.
set -euo pipefail
cd "${QUERN_SOURCE:-.}"
python=${QUERN_PEERS_PYTHON:-$(command -v python3 || true)}
[ -n "$python" ] || { echo "skipped: there is no python3" && exit 77; }
"$python" -c 'import numpy, onnx, onnxruntime' 2>/dev/null ||
  { echo "skipped: $python has no numpy, onnx or onnxruntime" && exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
QUERN_ONNX_FOLDER=$folder "${QUERN_BIN:-build/dev/bin}/test_io" --test-case='onnx: models for ONNX Runtime'
"$python" tests/io/onnx_runtime.py "$folder"

# The page's Python.
cp "$folder/text_cnn.onnx" "$folder/model.onnx"
sed -n '/^```python$/,/^```$/p' docs/onnx.md | grep -v '^```' >"$folder/page.py"
[ -s "$folder/page.py" ] || { echo "docs/onnx.md has no Python" && exit 1; }
cd "$folder"
echo 'assert logits.shape == (2, 3) and logits.dtype == numpy.float32; print("docs/onnx.md:", logits.tolist())' >>page.py
"$python" page.py
