"""Quern's kernels on a GPU beside PyTorch's (and so cuBLAS and cuDNN), in one run on one card.

    python gpu_torch.py --quern build/cuda/bin/bench_gpu --out build/bench          (bench/gpu.sh does)

bench_gpu checks each result against the CPU's before it prints a time. Here PyTorch runs the same shapes, timed the same
way: events around repeated calls, inputs that go round so that none is found in the cache, the median of rounds. Writes
gpu.json and gpu.svg into the folder given. --small rehearses on the emulator, where PyTorch is not asked.
"""
import argparse, html, json, os, statistics, subprocess, sys


def ours(quern, small):
    lines = []
    process = subprocess.Popen([quern] + (["--small"] if small else []), stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        lines.append(json.loads(line))
        print("quern", line.strip(), flush=True)
    if process.wait() != 0:
        print("bench_gpu found results that differ, or failed: those have no time", file=sys.stderr)
    return lines, process.returncode


# --- the PyTorch side -----------------------------------------------------------------------------------------------
class Timer:
    def __init__(self, torch):
        self.torch = torch

    def __call__(self, f, rounds=15):
        cuda = self.torch.cuda
        begin, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)

        def measure(calls):
            begin.record()
            for i in range(calls):
                f(i)
            end.record()
            cuda.synchronize()
            return 1e3 * begin.elapsed_time(end) / calls

        measure(3)
        calls = max(2, min(2000, int(2000 / max(measure(3), 0.5))))
        return statistics.median(measure(calls) for _ in range(rounds))


def theirs(rows):
    import torch
    import torch.nn.functional as F
    timer, found = Timer(torch), {}
    types = {"float": torch.float32, "bf16": torch.bfloat16}
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False

    def draw(*shape, type=torch.float32):
        return torch.empty(shape, device="cuda", dtype=type).uniform_(-1, 1)

    def memory_bound(kernel, type, rows, columns):
        one = rows * columns * (4 if type == torch.float32 else 2)
        copies = min(64, max(2, int(3e8 / one)))
        xs, ds = ([draw(rows, columns, type=type) for _ in range(copies)] for _ in range(2))
        w, b = draw(columns, type=type), draw(columns, type=type)
        labels = torch.ones(rows, dtype=torch.int64, device="cuda")
        x, dy = lambda i: xs[i % copies], lambda i: ds[i % copies]
        y = F.softmax(xs[0], -1)
        _, mean, rstd = torch.ops.aten.native_layer_norm(xs[0], [columns], w, b, 1e-5)
        calls = {
            "layer_norm": lambda i: F.layer_norm(x(i), [columns], w, b),
            "layer_norm_backward": lambda i: torch.ops.aten.native_layer_norm_backward(
                dy(i), x(i), [columns], mean, rstd, w, b, [True, True, True]),
            "layer_norm_residual": lambda i: F.layer_norm(x(i) + F.dropout(dy(i), 0.1), [columns], w, b),
            "softmax": lambda i: F.softmax(x(i), -1),
            "softmax_backward": lambda i: torch.ops.aten._softmax_backward_data(dy(i), y, -1, type),
            "cross_entropy": lambda i: F.cross_entropy(x(i), labels),
            "gelu": lambda i: F.gelu(x(i)),
            "gelu_backward": lambda i: torch.ops.aten.gelu_backward(dy(i), x(i)),
            "dropout": lambda i: F.dropout(x(i), 0.1),
            "sum": lambda i: x(i).sum(),
            "sum_rows": lambda i: x(i).sum(0),
        }
        return timer(calls[kernel]) if kernel in calls else None

    def matmul(row, type):
        m, n, k = row["m"], row["n"], row["k"]
        copies = min(64, max(2, int(3e8 / (2 * (m * k + n * k)))))
        a = [draw(k, m, type=type).t() if row["transposes"][0] == "T" else draw(m, k, type=type) for _ in range(copies)]
        b = [draw(n, k, type=type).t() if row["transposes"][1] == "T" else draw(k, n, type=type) for _ in range(copies)]
        torch.backends.cuda.matmul.allow_tf32 = row.get("variant") == "tf32"
        out = timer(lambda i: torch.mm(a[i % copies], b[i % copies]))
        torch.backends.cuda.matmul.allow_tf32 = False
        return out

    def adamw(parameters):
        ps = [torch.nn.Parameter(draw(1024, 2048)) for _ in range(parameters // (1024 * 2048))]
        for p in ps:
            p.grad = torch.randn_like(p)
        adam = torch.optim.AdamW(ps, lr=1e-3, weight_decay=0.01, fused=True)

        def step(_):
            adam.step()
            adam.zero_grad(set_to_none=False)
        return timer(step)

    def text_cnn(compiled):
        class TextCnn(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.words = torch.nn.Embedding(20000, 300)
                self.windows = torch.nn.ModuleList(torch.nn.Conv1d(300, 100, w, padding=w - 1) for w in (3, 4, 5))
                self.out = torch.nn.Linear(300, 2)

            def forward(self, ids):
                e = self.words(ids).transpose(1, 2)
                h = torch.cat([F.relu(w(e)).amax(2) for w in self.windows], 1)
                return self.out(F.dropout(h, 0.5))
        model = TextCnn().cuda()
        forward = torch.compile(model) if compiled else model
        adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
        ids = torch.randint(0, 20000, (8, 50, 64), device="cuda")
        labels = torch.arange(50, device="cuda") % 2

        def step(i):
            adam.zero_grad()
            F.cross_entropy(forward(ids[i % 8]), labels).backward()
            adam.step()
        return timer(step)

    for i, row in enumerate(rows):
        kernel, type = row.get("kernel"), types.get(row.get("type"))
        try:
            if kernel == "matmul":
                us = matmul(row, type)
            elif kernel == "adamw":
                us = adamw(row["parameters"])
            elif kernel == "text_cnn_step":
                us = text_cnn(False)
                found[(i, "compiled")] = text_cnn(True)
            elif "rows" in row:
                us = memory_bound(kernel, type, row["rows"], row["columns"])
            else:
                continue
        except Exception as e:  # one peer that fails leaves the others
            print(f"torch {kernel}: {e}", file=sys.stderr)
            continue
        found[i] = us
        print("torch", json.dumps({"kernel": kernel, "us": us, "quern_us": row["us"]}), flush=True)
    return found, {"torch": torch.__version__, "cuda": torch.version.cuda, "device": torch.cuda.get_device_name(0)}


# --- the picture ----------------------------------------------------------------------------------------------------
def label_of(row):
    where = f"{row['rows']}x{row['columns']}" if "rows" in row else \
        f"{row['m']}x{row['n']}x{row['k']} {row['transposes']} {row.get('variant', '')}" if "m" in row else ""
    return f"{row['kernel']} {row.get('type', '')} {where}"


def picture(rows, title):
    bar, left, width = 15, 330, 1000
    timed = [r for r in rows if r.get("torch_us")]
    scale = (width - left - 120) / max([r["torch_us"] / r["us"] for r in timed] + [1.2])
    out, y = [f'<text x="14" y="24" font-size="15">{html.escape(title)}</text>'], 44
    for r in timed:
        ratio = r["torch_us"] / r["us"]
        out.append(f'<text x="{left - 8}" y="{y + 11}" text-anchor="end">{html.escape(label_of(r))}</text>')
        out.append(f'<rect x="{left}" y="{y}" width="{ratio * scale:.1f}" height="{bar - 3}" '
                   f'fill="{"#2a7" if ratio >= 1 else "#c63"}"/>')
        note = f"{ratio:.2f}" + (f", {r['percent_of_copy']:.0f} % of copy" if "percent_of_copy" in r else "")
        out.append(f'<text x="{left + ratio * scale + 5:.1f}" y="{y + 11}">{note}</text>')
        y += bar
    out.append(f'<line x1="{left + scale}" x2="{left + scale}" y1="36" y2="{y}" stroke="#333" stroke-dasharray="3 3"/>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y + 14}" font-family="sans-serif" '
            f'font-size="11"><rect width="100%" height="100%" fill="white"/>{"".join(out)}</svg>\n')


def main(a):
    os.makedirs(a.out, exist_ok=True)
    lines, status = ours(a.quern, a.small)
    rows = [r for r in lines if "us" in r]
    versions = {}
    if not a.small:
        try:
            found, versions = theirs(rows)
        except Exception as e:  # without torch, or where it sees no GPU: our own figures are worth keeping
            print(f"PyTorch is left out: {e}", file=sys.stderr)
            found = {}
        for i, row in enumerate(rows):
            row["torch_us"], row["torch_compiled_us"] = found.get(i), found.get((i, "compiled"))
    with open(os.path.join(a.out, "gpu.json"), "w") as f:
        json.dump({"device": lines[0] if lines else None, "versions": versions, "copy": lines[1:2], "rows": rows}, f, indent=1)
    title = f"Quern beside PyTorch {versions.get('torch', '')} on {versions.get('device', 'the emulator')}: times faster; " \
            "dashed: as fast"
    with open(os.path.join(a.out, "gpu.svg"), "w") as f:
        f.write(picture(rows, title))
    print("written:", os.path.join(a.out, "gpu.json"), os.path.join(a.out, "gpu.svg"))
    sys.exit(status)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quern", required=True), parser.add_argument("--out", default="build/bench")
    parser.add_argument("--small", action="store_true")
    main(parser.parse_args())
