#!/usr/bin/env python3
"""Compares `quern tokenize` with Hugging Face's `tokenizers`, line by line: ids, tokens and offsets.

  bench/peers/tokenizers_compare.py --from vocab.txt reviews.txt more.csv     lines of files, whatever their bytes
  bench/peers/tokenizers_compare.py --from bert --cased --generate 1000000    lines made up over all Unicode blocks

--from is a vocab.txt, a tokenizer.json, or a folder with one of them. Files that end in .xz are unpacked. Exit code 1
where a line differs; the first ones are shown. Needs: pip install tokenizers.
"""
import argparse
import itertools
import json
import lzma
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import tokenizers
from tokenizers import BertWordPieceTokenizer, Tokenizer

from unicode_lines import UnicodeLines

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--from", dest="source", required=True)
parser.add_argument("--quern", default="build/release/bin/quern", help="the program")
parser.add_argument("--cased", action="store_true")
parser.add_argument("--generate", type=int, default=0, metavar="LINES")
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("files", nargs="*")
args = parser.parse_args()


def peer():
    path = args.source
    if os.path.isdir(path):
        inside = os.path.join(path, "tokenizer.json")
        path = inside if os.path.exists(inside) else os.path.join(path, "vocab.txt")
    if not path.endswith(".json"):
        return BertWordPieceTokenizer(path, lowercase=not args.cased)
    tokenizer = Tokenizer.from_file(path)
    if args.cased:
        tokenizer.normalizer.lowercase = tokenizer.normalizer.strip_accents = False
    return tokenizer


def lines_of(path):
    data = lzma.open(path).read() if path.endswith(".xz") else pathlib.Path(path).read_bytes()
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    return lines


def show(name, line, ours, theirs):
    print(f"{name}: {ascii(line)}")
    for key in theirs:
        for i, (a, b) in enumerate(itertools.zip_longest(ours[key], theirs[key])):
            if a != b:
                print(f"  {key}[{i}]: quern {ascii(a)}, tokenizers {ascii(b)}")
                break


def compare(name, lines, tokenizer):
    """Gives how many differ."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"".join(line + b"\n" for line in lines))
        file.flush()
        command = [args.quern, "tokenize", "--from", args.source, file.name] + (["--cased"] if args.cased else [])
        program = subprocess.Popen(command, stdout=subprocess.PIPE)
        different, at_once = 0, 1024
        for begin in range(0, len(lines), at_once):
            texts = [line.decode("utf-8", "replace") for line in lines[begin:begin + at_once]]
            for text, encoding in zip(texts, tokenizer.encode_batch(texts)):
                theirs = {"ids": encoding.ids, "tokens": encoding.tokens, "offsets": encoding.offsets}
                answer = program.stdout.readline()
                if not answer:
                    sys.exit(f"{name}: quern ended early, exit code {program.wait()}")
                if answer == json.dumps(theirs, ensure_ascii=False).encode() + b"\n":
                    continue
                # Written otherwise, or other.
                ours, theirs = json.loads(answer), json.loads(json.dumps(theirs))
                if ours != theirs:
                    different += 1
                    if different <= 5:
                        show(name, text, ours, theirs)
        if program.stdout.readline():
            different += 1
            print(f"{name}: quern printed more lines than there are")
        if program.wait() != 0:
            sys.exit(f"{name}: quern ended with exit code {program.returncode}")
    size = sum(map(len, lines)) + len(lines)
    print(f"{name}: {len(lines)} lines, {size / 1e6:.1f} MB, {different} differ", flush=True)
    return different


tokenizer = peer()
print(f"tokenizers {tokenizers.__version__}, {args.source}{', cased' if args.cased else ''}")
different = total = 0
begin = time.time()
for path in args.files:
    lines = lines_of(path)
    total += len(lines)
    different += compare(path, lines, tokenizer)
if args.generate:
    made = UnicodeLines(args.seed, sorted(tokenizer.get_vocab()))
    lines = made.every()
    total += len(lines)
    different += compare("every code point", lines, tokenizer)
    for first in range(0, args.generate, 100000):
        lines = [made.line(i) for i in range(first, min(first + 100000, args.generate))]
        total += len(lines)
        different += compare(f"made up, {first} to {first + len(lines) - 1}", lines, tokenizer)
print(f"{total} lines compared in {time.time() - begin:.0f} s, {different} differ")
sys.exit(different > 0)
