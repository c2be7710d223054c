"""nn::Lstm and nn::Gru, bidirectional, in Quern beside PyTorch: the same weights and inputs, the same run.

    python recurrent_torch.py --quern build/release/bin/bench_recurrent --out build/bench      (bench/run.sh --recurrent)

One call is forward and backward: y, dx and the gradients of all weights. Results are compared first; where they differ
beyond the tolerances below, no time is printed and the exit code is 1. Then both, each a process of its own, are timed
in turn for some rounds. The shortest call of all rounds counts; the median of the rounds' means stands beside it.

Texts of equal lengths are given to PyTorch as one tensor [T, B, E], the layout that its oneDNN kernel takes as it is;
texts of varied lengths as a PackedSequence, made beforehand. Writes recurrent.json into the folder given.
"""
import argparse, json, math, os, statistics, sys, time

from memory_bound_torch import Peer
from text_cnn_torch import QUIET, busy_and_stolen, wait_for_quiet

SIZES = [(32, 64, 128, 128), (32, 128, 300, 128), (32, 64, 300, 256), (32, 128, 300, 256)]  # texts, longest, E, H
CASES = [(kind, *size, lengths) for kind in ("lstm", "gru") for size in SIZES for lengths in ("equal", "varied")]
TOLERANCE = {"y": 1e-5, "gradient": 1e-4}  # norm-wise: |a - b| / |b|


def lengths_of(case):
    _, texts, longest, _, _, lengths = case
    return [longest - (3 * longest * b // (4 * texts) if lengths == "varied" else 0) for b in range(texts)]


def weight_sizes(case):
    kind, _, _, embedding, units, _ = case
    rows = (4 if kind == "lstm" else 3) * units
    return [rows * embedding, rows * units, rows, rows] * 2


def name_of(case):
    return ".".join(map(str, case))


# --- the PyTorch side, a process of its own -------------------------------------------------------------------------
def worker(folder, threads):
    import numpy, torch
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

    torch.set_num_threads(threads)

    def case_of(case):
        """(the call, its results)"""
        kind, texts, longest, embedding, units, kind_of_lengths = case
        read = lambda what: torch.from_numpy(numpy.fromfile(f"{folder}/{what}.{name_of(case)}.f32", dtype=numpy.float32))
        lengths = lengths_of(case)
        net = (torch.nn.LSTM if kind == "lstm" else torch.nn.GRU)(embedding, units, bidirectional=True)
        for w, values in zip(net.parameters(), torch.split(read("weights"), weight_sizes(case))):
            w.data.copy_(values.reshape(w.shape))
        by_time = lambda rows: pad_sequence(torch.split(rows, lengths))  # [T, B, …]
        x, dy = by_time(read("x").reshape(-1, embedding)), by_time(read("dy").reshape(-1, 2 * units))
        equal = kind_of_lengths == "equal"
        pack = lambda t: pack_padded_sequence(t, lengths).data  # lengths fall
        data = (x if equal else pack(x)).contiguous().requires_grad_()
        gradient = (dy if equal else pack(dy)).contiguous()
        sizes = pack_padded_sequence(x, lengths).batch_sizes

        def call():
            net.zero_grad(set_to_none=False)
            data.grad = None
            out = net(data if equal else torch.nn.utils.rnn.PackedSequence(data, sizes))[0]
            out = out if equal else out.data
            out.backward(gradient)
            return out

        def results():
            rows = []
            for t in (call().detach(), data.grad):
                if not equal:
                    t = pad_packed_sequence(torch.nn.utils.rnn.PackedSequence(t, sizes))[0]
                rows += [t[:n, b].reshape(-1) for b, n in enumerate(lengths)]
            return torch.cat(rows + [w.grad.reshape(-1) for w in net.parameters()]).numpy()
        return call, results

    cases = {}
    for line in sys.stdin:
        request = line.split()
        if request[0] == "quit":
            break
        if request[0] == "machine":
            print(json.dumps({"torch": torch.__version__, "numpy": numpy.__version__}), flush=True)
            continue
        case = (request[1], *map(int, request[2:6]), request[6])
        if case not in cases:
            cases[case] = case_of(case)
        call, results = cases[case]
        if request[0] == "check":
            answer = f"{folder}/torch.{name_of(case)}.{threads}.f32"
            results().tofile(answer)
        else:
            calls, passed, least = 0, 0.0, math.inf
            while calls == 0 or passed < float(request[7]):
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
    for case in CASES:
        _, _, _, embedding, units, _ = case
        rows = sum(lengths_of(case))
        for what, n, bound in (("x", rows * embedding, 1), ("dy", rows * 2 * units, 1),
                               ("weights", sum(weight_sizes(case)), units**-0.5)):
            random.uniform(-bound, bound, n).astype(numpy.float32).tofile(f"{folder}/{what}.{name_of(case)}.f32")


def compare(ours, theirs, case):
    """The norm-wise distances of y and, at worst, of a gradient."""
    import numpy
    files = [p.ask("check " + " ".join(map(str, case))) for p in (ours, theirs)]
    a, b = (numpy.fromfile(f, dtype=numpy.float32).astype(numpy.float64) for f in files)
    for f in files:
        os.remove(f)
    _, _, _, embedding, units, _ = case
    rows = sum(lengths_of(case))
    ends = numpy.cumsum([rows * 2 * units, rows * embedding] + weight_sizes(case))
    if a.size != ends[-1] or b.size != a.size:
        return {"y": math.inf, "gradient": math.inf}
    errors = [float(numpy.linalg.norm(p - q) / numpy.linalg.norm(q))
              for p, q in zip(numpy.split(a, ends[:-1]), numpy.split(b, ends[:-1]))]
    return {"y": errors[0], "gradient": max(errors[1:])}


def main(a):
    folder = os.path.join(a.out, "recurrent")
    os.makedirs(folder, exist_ok=True)
    write_inputs(folder)
    counts = [int(t) for t in a.threads_list.split(",")]
    python = [sys.executable, os.path.abspath(__file__), "--worker", folder, "--threads"]
    ours = {t: Peer("quern", t, [a.quern, folder, str(t)]) for t in counts}
    theirs = {t: Peer("torch", t, python + [str(t)]) for t in counts}
    cases = [(t, case) for case in CASES for t in counts if a.filter in name_of(case)]
    wrong, checks = 0, []
    for t, case in cases:
        for what, error in compare(ours[t], theirs[t], case).items():
            checks.append({"threads": t, "case": case, "what": what, "error": error, "bound": TOLERANCE[what]})
            if not error <= TOLERANCE[what]:
                wrong += 1
                print(f"differs: {what} of {name_of(case)}, {t} thread(s): {error:.2e}, at most {TOLERANCE[what]:.0e}")
    if wrong:
        sys.exit("the results differ, so no time is taken")
    print(f"results of {len(cases)} cases agree with PyTorch's: at most " +
          ", ".join(f"{w} {max(c['error'] for c in checks if c['what'] == w):.1e}" for w in TOLERANCE))
    samples = {c: {"quern": [], "torch": [], "others": []} for c in cases}
    patience = a.patience
    for _ in range(a.rounds):
        for c in cases:
            t, case = c
            patience -= wait_for_quiet(patience)
            (busy, stolen), start = busy_and_stolen(), time.perf_counter()
            for name, peer in (("quern", ours[t]), ("torch", theirs[t])):
                calls, passed, least = peer.ask(f"time {' '.join(map(str, case))} {a.seconds}")
                samples[c][name].append((passed / calls, least))
            used = [after - before for before, after in zip((busy, stolen), busy_and_stolen())]
            samples[c]["others"].append(max(0.0, sum(used) / (time.perf_counter() - start) - t))
    machine, versions = ours[counts[0]].ask("machine"), theirs[counts[0]].ask("machine")
    for p in [*ours.values(), *theirs.values()]:
        p.close()
    rows = []
    print(f"{'case':26} threads  quern ms (median)   torch ms (median)  faster by (median)")
    for c in cases:
        t, case = c
        best = {name: min(least for _, least in samples[c][name]) * 1e3 for name in ("quern", "torch")}
        median = {name: statistics.median(mean for mean, _ in samples[c][name]) * 1e3 for name in ("quern", "torch")}
        rows.append({"case": case, "threads": t, "ms": best, "ms_median": median,
                     "others_cores_median": statistics.median(samples[c]["others"])})
        print(f"{name_of(case):26}{t:6} {best['quern']:10.2f} ({median['quern']:7.2f}) {best['torch']:10.2f} "
              f"({median['torch']:7.2f}) {best['torch'] / best['quern']:9.2f} ({median['torch'] / median['quern']:.2f})")
    if statistics.median(r["others_cores_median"] for r in rows) > QUIET:
        print(f"note: others used more than {QUIET} cores during most samples; repeat this on a quiet machine")
    with open(os.path.join(a.out, "recurrent.json"), "w") as f:
        json.dump({"machine": machine, "versions": versions, "checks": checks, "rows": rows}, f, indent=1)
    print(f"written: {os.path.join(a.out, 'recurrent.json')}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quern"), parser.add_argument("--out", default="build/bench")
    parser.add_argument("--rounds", type=int, default=5), parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--threads-list", default="1,2")
    parser.add_argument("--filter", default="", help="cases whose name holds this, as lstm.32.64.128.128.equal")
    parser.add_argument("--patience", type=float, default=30, help="seconds it may wait for other processes to rest")
    parser.add_argument("--worker"), parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments.worker, arguments.threads)
    else:
        main(arguments)
