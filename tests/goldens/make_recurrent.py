#!/usr/bin/env python3
"""Writes goldens/{lstm,gru}.safetensors: what PyTorch's nn.LSTM and nn.GRU compute, two layers in both directions, over
packed texts of several lengths.

    python3 make_recurrent.py            # beside this file

The tests read those files and need no Python. All numbers are computed in double. The loss of a batch is the mean of
(y - target)² over the rows of its texts, which stand one after another, without padding.

    start.NAME     the weights, under PyTorch's names
    x.B, target.B  of batch B: [N, E], [N, 2H]
    y, dx          of batch 0: [N, 2H], [N, E]
    gradient.NAME  of batch 0
    stepped.NAME   the weights after ten steps of AdamW, of batches 0, 1, 0, 1, …
"""
import os

import numpy
import torch
from safetensors.torch import save_file
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

torch.set_default_dtype(torch.float64)
INPUTS, UNITS = 7, 5
LENGTHS = [[4, 1, 9, 3], [2, 6, 6, 1, 1, 3, 5, 2]]


def texts_of(rows, lengths):
    return list(torch.split(rows, lengths))


def run(model, rows, lengths):
    """The rows of y, text by text."""
    padded = pad_sequence(texts_of(rows, lengths), batch_first=True)
    packed = pack_padded_sequence(padded, lengths, batch_first=True, enforce_sorted=False)
    y, _ = pad_packed_sequence(model(packed)[0], batch_first=True)
    return torch.cat([y[b, :n] for b, n in enumerate(lengths)])


def golden(kind, seed):
    rng = numpy.random.default_rng(seed)
    draw = lambda *shape: torch.tensor(rng.uniform(-1, 1, shape).astype(numpy.float32).astype(numpy.float64))
    model = kind(INPUTS, UNITS, num_layers=2, bidirectional=True, batch_first=True)
    out = {}
    for name, w in model.named_parameters():
        w.data.copy_((draw(*w.shape) * 0.5).float().double())
        out["start." + name] = w.detach().clone()
    batches = []
    for b, lengths in enumerate(LENGTHS):
        x, target = draw(sum(lengths), INPUTS), draw(sum(lengths), 2 * UNITS)
        batches.append((x, target, lengths))
        out[f"x.{b}"], out[f"target.{b}"] = x.clone(), target
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    for step in range(10):
        x, target, lengths = batches[step % 2]
        x.requires_grad_(step == 0)
        optimizer.zero_grad()
        y = run(model, x, lengths)
        torch.nn.functional.mse_loss(y, target).backward()
        if step == 0:
            out["y"], out["dx"] = y.detach(), x.grad.clone()
            x.grad = None
            for name, w in model.named_parameters():
                out["gradient." + name] = w.grad.clone()
        optimizer.step()
    for name, w in model.named_parameters():
        out["stepped." + name] = w.detach()
    return out


folder = os.path.dirname(os.path.abspath(__file__))
note = {"made_by": f"make_recurrent.py, PyTorch {torch.__version__.split('+')[0]}"}
save_file(golden(torch.nn.LSTM, 1), os.path.join(folder, "lstm.safetensors"), note)
save_file(golden(torch.nn.GRU, 2), os.path.join(folder, "gru.safetensors"), note)
