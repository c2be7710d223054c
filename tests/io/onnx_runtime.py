"""Runs every NAME.onnx of a folder in ONNX Runtime and compares with the logits of NAME.json beside it.

    python3 onnx_runtime.py FOLDER      exit code 77: onnx or onnxruntime is missing

Each batch is run twice: padded to its longest text, and by five more; padding holds ids of words, so that only the mask
tells it from tokens. Then each text alone.
"""
import glob, json, os, sys

try:
    import numpy, onnx, onnxruntime
except ImportError as missing:
    print(f"skipped: python3 has no {missing.name}")
    sys.exit(77)

TOLERANCE = 1e-4
failures = 0


def fail(what):
    global failures
    failures += 1
    print("FAILED:", what)


def padded(rows, length):
    """Padding holds words' ids, or types, in turn."""
    out = numpy.tile((numpy.arange(length) * 7 + 3) % (2 if max(map(max, rows)) < 2 else 11), (len(rows), 1))
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return out.astype(numpy.int64)


def largest_difference(session, texts, types, logits, length, name):
    mask = numpy.array([[1] * len(t) + [0] * (length - len(t)) for t in texts], numpy.int64)
    given = {"input_ids": padded(texts, length), "attention_mask": mask}
    if "token_type_ids" in {i.name for i in session.get_inputs()}:
        given["token_type_ids"] = padded(types, length)
    got = session.run(["logits"], given)[0]
    if got.shape != logits.shape or not numpy.isfinite(got).all():
        fail(f"{name}: logits of shape {got.shape}, expected {logits.shape}, all finite")
        return 0
    return float(numpy.abs(got - logits).max())


def main(folder):
    paths = sorted(glob.glob(os.path.join(folder, "*.onnx")))
    if not paths:
        fail("no model was written")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 2  # warnings of ours would be of interest
    for path in paths:
        name = os.path.basename(path)[: -len(".onnx")]
        onnx.checker.check_model(onnx.load(path), full_check=True)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        labels = json.loads(session.get_modelmeta().custom_metadata_map["id2label"])
        classes = session.get_outputs()[0].shape[1]
        if labels != {str(c): f'"class" {c}' for c in range(classes)}:
            fail(f"{name}: the note id2label is {labels}")
        worst = size = texts = 0.0
        for batch in json.load(open(path[: -len("onnx")] + "json")):
            logits = numpy.array(batch["logits"], numpy.float32)
            longest = max(map(len, batch["texts"]))
            runs = [(batch["texts"], batch["types"], logits, n) for n in (longest, longest + 5)]
            runs += [([t], [batch["types"][i]], logits[i : i + 1], len(t)) for i, t in enumerate(batch["texts"])]
            for run in runs:
                worst = max(worst, largest_difference(session, *run, name))
            size, texts = max(size, float(numpy.abs(logits).max())), texts + len(logits)
        print(f"{name}: {texts:.0f} texts, logits up to {size:.3f}, largest difference {worst:.2g}")
        if worst > TOLERANCE:
            fail(f"{name}: logits differ by {worst:.2g}, more than {TOLERANCE:g}")
    return failures


sys.exit(1 if main(sys.argv[1]) else 0)
