"""For hugging_face.sh: makes BERTs with random weights, and compares them with what Quern wrote of them.

    python hugging_face_transformers.py make FOLDER       FOLDER/classifier, FOLDER/words, …
    python hugging_face_transformers.py compare FOLDER    each with FOLDER/….quern; exit code 1 where they differ
"""
import os, sys

import torch
import transformers
from transformers import AutoConfig, BertConfig

SHAPE = dict(vocab_size=500, hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=80,
             max_position_embeddings=40, initializer_range=0.2)
MODELS = {  # name: (class, what the config says beside the shape, shards)
    "classifier": ("BertForSequenceClassification", dict(id2label={0: "neg", 1: "größer", 2: "x"}), None),
    "regression": ("BertForSequenceClassification", dict(num_labels=1, problem_type="regression"), None),
    "shards": ("BertForSequenceClassification", dict(num_labels=2, classifier_dropout=0.3), "60KB"),
    "words": ("BertForMaskedLM", {}, None),
    "encoder": ("BertModel", {}, None),
}


def make(folder):
    for i, (name, (kind, more, shards)) in enumerate(MODELS.items()):
        torch.manual_seed(i)
        model = getattr(transformers, kind)(BertConfig(**SHAPE, **more))
        model.save_pretrained(os.path.join(folder, name), **(dict(max_shard_size=shards) if shards else {}))


def output(folder):
    """Of the class that config.json names, as from_pretrained opens it."""
    config = AutoConfig.from_pretrained(folder)
    model = getattr(transformers, config.architectures[0]).from_pretrained(folder).eval()
    if config.architectures[0] == "BertForSequenceClassification":
        assert type(transformers.AutoModelForSequenceClassification.from_pretrained(folder)) is type(model)
    torch.manual_seed(9)
    mask = (torch.arange(40) < torch.tensor([[40], [7], [1], [23]])).long()
    ids, types = torch.randint(1, SHAPE["vocab_size"], (4, 40)) * mask, (torch.arange(40) > 12).long() * mask
    with torch.inference_mode():
        out = model(input_ids=ids, token_type_ids=types, attention_mask=mask)
    y = out.logits if "logits" in out else out.pooler_output
    return config, y if y.dim() == 2 else y[mask.bool()]


def compare(folder):
    for name in MODELS:
        a, x = output(os.path.join(folder, name))
        b, y = output(os.path.join(folder, name + ".quern"))
        error = float((x - y).abs().max())
        print(f"{name}: {tuple(x.shape)}, largest difference {error:.1e}")
        assert x.shape == y.shape and error <= 1e-6, name
        for key in ("id2label", "num_labels", "problem_type", "layer_norm_eps", "hidden_dropout_prob", "pad_token_id"):
            assert getattr(a, key) == getattr(b, key), (name, key, getattr(a, key), getattr(b, key))


{"make": make, "compare": compare}[sys.argv[1]](sys.argv[2])
