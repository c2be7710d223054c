"""The training step of Kim's text CNN in Quern beside PyTorch: the same weights, the same batches, the same run.

    python text_cnn_torch.py --quern build/release/bin/bench_models --out build/bench      (bench/run.sh does)

First results are compared, with dropout off: loss, every gradient, and the weights after three Adam steps. Where they
differ beyond the tolerances below, no time is printed and the exit code is 1. Then every peer, in a process of its own,
is timed in turn for some rounds. The load that other processes made during each sample is recorded with it.
Writes text_cnn.json and text_cnn.svg into the folder given.
"""
import argparse, json, math, os, statistics, subprocess, sys, time

TEXTS, WORDS, VOCABULARY, WIDTH, FILTERS, WIDTHS, CLASSES, DROPOUT = 50, 64, 20000, 300, 100, (3, 4, 5), 2, 0.5
FLOPS = sum(2 * TEXTS * (WORDS + w - 1) * w * WIDTH * FILTERS for w in WIDTHS)  # of the forward convolutions
# Norm-wise: |a - b| / |b|. `moved` compares how far three Adam steps took the weights, not the weights themselves.
TOLERANCE = {"loss": 1e-5, "gradient": 1e-4, "moved": 1e-3}
QUIET = 0.2  # cores: samples during which others used less count as quiet
SHAPES = [("words.weight", (VOCABULARY, WIDTH))]
for i, w in enumerate(WIDTHS):
    SHAPES += [(f"windows.{i}.weight", (FILTERS, WIDTH, w)), (f"windows.{i}.bias", (FILTERS,))]
SHAPES += [("out.weight", (CLASSES, FILTERS * len(WIDTHS))), ("out.bias", (CLASSES,))]


# --- the PyTorch side, a process of its own -------------------------------------------------------------------------
def worker(folder, threads, fused):
    import numpy, torch
    import torch.nn.functional as F

    torch.set_num_threads(threads)

    class TextCnn(torch.nn.Module):
        def __init__(self, dropout):
            super().__init__()
            self.words = torch.nn.Embedding(VOCABULARY, WIDTH)
            self.windows = torch.nn.ModuleList(torch.nn.Conv1d(WIDTH, FILTERS, w, padding=w - 1) for w in WIDTHS)
            self.out = torch.nn.Linear(FILTERS * len(WIDTHS), CLASSES)
            self.dropout = dropout
            flat = numpy.fromfile(folder + "/weights.f32", dtype=numpy.float32)
            for name, values in split(flat):
                self.get_parameter(name).data.copy_(torch.from_numpy(values.copy()))

        def forward(self, ids):
            e = self.words(ids).transpose(1, 2)
            h = [F.relu(w(e)) for w in self.windows]
            h = torch.cat([F.max_pool1d(x, x.size(2)).squeeze(2) for x in h], 1)
            return self.out(F.dropout(h, self.dropout))

    ids = torch.from_numpy(numpy.fromfile(folder + "/ids.i32", dtype=numpy.int32).astype(numpy.int64))
    labels = torch.from_numpy(numpy.fromfile(folder + "/labels.i32", dtype=numpy.int32).astype(numpy.int64))
    ids, labels = ids.reshape(-1, TEXTS, WORDS), labels.reshape(-1, TEXTS)

    class Trainer:
        def __init__(self, dropout):
            self.model, self.step = TextCnn(dropout), 0
            self.adam = torch.optim.Adam(self.model.parameters(), lr=1e-3, fused=fused)

        def forward_backward(self):
            self.adam.zero_grad()
            n = self.step % len(ids)
            loss = F.cross_entropy(self.model(ids[n]), labels[n])
            loss.backward()
            return loss

        def run_step(self):
            self.forward_backward()
            self.adam.step()
            self.step += 1

    trainer = None
    for line in sys.stdin:
        request = line.split()
        if request[0] == "quit":
            break
        if request[0] == "check":
            t, losses, out = Trainer(0.0), [], []
            for _ in range(3):
                losses.append(float(t.forward_backward().detach()))
                if t.step == 0:
                    out += [t.model.get_parameter(name).grad.numpy().ravel().copy() for name, _ in SHAPES]
                t.adam.step()
                t.step += 1
            out += [t.model.get_parameter(name).detach().numpy().ravel() for name, _ in SHAPES]
            file = f"{folder}/torch.{'fused' if fused else 'default'}.{threads}.f32"
            numpy.concatenate(out + [numpy.array(losses, dtype=numpy.float32)]).astype(numpy.float32).tofile(file)
            answer = file
        elif request[0] == "time":
            trainer = trainer or Trainer(DROPOUT)
            steps, start = 0, time.perf_counter()
            while time.perf_counter() - start < float(request[1]):
                trainer.run_step()
                steps += 1
            answer = [steps, time.perf_counter() - start]
        elif request[0] == "machine":
            answer = {"torch": torch.__version__, "numpy": numpy.__version__}
        print(json.dumps(answer), flush=True)


def split(flat):
    """The tensors of a model, from the raw floats that begin with them."""
    begin = 0
    for name, shape in SHAPES:
        count = math.prod(shape)
        yield name, flat[begin:begin + count].reshape(shape)
        begin += count


# --- the side that compares and times --------------------------------------------------------------------------------
def busy_and_stolen():
    """Seconds all cores have worked, and seconds the host kept them from it."""
    fields = [int(x) for x in open("/proc/stat").readline().split()[1:]]
    user, nice, system, _, _, irq, softirq, steal = fields[:8]
    tick = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq) / tick, steal / tick


class Peer:
    def __init__(self, name, threads, command):
        self.name, self.threads, self.samples = name, threads, []
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=environment)

    def ask(self, request):
        self.process.stdin.write(request + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"{self.name} with {self.threads} threads ended at the request '{request}'")
        return json.loads(answer)

    def own_seconds(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_megabytes(self):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024

    def sample(self, duration):
        (busy, stolen), own, start = busy_and_stolen(), self.own_seconds(), time.perf_counter()
        steps, passed = self.ask(f"time {duration}")
        wall = time.perf_counter() - start
        (busy2, stolen2), own2 = busy_and_stolen(), self.own_seconds()
        self.samples.append({"ms": passed / steps * 1e3, "steps": steps,
                             "others_cores": max(0.0, (busy2 - busy) - (own2 - own)) / wall,
                             "stolen_cores": (stolen2 - stolen) / wall})

    def close(self):
        self.process.stdin.write("quit\n")
        self.process.stdin.close()
        self.process.wait()

    def row(self):
        times = [s["ms"] for s in self.samples]
        quiet = [s["ms"] for s in self.samples if s["others_cores"] + s["stolen_cores"] < QUIET]
        return {"peer": self.name, "threads": self.threads, "ms_min": min(times), "ms_median": statistics.median(times),
                "ms_median_quiet": statistics.median(quiet) if quiet else None, "quiet_samples": len(quiet),
                "samples_per_second": TEXTS / min(times) * 1e3, "peak_rss_mb": self.peak_megabytes(),
                "samples": self.samples}


def peers(quern, folder, threads):
    python = [sys.executable, os.path.abspath(__file__), "--worker", folder, "--threads", str(threads)]
    return [Peer("quern", threads, [quern, "serve", folder, str(threads)]),
            Peer("torch, Adam(fused=True)", threads, python + ["--fused"]),
            Peer("torch, default Adam", threads, python)]


def compare(quern, folder, threads):
    """Every peer's results against the first's. Returns what was found; ok is false where a tolerance is broken."""
    import numpy
    files = []
    for p in peers(quern, folder, threads):
        files.append((p.name, p.ask("check")))
        p.close()
    start = numpy.fromfile(folder + "/weights.f32", dtype=numpy.float32)
    parts = lambda file: (lambda x: (x[:start.size], x[start.size:2 * start.size], x[2 * start.size:]))(
        numpy.fromfile(file, dtype=numpy.float32).astype(numpy.float64))

    def distance(a, b):
        size = numpy.linalg.norm(b)
        return float(numpy.linalg.norm(a - b) / size) if size > 0 else math.inf

    ours, found = parts(files[0][1]), []
    for name, file in files[1:]:
        theirs = parts(file)
        rows = [("loss", "three steps", distance(ours[2], theirs[2]))]
        rows += [("gradient", n, distance(a, b)) for (n, a), (_, b) in zip(split(ours[0]), split(theirs[0]))]
        rows += [("moved", n, distance(a - s, b - s))
                 for (n, a), (_, b), (_, s) in zip(split(ours[1]), split(theirs[1]), split(start))]
        for kind, what, error in rows:
            found.append({"peer": name, "threads": threads, "kind": kind, "what": what, "error": error,
                          "ok": bool(error <= TOLERANCE[kind])})
        print(f"results, {threads} thread(s), quern against {name}: " +
              ", ".join(f"{k} {max(e for kk, _, e in rows if kk == k):.1e} (at most {TOLERANCE[k]:.0e})" for k in TOLERANCE))
    return found


def picture(report):
    """Bars as SVG, written by hand."""
    rows, pieces = report["rows"], report["pieces"]["1"]
    width, left, bar, y = 900, 275, 22, 74
    scale = (width - left - 170) / max(r["ms_median"] for r in rows)
    out = []
    text = lambda x, y, s, extra="": out.append(f'<text x="{x:.0f}" y="{y:.0f}" {extra}>{s}</text>')
    text(20, 28, "Text CNN (Kim 2014), one training step: milliseconds, less is better", 'font-size="17"')
    text(20, 48, f"{TEXTS} texts of {WORDS} words, vocabulary {VOCABULARY:,}, Adam; bar: fastest sample, line: median. "
         f"PyTorch {report['versions']['torch']}, {report['machine']['cpu']}", 'fill="#555"')
    for threads in sorted({r["threads"] for r in rows}):
        text(20, y + 12, f"{threads} thread{'s' if threads > 1 else ''}", 'font-weight="bold"')
        y += 20
        for r in (r for r in rows if r["threads"] == threads):
            text(left - 8, y + 15, r["peer"], 'text-anchor="end"')
            colour = "#2f6db5" if r["peer"] == "quern" else "#b9b9b9"
            out.append(f'<rect x="{left}" y="{y}" width="{r["ms_min"] * scale:.1f}" height="{bar - 4}" fill="{colour}"/>')
            x = left + r["ms_median"] * scale
            out.append(f'<path d="M{left + r["ms_min"] * scale:.1f} {y + 9}H{x:.1f}M{x:.1f} {y + 4}v10" stroke="#555"/>')
            text(x + 6, y + 14, f"{r['ms_min']:.1f} ({r['ms_median']:.1f}), {r['peak_rss_mb']:.0f} MB")
            y += bar
        y += 12
    text(20, y + 14, "Where Quern's step goes, 1 thread", 'font-weight="bold"')
    y += 24
    total = sum(pieces.values())
    for name, ms in sorted(pieces.items(), key=lambda p: -p[1]):
        text(left - 8, y + 13, name, 'text-anchor="end"')
        out.append(f'<rect x="{left}" y="{y}" width="{ms / total * (width - left - 170):.1f}" height="{bar - 6}" fill="#7aa6d8"/>')
        text(left + ms / total * (width - left - 170) + 6, y + 13, f"{ms:.2f} ms, {100 * ms / total:.0f} %")
        y += bar - 2
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y + 14}" font-family="sans-serif" '
            f'font-size="12"><rect width="100%" height="100%" fill="white"/>' + "\n".join(out) + "</svg>\n")


def wait_for_quiet(budget):
    """Waits while others keep the machine busy, for at most `budget` seconds. Returns the seconds waited."""
    begin = time.perf_counter()
    while time.perf_counter() - begin < budget:
        busy, _ = busy_and_stolen()
        time.sleep(0.25)
        if busy_and_stolen()[0] - busy < 0.05:
            break
    return time.perf_counter() - begin


def main(a):
    os.makedirs(a.out, exist_ok=True)
    folder = os.path.join(a.out, "text_cnn")
    os.makedirs(folder, exist_ok=True)
    subprocess.run([a.quern, "inputs", folder], check=True)
    counts = sorted({int(t) for t in a.threads_list.split(",")})
    checks = [c for t in counts for c in compare(a.quern, folder, t)]
    if not all(c["ok"] for c in checks):
        for c in checks:
            if not c["ok"]:
                print(f"differs: {c['kind']} of {c['what']}, {c['threads']} thread(s), {c['peer']}: {c['error']:.2e}, "
                      f"at most {TOLERANCE[c['kind']]:.0e}")
        sys.exit("the results differ, so no time is taken")
    all_peers = [p for t in counts for p in peers(a.quern, folder, t)]
    for p in all_peers:
        p.ask("time 0.1")  # buffers, caches, thread pools
    patience = a.patience
    for _ in range(a.rounds):
        for p in all_peers:
            patience -= wait_for_quiet(patience)
            p.sample(a.seconds)
    rows = [p.row() for p in all_peers]
    ours = {p.threads: p for p in all_peers if p.name == "quern"}
    machine = {t: p.ask("machine") for t, p in ours.items()}
    pieces = {str(t): p.ask("pieces 1.5") for t, p in ours.items()}
    versions = next(p for p in all_peers if p.name != "quern").ask("machine")
    for p in all_peers:
        p.close()
    cpu = next((l.split(":", 1)[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "?")
    report = {"shapes": {"texts": TEXTS, "words": WORDS, "embedding": WIDTH, "filters": FILTERS, "widths": WIDTHS,
                         "vocabulary": VOCABULARY, "dropout": DROPOUT, "forward_gflop": FLOPS * 1e-9},
              "machine": {"cpu": cpu, "cores": os.cpu_count(), "peaks": {str(t): m for t, m in machine.items()}},
              "versions": versions, "tolerance": TOLERANCE, "checks": checks, "rows": rows, "pieces": pieces,
              "ratios": {}}
    print(f"{'':26}threads   ms min  (median, quiet median)  texts/s  peak MB  others' cores (median)")
    for r in rows:
        quiet = f"{r['ms_median_quiet']:.2f} of {r['quiet_samples']}" if r["quiet_samples"] else "none"
        load = statistics.median(s["others_cores"] + s["stolen_cores"] for s in r["samples"])
        print(f"{r['peer']:26}{r['threads']:7}{r['ms_min']:9.2f}  ({r['ms_median']:.2f}, {quiet})"
              f"{r['samples_per_second']:12.0f}{r['peak_rss_mb']:9.0f}{load:9.2f}")
    if min(r["quiet_samples"] for r in rows) < 3:
        print(f"note: others used {QUIET} cores or more during most samples; repeat this on a quiet machine before "
              "believing a ratio, above all with more than one thread")
    for t in counts:
        own = next(r for r in rows if r["threads"] == t and r["peer"] == "quern")
        for r in rows:
            if r["threads"] == t and r is not own:
                quiet = r["quiet_samples"] and own["quiet_samples"]
                ratio = {"minimum": r["ms_min"] / own["ms_min"], "median": r["ms_median"] / own["ms_median"],
                         "quiet_median": r["ms_median_quiet"] / own["ms_median_quiet"] if quiet else None}
                report["ratios"][f"{r['peer']}, {t}"] = ratio
                print(f"{t} thread(s): quern is {ratio['minimum']:.2f} x as fast as {r['peer']} by minimum, "
                      f"{ratio['median']:.2f} by median" + (f", {ratio['quiet_median']:.2f} by quiet median" if quiet else ""))
        gemm, peak = pieces[str(t)]["forward: gemm of the convolutions"], machine[t]["fma_gflops"]
        print(f"{t} thread(s): machine {peak:.0f} GFLOP/s fma ({machine[t]['instruction_set']}), "
              f"{machine[t]['copy_gbytes']:.0f} GB/s copy; the convolutions' {FLOPS * 1e-9:.2f} GFLOP take {gemm:.2f} ms, "
              f"{FLOPS / gemm * 1e-6:.0f} GFLOP/s, {100 * FLOPS / gemm * 1e-6 / peak:.0f} % of it; "
              f"the whole step is at {100 * FLOPS / own['ms_min'] * 1e-6 / peak:.0f} %")
        total = sum(pieces[str(t)].values())
        for name, ms in sorted(pieces[str(t)].items(), key=lambda p: -p[1]):
            print(f"    {ms:7.2f} ms {100 * ms / total:4.0f} %  {name}")
    with open(os.path.join(a.out, "text_cnn.json"), "w") as f:
        json.dump(report, f, indent=1)
    with open(os.path.join(a.out, "text_cnn.svg"), "w") as f:
        f.write(picture(report))
    print(f"written: {os.path.join(a.out, 'text_cnn.json')}, {os.path.join(a.out, 'text_cnn.svg')}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quern"), parser.add_argument("--out", default="build/bench")
    parser.add_argument("--rounds", type=int, default=12), parser.add_argument("--seconds", type=float, default=0.25)
    parser.add_argument("--threads-list", default="1,2")
    parser.add_argument("--patience", type=float, default=30, help="seconds it may wait for other processes to rest")
    parser.add_argument("--worker"), parser.add_argument("--threads", type=int), parser.add_argument("--fused", action="store_true")
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments.worker, arguments.threads, arguments.fused)
    else:
        main(arguments)
