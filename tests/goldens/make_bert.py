#!/usr/bin/env python3
"""Makes small BERTs with random weights, as folders that transformers writes, and what PyTorch computes with them.

    python3 make_bert.py                          writes bert_classifier/ and bert_masked_lm/ beside this file
    python3 make_bert.py --shape minilm FOLDER    the same for MiniLM (6 x 384) or base (12 x 768), not shipped:
                                                  QUERN_BERT_FOLDER=FOLDER bin/test_models --source-file='*bert_parity*'
    … --rate 2e-5                                 of AdamW, in place of 1e-3
    … --exact                                     the steps in double, and how far PyTorch's in float are from them

A folder holds config.json, model.safetensors (bf16 where it is shipped: small, and exact in float) and
goldens.safetensors: batches of texts of several lengths, which PyTorch sees padded and with a mask; the first batch's
logits, loss and all gradients; of a classifier all weights after ten steps of AdamW (decay 0.01, none on biases and
norms) that take the batches in turn. Dropout is off. The tests read them and need no Python.
"""
import argparse
import copy
import os

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification

SHAPES = {
    "tiny": dict(vocab_size=60, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
                 max_position_embeddings=12),
    "tiny_lm": dict(vocab_size=50, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=40,
                    max_position_embeddings=12),
    "minilm": dict(vocab_size=30522, hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
                   intermediate_size=1536, max_position_embeddings=512),
    "base": dict(vocab_size=30522, hidden_size=768, num_hidden_layers=12, num_attention_heads=12,
                 intermediate_size=3072, max_position_embeddings=512),
}
LENGTHS = {"tiny": [(5, 1, 12, 8), (3, 7, 2, 10), (12, 4, 6)], "tiny_lm": [(6, 2, 12), (9, 4)],
           "minilm": [(64, 3, 128, 17), (40, 9, 77, 128)], "base": [(64, 3, 128, 17), (40, 9, 77, 128)]}
CLASSES = 3


class Texts:
    """A batch: packed for Quern, padded (with id 0, which is no other token) for PyTorch."""

    def __init__(self, lengths, vocabulary, masked):
        n = sum(lengths)
        self.ids, self.labels = torch.randint(1, vocabulary, (n,)), torch.randint(0, CLASSES, (len(lengths),))
        self.types = torch.cat([(torch.arange(t) >= (2 * t + 2) // 3).long() for t in lengths])  # the end of a pair
        self.offsets = torch.tensor([0] + list(lengths)).cumsum(0)
        self.rows = torch.randperm(n)[: max(2, n // 6)].sort().values if masked else None
        self.words = torch.randint(0, vocabulary, (n,))  # what stood there
        shape = (len(lengths), max(lengths))
        names = ("input_ids", "token_type_ids", "attention_mask")
        self.padded = {name: torch.zeros(shape, dtype=torch.long) for name in names}
        self.mask = torch.zeros(shape, dtype=torch.bool)
        for b, t in enumerate(lengths):
            begin = int(self.offsets[b])
            self.padded["input_ids"][b, :t] = self.ids[begin:begin + t]
            self.padded["token_type_ids"][b, :t] = self.types[begin:begin + t]
            self.padded["attention_mask"][b, :t] = 1
            self.mask[b, :t] = True

    def tensors(self, k):
        out = {"ids": self.ids.int(), "types": self.types.int(), "offsets": self.offsets}
        if self.rows is None:
            out["labels"] = self.labels.int()
        else:
            out["rows"], out["labels"] = self.rows.int(), self.words[self.rows].int()
        return {f"batch.{k}.{name}": x for name, x in out.items()}


def logits_of(model, texts):
    logits = model(**texts.padded).logits
    return logits if texts.rows is None else logits[texts.mask][texts.rows]  # row-major: texts one after another


def loss_of(model, texts):
    labels = texts.labels if texts.rows is None else texts.words[texts.rows]
    return torch.nn.functional.cross_entropy(logits_of(model, texts), labels)


def plain(name):
    return name.removeprefix("bert.")


def make(shape, folder, masked, bf16, rate=1e-3, exact=False):
    torch.manual_seed(20260101)
    kind = BertForMaskedLM if masked else BertForSequenceClassification
    config = BertConfig(**SHAPES[shape], **({} if masked else dict(num_labels=CLASSES)), initializer_range=0.02)
    model = kind(config).eval()  # dropout is off, also in the steps below
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() == 1:
                p += 0.1 * torch.randn_like(p)  # biases and norms as if they were trained
            elif shape.startswith("tiny"):
                p += 0.2 * torch.randn_like(p)
            if bf16:
                p.copy_(p.bfloat16().float())
    os.makedirs(folder, exist_ok=True)
    if bf16:
        model.to(torch.bfloat16).save_pretrained(folder)
        model.float()
    else:
        model.save_pretrained(folder)
    batches = [Texts(l, config.vocab_size, masked) for l in LENGTHS[shape]]
    goldens = {}
    for k, texts in enumerate(batches):
        goldens |= texts.tensors(k)
    goldens["logits"] = logits_of(model, batches[0]).detach().clone()
    loss = loss_of(model, batches[0])
    loss.backward()
    goldens["loss"] = loss.detach().reshape(1)
    goldens |= {f"gradient.{plain(name)}": p.grad.clone() for name, p in model.named_parameters()}
    if not (masked and bf16):  # a small masked language model need not be shipped twice: its steps are the classifier's
        goldens["rate"] = torch.tensor([rate])
        goldens |= after_ten_steps(model, batches, rate, exact)
    path = folder + "/goldens.safetensors"
    save_file({k: v.contiguous() for k, v in goldens.items()}, path)
    os.chmod(path, 0o644), os.chmod(folder + "/model.safetensors", 0o644)
    print(f"{folder}: {sum(os.path.getsize(os.path.join(folder, f)) for f in os.listdir(folder)) / 1024:.0f} KB")


def after_ten_steps(model, batches, rate, exact):
    if exact:
        in_double = copy.deepcopy(model).double()
        in_float, true = after_ten_steps(model, batches, rate, False), after_ten_steps(in_double, batches, rate, False)
        distance = {k: float((in_float[k] - true[k]).norm() / true[k].norm()) for k in true if "key.bias" not in k}
        worst = max(distance, key=distance.get)
        print(f"PyTorch in float is up to {distance[worst]:.1e} of the norm from double after ten steps ({worst})")
        return {k: x.float() for k, x in true.items()}
    decayed = [p for name, p in model.named_parameters() if p.dim() > 1]
    others = [p for name, p in model.named_parameters() if p.dim() == 1]
    adam = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}],
                             lr=rate)
    for step in range(10):
        adam.zero_grad()
        loss_of(model, batches[step % len(batches)]).backward()
        adam.step()
    return {f"after.{plain(name)}": p.detach().clone() for name, p in model.named_parameters()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape", choices=SHAPES)
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--exact", action="store_true")
    a = parser.parse_args()
    here = os.path.dirname(os.path.abspath(__file__))
    if a.shape:
        make(a.shape, a.folder or a.shape, masked=a.shape == "tiny_lm", bf16=a.shape.startswith("tiny"), rate=a.rate,
             exact=a.exact)
    else:
        make("tiny", here + "/bert_classifier", masked=False, bf16=True)
        make("tiny_lm", here + "/bert_masked_lm", masked=True, bf16=True)
