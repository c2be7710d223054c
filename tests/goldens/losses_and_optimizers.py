#!/usr/bin/env python3
"""Writes goldens/losses_and_optimizers.hpp: what PyTorch computes for a few small inputs.

    python3 losses_and_optimizers.py > losses_and_optimizers.hpp

The tests read the header and need no Python. All numbers are computed in double.
"""
import torch

torch.set_default_dtype(torch.float64)
LOGITS = [[0.5, -1.25, 2.0], [1e4, -1e4, 0.0], [-3.0, -3.0, -2.5], [0.125, 0.25, -0.75]]
LABELS = [2, 0, 1, 0]
WEIGHTS = [0.5, 2.0, 1.25]


def numbers(values):
    return "{" + ", ".join(repr(float(v)) for v in values) + "}"


def losses():
    for labels in (LABELS, [1, 1, 0, 2]):
        for weights in (None, WEIGHTS):
            for smoothing in (0.0, 0.1):
                x = torch.tensor(LOGITS, requires_grad=True)
                w = torch.tensor(weights) if weights else None
                loss = torch.nn.functional.cross_entropy(x, torch.tensor(labels), weight=w, label_smoothing=smoothing)
                loss.backward()
                print(f"    {{{{{', '.join(map(str, labels))}}}, {'true' if weights else 'false'}, {smoothing}, "
                      f"{loss.item()!r}, {numbers(x.grad.flatten())}}},")


def optimizers():
    """Weight w [5]; the gradient of step t (from 0) is w/4 + sin(t + i)."""
    makers = {
        "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
        "sgd_decay": lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.05),
        "adam": lambda p: torch.optim.Adam(p, lr=0.01),
        "adam_decay": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.05),
        "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.05),
    }
    for name, make in makers.items():
        w = torch.nn.Parameter(torch.tensor([1.0, -0.5, 0.25, 2.0, -1.5]))
        optimizer = make([w])
        for t in range(20):
            w.grad = w.detach() / 4 + torch.sin(torch.arange(5) + float(t))
            optimizer.step()
        print(f"inline const std::vector<double> {name} = {numbers(w.detach())};")


print(f"""/// What PyTorch {torch.__version__.split('+')[0]} computes; written by losses_and_optimizers.py beside this file.
///
///   for (const auto& golden : goldens::losses) …
#pragma once
#include <vector>

namespace goldens {{

inline const std::vector<double> logits = {numbers(v for row in LOGITS for v in row)};  // [4, 3]
inline const std::vector<double> class_weights = {numbers(WEIGHTS)};

struct Loss {{
  std::vector<int> labels;
  bool weighted;
  double smoothing, loss;
  std::vector<double> gradient;  // of the logits
}};
inline const std::vector<Loss> losses = {{""")
losses()
print("""};

/// After 20 steps from {1, -0.5, 0.25, 2, -1.5}; the gradient of step t, from 0, is w(i)/4 + sin(t + i).""")
optimizers()
print("""
}  // namespace goldens""")
