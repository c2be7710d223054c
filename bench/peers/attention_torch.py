"""attention in Quern beside torch.nn.functional.scaled_dot_product_attention: the same inputs, the same run.

    python attention_torch.py --quern build/release/bin/bench_attention --out build/bench        (bench/run.sh --attention)

First results are compared: y, and the gradients of q, k and v. Where they differ beyond the tolerance below, no time is
printed and the exit code is 1. Then both, each a process of its own, are timed in turn for some rounds. The shortest
call of all rounds counts; the median of the rounds' means stands beside it. Both get q, k and v as the rows of a
projection, [texts, tokens, heads · width]: PyTorch by a view and a transpose, as its own modules do. PyTorch's memory
allocator is told to keep what it has. Writes attention.json into the folder given.
"""
import argparse, json, math, os, statistics, sys, time

from memory_bound_torch import Peer
from text_cnn_torch import QUIET, busy_and_stolen, wait_for_quiet

# texts, tokens, heads, columns of a head: MiniLM's and BERT-base's, a long text alone, and short ones
SHAPES = [(32, 128, 12, 32), (32, 128, 12, 64), (1, 512, 12, 32), (1, 512, 12, 64), (64, 16, 12, 32), (4, 1024, 12, 64)]
OPS = ["forward", "training"]
TOLERANCE = 1e-5  # norm-wise: |a - b| / |b|


def products(op, texts, tokens, heads, width):
    """Multiplications and additions of the matrix products: two forward, and five backward with the scores made again."""
    return (2 if op == "forward" else 7) * 2 * texts * heads * tokens * tokens * width


# --- the PyTorch side, a process of its own -------------------------------------------------------------------------
def worker(folder, threads):
    import numpy, torch
    import torch.nn.functional as F

    torch.set_num_threads(threads)

    def case(op, *shape):
        texts, tokens, heads, width = shape
        size = "x".join(map(str, shape))
        read = lambda name: torch.from_numpy(numpy.fromfile(f"{folder}/{name}.{size}.f32", dtype=numpy.float32).reshape(
            texts, tokens, heads * width))
        q, k, v, dy = (read(name) for name in ("q", "k", "v", "dy"))
        turned = lambda x: x.view(texts, tokens, heads, width).transpose(1, 2)
        attend = lambda: F.scaled_dot_product_attention(turned(q), turned(k), turned(v)).transpose(1, 2).reshape(q.shape)
        if op == "forward":
            def call():
                with torch.no_grad():
                    return [attend()]
            return call
        for x in (q, k, v):
            x.requires_grad_()

        def training():
            y = attend()
            return [y, *torch.autograd.grad(y, (q, k, v), dy)]
        return training

    cases = {}
    for line in sys.stdin:
        request = line.split()
        if request[0] == "quit":
            break
        if request[0] == "machine":
            print(json.dumps({"torch": torch.__version__, "numpy": numpy.__version__}), flush=True)
            continue
        op, shape = request[1], tuple(int(x) for x in request[2:6])
        call = cases.setdefault((op, shape), None) or case(op, *shape)
        cases[op, shape] = call
        if request[0] == "check":
            answer = f"{folder}/torch.{op}.{'x'.join(map(str, shape))}.{threads}.f32"
            numpy.concatenate([t.detach().numpy().ravel() for t in call()]).tofile(answer)
        else:
            calls, passed, least = 0, 0.0, math.inf
            while calls == 0 or passed < float(request[6]):
                start = time.perf_counter()
                call()
                took = time.perf_counter() - start
                calls, passed, least = calls + 1, passed + took, min(least, took)
            answer = [calls, passed, least]
        print(json.dumps(answer), flush=True)


# --- the side that compares and times --------------------------------------------------------------------------------
def write_inputs(folder):
    import numpy
    random = numpy.random.default_rng(1)
    for shape in SHAPES:
        texts, tokens, heads, width = shape
        for name in ("q", "k", "v", "dy"):
            size = "x".join(map(str, shape))
            random.standard_normal(texts * tokens * heads * width).astype(numpy.float32).tofile(f"{folder}/{name}.{size}.f32")


def compare(ours, theirs, op, shape):
    """The norm-wise distance of the result that differs most."""
    import numpy
    request = f"check {op} {' '.join(map(str, shape))}"
    files = [p.ask(request) for p in (ours, theirs)]
    a, b = (numpy.fromfile(f, dtype=numpy.float32).astype(numpy.float64) for f in files)
    for f in files:
        os.remove(f)
    results = 1 if op == "forward" else 4
    if a.size != results * math.prod(shape) or b.size != a.size:
        return math.inf
    return max(float(numpy.linalg.norm(x - y) / numpy.linalg.norm(y))
               for x, y in zip(a.reshape(results, -1), b.reshape(results, -1)))


def main(a):
    folder = os.path.join(a.out, "attention")
    os.makedirs(folder, exist_ok=True)
    write_inputs(folder)
    counts = [int(t) for t in a.threads_list.split(",")]
    python = [sys.executable, os.path.abspath(__file__), "--worker", folder, "--threads"]
    ours = {t: Peer("quern", t, [a.quern, folder, str(t)]) for t in counts}
    theirs = {t: Peer("torch", t, python + [str(t)]) for t in counts}
    cases = [(t, op, shape) for shape in SHAPES for op in OPS for t in counts]
    checks = [{"threads": t, "op": op, "shape": shape, "error": compare(ours[t], theirs[t], op, shape)}
              for t, op, shape in cases]
    wrong = [c for c in checks if not c["error"] <= TOLERANCE]
    for c in wrong:
        print(f"differs: {c['op']} of {c['shape']}, {c['threads']} thread(s): {c['error']:.2e}, at most {TOLERANCE:.0e}")
    if wrong:
        sys.exit("the results differ, so no time is taken")
    print(f"results of {len(cases)} cases agree with PyTorch's: norm-wise at most {max(c['error'] for c in checks):.1e}")
    samples = {c: {"quern": [], "torch": [], "others": []} for c in cases}
    patience = a.patience
    for _ in range(a.rounds):
        for c in cases:
            t, op, shape = c
            patience -= wait_for_quiet(patience)
            (busy, stolen), start = busy_and_stolen(), time.perf_counter()
            for name, peer in (("quern", ours[t]), ("torch", theirs[t])):
                calls, passed, least = peer.ask(f"time {op} {' '.join(map(str, shape))} {a.seconds}")
                samples[c][name].append((passed / calls, least))
            wall = time.perf_counter() - start
            used = [y - x for x, y in zip((busy, stolen), busy_and_stolen())]
            samples[c]["others"].append(max(0.0, sum(used) / wall - t))  # beyond what ours could use
    machine = {t: ours[t].ask("machine") for t in counts}
    versions = theirs[counts[0]].ask("machine")
    for p in [*ours.values(), *theirs.values()]:
        p.close()
    rows = []
    print(f"{'texts x tokens x heads x width':31}{'':9}thr {'quern us':>9} (median) {'GFLOP/s':>8}{'% fma':>6} {'torch us':>9} "
          "(median)  faster by (median)")
    for c in cases:
        t, op, shape = c
        s, flops = samples[c], products(op, *shape)
        q, p = (min(least for _, least in s[name]) for name in ("quern", "torch"))
        qm, pm = (statistics.median(mean for mean, _ in s[name]) for name in ("quern", "torch"))
        peak = machine[t]["fma_gflops"]
        rows.append({"shape": shape, "op": op, "threads": t, "quern_us": q * 1e6, "quern_us_median": qm * 1e6,
                     "torch_us": p * 1e6, "torch_us_median": pm * 1e6, "gflops": flops / q * 1e-9,
                     "percent_of_fma": 1e-7 * flops / q / peak, "others_cores_median": statistics.median(s["others"])})
        print(f"{' x '.join(map(str, shape)):31}{op:9}{t:3} {q * 1e6:9.0f} ({qm * 1e6:6.0f}) {flops / q * 1e-9:8.0f}"
              f"{1e-7 * flops / q / peak:5.0f}% {p * 1e6:9.0f} ({pm * 1e6:6.0f}){p / q:9.2f} ({pm / qm:.2f})")
    if statistics.median(r["others_cores_median"] for r in rows) > QUIET:
        print(f"note: others used more than {QUIET} cores during most samples; repeat this on a quiet machine")
    with open(os.path.join(a.out, "attention.json"), "w") as f:
        json.dump({"machine": machine, "versions": versions, "checks": checks, "rows": rows}, f, indent=1)
    print(f"written: {os.path.join(a.out, 'attention.json')}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quern"), parser.add_argument("--out", default="build/bench")
    parser.add_argument("--rounds", type=int, default=8), parser.add_argument("--seconds", type=float, default=0.05)
    parser.add_argument("--threads-list", default="1,2")
    parser.add_argument("--patience", type=float, default=30, help="seconds it may wait for other processes to rest")
    parser.add_argument("--worker"), parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments.worker, arguments.threads)
    else:
        main(arguments)
