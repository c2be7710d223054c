"""Ops that memory or cache bandwidth bounds, in Quern beside PyTorch: the same inputs, the same run.

    python memory_bound_torch.py --quern build/release/bin/bench_memory_bound --out build/bench    (bench/run.sh --memory)

First results are compared: values, gradients, and the weights after three steps of AdamW. Where they differ beyond the
tolerances below, no time is printed and the exit code is 1. Then both, each a process of its own, are timed in turn for
some rounds, and so is a copy of as many bytes as the op must read and write. The shortest call
of all rounds counts; the median of the rounds' means stands beside it. PyTorch's memory allocator is told to keep what
it has, so that its times hold no page faults. Writes memory_bound.json into the folder given.
"""
import argparse, json, math, os, statistics, subprocess, sys, time

from text_cnn_torch import QUIET, busy_and_stolen, wait_for_quiet

SHAPES = [(4096, 768), (1024, 3072)]
# op → how often it must move as many bytes as x has: what it reads and what it writes
OPS = {"layer_norm_forward": 2, "layer_norm_backward": 3, "softmax_forward": 2, "softmax_backward": 3,
       "gelu_forward": 2, "gelu_backward": 3, "gelu_tanh_forward": 2, "gelu_tanh_backward": 3,
       "adamw_step": 8}  # reads weight, gradient, two moments; writes them, the gradient as zeros
# Norm-wise: |a - b| / |b|. Of AdamW it is how far three steps moved the weights.
TOLERANCE = {"forward": 1e-5, "backward": 1e-4, "step": 1e-3}


# --- the PyTorch side, a process of its own -------------------------------------------------------------------------
def worker(folder, threads):
    import numpy, torch
    import torch.nn.functional as F

    torch.set_num_threads(threads)
    aten = torch.ops.aten

    def case(op, rows, columns):
        """(before each sample, the call, its results)"""
        read = lambda name, *shape: torch.from_numpy(
            numpy.fromfile(f"{folder}/{name}.{rows}x{columns}.f32", dtype=numpy.float32).reshape(shape))
        x, dy = read("x", rows, columns), read("dy", rows, columns)
        weight, bias = read("weight", columns), read("bias", columns)
        if op == "adamw_step":
            p = torch.nn.Parameter(x.clone())
            p.grad = dy.clone()
            adam = torch.optim.AdamW([p], lr=1e-3, weight_decay=0.01, fused=True)
            fill = lambda: p.grad.copy_(dy)

            def step():
                adam.step()
                p.grad.zero_()

            def three():
                for _ in range(3):
                    fill(), step()
                return [p.detach()]
            return fill, step, three
        if op.startswith("layer_norm"):
            _, mean, rstd = aten.native_layer_norm(x, [columns], weight, bias, 1e-5)
            call = {"forward": lambda: [F.layer_norm(x, [columns], weight, bias, 1e-5)],
                    "backward": lambda: aten.native_layer_norm_backward(dy, x, [columns], mean, rstd, weight, bias,
                                                                        [True, True, True])}
        elif op.startswith("softmax"):
            y = F.softmax(x, -1)
            call = {"forward": lambda: [F.softmax(x, -1)],
                    "backward": lambda: [aten._softmax_backward_data(dy, y, -1, torch.float32)]}
        else:
            form = "tanh" if "tanh" in op else "none"
            call = {"forward": lambda: [F.gelu(x, approximate=form)],
                    "backward": lambda: [aten.gelu_backward(dy, x, approximate=form)]}
        call = call[op.rsplit("_", 1)[1]]
        return lambda: None, call, call

    cases = {}
    torch.set_grad_enabled(False)
    for line in sys.stdin:
        request = line.split()
        if request[0] == "quit":
            break
        if request[0] == "machine":
            print(json.dumps({"torch": torch.__version__, "numpy": numpy.__version__}), flush=True)
            continue
        op, rows, columns = request[1], int(request[2]), int(request[3])
        key = (op, rows, columns)
        if key not in cases:
            cases[key] = case(*key)
        prepare, call, results = cases[key]
        if request[0] == "check":
            file = f"{folder}/torch.{op}.{rows}x{columns}.{threads}.f32"
            numpy.concatenate([t.numpy().ravel() for t in results()]).tofile(file)
            answer = file
        else:
            prepare()
            calls, passed, least = 0, 0.0, math.inf
            while calls == 0 or passed < float(request[4]):
                start = time.perf_counter()
                call()
                took = time.perf_counter() - start
                calls, passed, least = calls + 1, passed + took, min(least, took)
            answer = [calls, passed, least]
        print(json.dumps(answer), flush=True)


# --- the side that compares and times --------------------------------------------------------------------------------
class Peer:
    def __init__(self, name, threads, command):
        self.name, self.threads = name, threads
        keep = str(1 << 32)
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads), MALLOC_MMAP_THRESHOLD_=keep, MALLOC_TRIM_THRESHOLD_=keep)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def ask(self, request):
        self.process.stdin.write(request + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"{self.name} with {self.threads} threads ended at the request '{request}'")
        return json.loads(answer)

    def close(self):
        self.process.stdin.write("quit\n")
        self.process.stdin.close()
        self.process.wait()


def write_inputs(folder):
    import numpy
    random = numpy.random.default_rng(1)
    for rows, columns in SHAPES:
        for name, shape in {"x": (rows, columns), "dy": (rows, columns), "weight": columns, "bias": columns}.items():
            random.uniform(-1, 1, shape).astype(numpy.float32).tofile(f"{folder}/{name}.{rows}x{columns}.f32")


def compare(folder, ours, theirs, op, rows, columns):
    """The norm-wise distance of each result."""
    import numpy
    files = [p.ask(f"check {op} {rows} {columns}") for p in (ours, theirs)]
    a, b = (numpy.fromfile(f, dtype=numpy.float32).astype(numpy.float64) for f in files)
    for f in files:
        os.remove(f)
    if op == "adamw_step":
        x = numpy.fromfile(f"{folder}/x.{rows}x{columns}.f32", dtype=numpy.float32)
        a, b = a - x, b - x
    n = rows * columns
    pieces = [(0, n), (n, n + columns), (n + columns, n + 2 * columns)] if op == "layer_norm_backward" else [(0, n)]
    if a.size != pieces[-1][1] or b.size != a.size:
        return math.inf
    return max(float(numpy.linalg.norm(a[i:j] - b[i:j]) / numpy.linalg.norm(b[i:j])) for i, j in pieces)


def main(a):
    folder = os.path.join(a.out, "memory_bound")
    os.makedirs(folder, exist_ok=True)
    write_inputs(folder)
    counts = [int(t) for t in a.threads_list.split(",")]
    python = [sys.executable, os.path.abspath(__file__), "--worker", folder, "--threads"]
    ours = {t: Peer("quern", t, [a.quern, folder, str(t)]) for t in counts}
    theirs = {t: Peer("torch", t, python + [str(t)]) for t in counts}
    cases = [(t, op, rows, columns) for rows, columns in SHAPES for op in OPS for t in counts]
    wrong, checks = 0, []
    for t, op, rows, columns in cases:
        error, bound = compare(folder, ours[t], theirs[t], op, rows, columns), TOLERANCE[op.rsplit("_", 1)[1]]
        checks.append({"threads": t, "op": op, "rows": rows, "columns": columns, "error": error, "bound": bound})
        if not error <= bound:
            wrong += 1
            print(f"differs: {op} {rows}x{columns}, {t} thread(s): {error:.2e}, at most {bound:.0e}")
    if wrong:
        sys.exit("the results differ, so no time is taken")
    print(f"results of {len(cases)} cases agree with PyTorch's: at most {max(c['error'] / c['bound'] for c in checks):.2f} "
          "of the tolerance")
    samples = {c: {"quern": [], "torch": [], "copy": [], "others": []} for c in cases}
    patience = a.patience
    for _ in range(a.rounds):
        for c in cases:
            t, op, rows, columns = c
            patience -= wait_for_quiet(patience)
            (busy, stolen), start = busy_and_stolen(), time.perf_counter()
            for name, peer in (("quern", ours[t]), ("torch", theirs[t])):
                calls, passed, least = peer.ask(f"time {op} {rows} {columns} {a.seconds}")
                samples[c][name].append((passed / calls, least))
            samples[c]["copy"].append(ours[t].ask(f"copy {4 * OPS[op] * rows * columns}"))
            wall = time.perf_counter() - start
            used = [b - a for a, b in zip((busy, stolen), busy_and_stolen())]
            samples[c]["others"].append(max(0.0, sum(used) / wall - t))  # beyond what ours could use
    machine, versions = ours[counts[0]].ask("machine"), theirs[counts[0]].ask("machine")
    for p in [*ours.values(), *theirs.values()]:
        p.close()
    rows_out = []
    print(f"{'op':22}{'shape':>11} thr {'quern us':>9} (median) {'GB/s':>6}{'% copy':>8} {'torch us':>10} (median) "
          f"{'% copy':>7}  faster by (median)")
    for c in cases:
        t, op, rows, columns = c
        s, size = samples[c], 4 * OPS[op] * rows * columns
        copy, (q, p) = max(s["copy"]), (min(least for _, least in s[name]) for name in ("quern", "torch"))
        qm, pm = (statistics.median(mean for mean, _ in s[name]) for name in ("quern", "torch"))
        rows_out.append({"op": op, "rows": rows, "columns": columns, "threads": t, "bytes": size, "copy_gbytes": copy,
                         "quern_us": q * 1e6, "quern_us_median": qm * 1e6, "torch_us": p * 1e6, "torch_us_median": pm * 1e6,
                         "quern_percent_of_copy": 1e-7 * size / q / copy, "torch_percent_of_copy": 1e-7 * size / p / copy,
                         "others_cores_median": statistics.median(s["others"])})
        print(f"{op:22}{f'{rows}x{columns}':>11} {t:3} {q * 1e6:9.0f} ({qm * 1e6:6.0f}) {size / q * 1e-9:6.1f}"
              f"{1e-7 * size / q / copy:7.0f}% {p * 1e6:10.0f} ({pm * 1e6:6.0f}) {1e-7 * size / p / copy:6.0f}%"
              f"{p / q:8.2f} ({pm / qm:.2f})")
    if statistics.median(r["others_cores_median"] for r in rows_out) > QUIET:
        print(f"note: others used more than {QUIET} cores during most samples; repeat this on a quiet machine")
    with open(os.path.join(a.out, "memory_bound.json"), "w") as f:
        json.dump({"machine": machine, "versions": versions, "checks": checks, "rows": rows_out}, f, indent=1)
    print(f"written: {os.path.join(a.out, 'memory_bound.json')}")


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
