#!/usr/bin/env python3
"""The speed of Quern's WordPiece beside Hugging Face's `tokenizers`, on one thread, in the same run.

  bench/peers/wordpiece_tokenizers.py --vocab vocab.txt --quern build/release/bin/bench_text reviews.txt

First all ids are compared; where they differ no time is printed and the exit code is 1. Then every peer takes all lines
in turn for some rounds; the figure is the median, by the processor's time (other programs slow that less than a
clock's), and "times" is against the fastest way of tokenizers in the same round. Needs: pip install tokenizers numpy.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import numpy
import tokenizers
from tokenizers import BertWordPieceTokenizer

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--vocab", required=True)
parser.add_argument("--quern", default="build/release/bin/bench_text")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("file")
args = parser.parse_args()

data = open(args.file, "rb").read()
lines = [line.decode("utf-8", "replace") for line in data.split(b"\n")]
if not lines[-1]:
    lines.pop()
peer = BertWordPieceTokenizer(args.vocab)


def program(*what):
    done = subprocess.run([args.quern, args.vocab, args.file, *what], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return float(done.stdout.split()[0])


with tempfile.TemporaryDirectory() as folder:
    program("ids", folder + "/ids")
    ours = numpy.fromfile(folder + "/ids", dtype=numpy.int32)
theirs = numpy.array([i for line in lines for i in peer.encode(line, add_special_tokens=False).ids], dtype=numpy.int32)
if not numpy.array_equal(ours, theirs):
    sys.exit(f"the ids differ: {len(ours)} of quern, {len(theirs)} of tokenizers")
print(f"{len(lines)} lines, {len(data) / 1e6:.1f} MB, {len(ours)} ids, equal to tokenizers {tokenizers.__version__}")


def encode():
    for line in lines:
        peer.encode(line)


def timed(f):
    begin = time.process_time()
    f()
    return time.process_time() - begin


theirs = {"tokenizers encode": lambda: timed(encode),
          "tokenizers encode_batch": lambda: timed(lambda: peer.encode_batch(lines)),
          "tokenizers encode_batch_fast": lambda: timed(lambda: peer._tokenizer.encode_batch_fast(lines))}
ours = {"quern encode (ids, tokens, offsets)": lambda: program("encode"),
        "quern append_ids": lambda: program("append_ids")}
rounds = [{name: run() for name, run in (theirs | ours).items()} for _ in range(args.rounds)]
for name in theirs | ours:
    speeds = sorted(len(data) / seconds[name] / 1e6 for seconds in rounds)
    times = statistics.median(min(seconds[peer] for peer in theirs) / seconds[name] for seconds in rounds)
    print(f"{name:36} {statistics.median(speeds):6.1f} MB/s ({speeds[0]:.1f} to {speeds[-1]:.1f})"
          + (f", {times:.1f} times tokenizers" if name in ours else ""))
