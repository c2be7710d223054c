"""A BERT of MiniLM's shape (6 x 384, 12 heads, 30,522 words) in Quern beside PyTorch: fine-tuning, inference, memory.

    python bert_torch.py --quern build/release/bin/bench_bert --out build/bench      (bench/run.sh --bert does)

The folder is one that transformers writes, with random weights; both read it. First results are compared, with dropout
off: logits, losses of three steps, every gradient, the weights after them. Where they differ beyond the tolerances
below, no time is printed and the exit code is 1. Then every peer, in a process of its own, is timed in turn for some
rounds: PyTorch as it is shipped, and with its matrix products routed to oneDNN (torch.backends.mkldnn), which computes
them in fp32 on machines without bf16. Inference comes first, and its peak of memory; then training steps. Writes bert.json.
"""
import argparse, json, os, statistics, subprocess, sys, time

TEXTS, TOKENS, BATCHES, VOCABULARY = 32, 128, 8, 30522
SHAPES = [(1, 32), (1, 128), (32, 128)]
# |a - b|: logits, losses. Norm-wise for gradients, with a floor of 1e-6 of the largest; weights as `moved`: how far
# three steps took them. Gradients below the floor (the key's bias: zero but for rounding) are left out there.
TOLERANCE = {"logits": 1e-5, "losses": 1e-5, "gradient": 1e-4, "moved": 1e-2}


def worker(folder, threads, onednn):
    import numpy, torch
    from safetensors.torch import save_file
    from transformers import AutoModelForSequenceClassification

    torch.set_num_threads(threads)
    if onednn:
        torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    ids = torch.from_numpy(numpy.fromfile(folder + "/ids.i32", dtype=numpy.int32).astype(numpy.int64))
    labels = torch.from_numpy(numpy.fromfile(folder + "/labels.i32", dtype=numpy.int32).astype(numpy.int64))
    ids, labels = ids.reshape(BATCHES, TEXTS, TOKENS), labels.reshape(BATCHES, TEXTS)

    class Trainer:
        def __init__(self, drops):
            self.model = AutoModelForSequenceClassification.from_pretrained(folder).train(drops)
            named = list(self.model.named_parameters())
            self.adam = torch.optim.AdamW([{"params": [p for n, p in named if p.dim() > 1], "weight_decay": 0.01},
                                           {"params": [p for n, p in named if p.dim() == 1], "weight_decay": 0.0}],
                                          lr=2e-5, fused=True)
            self.step = 0

        def forward_backward(self):
            self.adam.zero_grad()
            k = self.step % BATCHES
            loss = torch.nn.functional.cross_entropy(self.model(input_ids=ids[k]).logits, labels[k])
            loss.backward()
            return loss

        def update(self):
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.adam.step()
            self.step += 1

    def check():
        t, out, losses = Trainer(False), {}, []
        plain = lambda name: name.removeprefix("bert.")
        with torch.inference_mode():
            out["logits"] = t.model(input_ids=ids[0]).logits.clone()
        for _ in range(3):
            losses.append(float(t.forward_backward().detach()))
            if t.step == 0:
                out |= {"gradient." + plain(n): p.grad.clone() for n, p in t.model.named_parameters()}
            t.update()
        out["losses"] = torch.tensor(losses)
        out |= {"after." + plain(n): p.detach().clone() for n, p in t.model.named_parameters()}
        file = f"{folder}/torch.{'onednn' if onednn else 'shipped'}.{threads}.safetensors"
        save_file({k: v.contiguous() for k, v in out.items()}, file)
        return file

    trainer = model = None
    for line in sys.stdin:
        request = line.split()
        if request[0] == "quit":
            break
        if request[0] == "check":
            answer = check()
        elif request[0] == "train":
            model, trainer = None, trainer or Trainer(True)
            steps, start = 0, time.perf_counter()
            while steps == 0 or time.perf_counter() - start < float(request[1]):
                trainer.forward_backward()
                trainer.update()
                steps += 1
            answer = [steps, time.perf_counter() - start]
        elif request[0] == "infer":
            model = model or AutoModelForSequenceClassification.from_pretrained(folder).eval()
            x = ids.flatten()[: int(request[1]) * int(request[2])].reshape(int(request[1]), int(request[2]))
            count, start = 0, time.perf_counter()
            with torch.inference_mode():
                while count == 0 or time.perf_counter() - start < float(request[3]):
                    model(input_ids=x)
                    count += 1
            answer = [count, time.perf_counter() - start]
        elif request[0] == "machine":
            import transformers
            answer = {"torch": torch.__version__, "transformers": transformers.__version__}
        print(json.dumps(answer), flush=True)


class Peer:
    def __init__(self, name, command, threads):
        self.name, self.samples, self.peaks = name, {}, {}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=dict(os.environ, OMP_NUM_THREADS=str(threads)), stderr=subprocess.DEVNULL
                                        if command[0] == sys.executable else None)

    def ask(self, request):
        self.process.stdin.write(request + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"{self.name} ended at the request '{request}'")
        return json.loads(answer)

    def sample(self, request, seconds):
        count, passed = self.ask(f"{request} {seconds}")
        self.samples.setdefault(request, []).append(passed / count * 1e3)

    def note_peak(self, what):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmHWM"):
                self.peaks[what] = int(line.split()[1]) / 1024

    def close(self):
        self.process.stdin.write("quit\n")
        self.process.stdin.close()
        self.process.wait()


def peers(quern, folder, threads):
    python = [sys.executable, os.path.abspath(__file__), "--worker", folder, "--threads", str(threads)]
    return [Peer("quern", [quern, folder, str(threads)], threads), Peer("torch", python, threads),
            Peer("torch, oneDNN", python + ["--onednn"], threads)]


def make_folder(folder):
    import numpy, torch
    from transformers import BertConfig, BertForSequenceClassification
    torch.manual_seed(1)
    shape = BertConfig(vocab_size=VOCABULARY, hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
                       intermediate_size=1536, num_labels=2)
    BertForSequenceClassification(shape).save_pretrained(folder)
    random = numpy.random.default_rng(1)
    random.integers(1, VOCABULARY, BATCHES * TEXTS * TOKENS).astype(numpy.int32).tofile(folder + "/ids.i32")
    random.integers(0, 2, BATCHES * TEXTS).astype(numpy.int32).tofile(folder + "/labels.i32")


def compare(quern, folder, threads):
    """Every peer's results against the first's; a list of what was compared, with what it may differ by."""
    import numpy
    from safetensors.numpy import load_file
    start = {k.removeprefix("bert."): v for k, v in load_file(folder + "/model.safetensors").items()}
    files = []
    for p in peers(quern, folder, threads):
        files.append((p.name, p.ask("check")))
        p.close()
    ours, found = load_file(files[0][1]), []
    norm = lambda x: float(numpy.linalg.norm(x.astype(numpy.float64)))
    for name, file in files[1:]:
        theirs, rows = load_file(file), []
        assert theirs.keys() == ours.keys(), theirs.keys() ^ ours.keys()
        largest = max(norm(v) for k, v in theirs.items() if k.startswith("gradient."))
        for k, b in theirs.items():
            kind, a = k.split(".")[0], ours[k]
            if kind in ("logits", "losses"):
                rows.append((kind, k, float(abs(a - b).max()), TOLERANCE[kind]))
            elif kind == "gradient":
                rows.append((kind, k, norm(a - b) / max(norm(b), 1e-30), TOLERANCE[kind] + 1e-6 * largest / max(norm(b), 1e-30)))
            elif norm(theirs["gradient." + k[6:]]) > 1e-6 * largest:
                rows.append(("moved", k, norm(a - b) / norm(b - start[k[6:]]), TOLERANCE["moved"]))
        found += [{"peer": name, "threads": threads, "kind": kind, "what": what, "error": error, "ok": bool(error <= most)}
                  for kind, what, error, most in rows]
        print(f"results, {threads} thread(s), quern against {name}: " + ", ".join(
            f"{kind} {max(e for kk, w, e, m in rows if kk == kind and m < 2 * TOLERANCE[kind]):.1e} (at most {TOLERANCE[kind]:.0e})"
            for kind in TOLERANCE), flush=True)
    return found


def main(a):
    folder = os.path.join(a.out, "bert")
    os.makedirs(folder, exist_ok=True)
    make_folder(folder)
    report = {"shapes": {"texts": TEXTS, "tokens": TOKENS, "layers": 6, "hidden": 384}, "checks": [], "rows": [],
              "versions": {}, "pieces": {}}
    requests = [(f"infer {b} {t}", a.seconds / 2) for b, t in SHAPES] + [("train", a.seconds)]
    for threads in sorted(int(t) for t in a.threads_list.split(",")):
        checks = compare(a.quern, folder, threads)
        report["checks"] += checks
        for c in (c for c in checks if not c["ok"]):
            print(f"differs: {c['what']}, {threads} thread(s), {c['peer']}: {c['error']:.2e}")
        if not all(c["ok"] for c in checks):
            sys.exit("the results differ, so no time is taken")
        all_peers = peers(a.quern, folder, threads)
        for what in ("infer", "train"):
            own = [(r, s) for r, s in requests if r.startswith(what)]
            for p in all_peers:
                for r, _ in own:
                    p.ask(f"{r} 0.01")  # buffers, caches, thread pools
            for _ in range(a.rounds):
                for r, s in own:
                    for p in all_peers:
                        p.sample(r, s)
            for p in all_peers:
                p.note_peak(what)
        report["pieces"][threads] = all_peers[0].ask(f"pieces {a.seconds}")
        report["versions"] |= all_peers[1].ask("machine") | all_peers[0].ask("machine")
        print(f"\n{threads} thread(s), ms: least (median); peak MB of memory")
        for r, _ in requests:
            ours = all_peers[0].samples[r]
            for p in all_peers:
                s = p.samples[r]
                row = {"request": r, "peer": p.name, "threads": threads, "ms_min": min(s), "ms_median": statistics.median(s),
                       "ratio_min": min(s) / min(ours), "ratio_median": statistics.median(s) / statistics.median(ours),
                       "peak_mb": p.peaks[r.split()[0]], "samples": s}
                report["rows"].append(row)
                print(f"{r:14} {p.name:14} {row['ms_min']:9.2f} ({row['ms_median']:9.2f})  {row['ratio_min']:5.2f} x quern's "
                      f"({row['ratio_median']:.2f})  {row['peak_mb']:6.0f} MB", flush=True)
        total = sum(report["pieces"][threads].values())
        for name, ms in sorted(report["pieces"][threads].items(), key=lambda p: -p[1])[:12]:
            print(f"    {ms:8.2f} ms {100 * ms / total:4.0f} %  {name}")
        for p in all_peers:
            p.close()
    cpu = next((l.split(":", 1)[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "?")
    report["machine"] = {"cpu": cpu, "cores": os.cpu_count()}
    with open(os.path.join(a.out, "bert.json"), "w") as f:
        json.dump(report, f, indent=1)
    print(f"{report['versions']}, {cpu}; written: {os.path.join(a.out, 'bert.json')}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quern"), parser.add_argument("--out", default="build/bench")
    parser.add_argument("--rounds", type=int, default=6), parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--threads-list", default="1,2")
    parser.add_argument("--worker"), parser.add_argument("--threads", type=int)
    parser.add_argument("--onednn", action="store_true")
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments.worker, arguments.threads, arguments.onednn)
    else:
        main(arguments)
