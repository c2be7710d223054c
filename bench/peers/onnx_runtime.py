"""Kim's text CNN in Quern beside ONNX Runtime, which runs the file that Quern exports: the same weights, the same run.

    python onnx_runtime.py --quern build/release/bin/bench_onnx --out build/bench          (bench/run.sh --onnx does)

First the logits are compared; where they differ by more than 1e-4 no time is printed and the exit code is 1. Then each,
in a process of its own, is timed in turn for some rounds. ONNX Runtime is given texts that are padded already, Quern
texts that are packed already. Writes onnx.json into the folder given.
"""
import argparse, json, os, subprocess, sys, time

from text_cnn_torch import QUIET, Peer, wait_for_quiet

TOLERANCE = 1e-4


def padded(texts):
    import numpy
    length = max(map(len, texts))
    ids, mask = numpy.zeros((len(texts), length), numpy.int64), numpy.zeros((len(texts), length), numpy.int64)
    for i, text in enumerate(texts):
        ids[i, : len(text)], mask[i, : len(text)] = text, 1
    return {"input_ids": ids, "attention_mask": mask}


def worker(folder, threads):
    """ONNX Runtime, a process of its own."""
    import numpy, onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(folder + "/text_cnn.onnx", options, providers=["CPUExecutionProvider"])
    cases = json.load(open(folder + "/text_cnn_batches.json"))
    inputs = [padded(c["texts"]) for c in cases]
    for line in sys.stdin:
        request = line.split()
        if request[0] == "quit":
            break
        if request[0] == "check":
            answer = [float(numpy.abs(session.run(["logits"], x)[0] - numpy.array(c["logits"])).max())
                      for x, c in zip(inputs, cases)]
        if request[0] == "time":
            x, calls, start = inputs[int(request[2])], 0, time.perf_counter()
            while (passed := time.perf_counter() - start) < float(request[1]):
                session.run(["logits"], x)
                calls += 1
            answer = [calls, passed]
        if request[0] == "machine":
            answer = onnxruntime.__version__
        print(json.dumps(answer), flush=True)


def main(a):
    folder = os.path.join(a.out, "onnx")
    os.makedirs(folder, exist_ok=True)
    subprocess.run([a.quern, "inputs", folder], check=True)
    cases = json.load(open(folder + "/text_cnn_batches.json"))
    report = {"rows": [], "tolerance": TOLERANCE}
    for threads in (1, 2):
        quern = Peer("quern", threads, [a.quern, "serve", folder, str(threads)])
        other = Peer("onnxruntime", threads, [sys.executable, os.path.abspath(__file__), "--worker", folder,
                                              "--threads", str(threads)])
        report["version"] = other.ask("machine")
        differences = other.ask("check")
        print(f"{threads} thread(s): logits differ by at most {max(differences):.1e}")
        if not max(differences) <= TOLERANCE:
            sys.exit("the results differ, so no time is taken")
        patience = a.patience
        for n, case in enumerate(cases):
            for p in (quern, other):
                p.samples = []
                p.ask(f"time 0.1 {n}")  # buffers, caches, thread pools
            for _ in range(a.rounds):
                for p in (quern, other):
                    patience -= wait_for_quiet(patience)
                    p.sample(f"{a.seconds} {n}")
            rows = [dict(p.row(), case=case["name"], samples_per_second=None) for p in (quern, other)]
            report["rows"] += rows
            quiet = min(r["quiet_samples"] for r in rows)
            print(f"{case['name']:28}{threads} thread(s): " + ", ".join(
                f"{r['peer']} {r['ms_min']:.3f} ms (median {r['ms_median']:.3f}), {r['peak_rss_mb']:.0f} MB" for r in rows) +
                f"; quern is {rows[1]['ms_median'] / rows[0]['ms_median']:.2f} x as fast by median"
                + ("" if quiet >= 3 else f" (others used {QUIET} cores or more during most samples)"))
        quern.close(), other.close()
    print("onnxruntime", report["version"])
    with open(os.path.join(a.out, "onnx.json"), "w") as f:
        json.dump(report, f, indent=1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quern"), parser.add_argument("--out", default="build/bench")
    parser.add_argument("--rounds", type=int, default=10), parser.add_argument("--seconds", type=float, default=0.25)
    parser.add_argument("--patience", type=float, default=30, help="seconds it may wait for other processes to rest")
    parser.add_argument("--worker"), parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    worker(arguments.worker, arguments.threads) if arguments.worker else main(arguments)
