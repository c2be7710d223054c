#!/usr/bin/env python3
"""Compares `quern tokenize` with Hugging Face's `tokenizers`, line by line: ids, tokens and offsets.

  bench/peers/tokenizers_compare.py --from vocab.txt reviews.txt more.csv     lines of files, whatever their bytes
  bench/peers/tokenizers_compare.py --from bert --cased --generate 1000000    lines made up over all Unicode blocks

--from is a vocab.txt, a tokenizer.json, or a folder with one of them. Files that end in .xz are unpacked. Exit code 1
where a line differs; the first ones are shown. Needs: pip install tokenizers.
"""
import argparse
import json
import lzma
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

import tokenizers
from tokenizers import BertWordPieceTokenizer, Tokenizer

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


class Generator:
    """Lines of words, characters of one block or of many, combining marks, controls, emoji sequences, broken bytes."""

    words = ("the film Was not good unaffable [MASK] [CLS] don't naïve Ångström ΑΣ İstanbul ﬁne 中文 한국어 ひらがな "
             "e\u0301\u0316 [UNK]x ##ing [ SEP ] @#$% 3.14 a\u200db \u202eabc\u202c ½ Ǆ ß ẞ \u1e9b\u0323").split()
    marks = [chr(c) for c in [*range(0x300, 0x370), *range(0x591, 0x5C8), *range(0x64B, 0x660), 0x93C, 0x94D, 0xE38,
                              0xF71, 0xF72, 0xF73, 0x302E, 0x3099, 0x1D165, 0x20D0, 0x16FF0, 0x1E944, 0x11F41]]
    broken = [b"\xff", b"\xc2", b"\xe2\x82", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\x80",
              b"\xe0\x80\x80", b"\xf8\x88\x80\x80\x80"]
    emoji = ["\U0001F469\u200D\U0001F4BB", "\U0001F1E9\U0001F1EA", "\u2764\uFE0F", "\U0001F44D\U0001F3FD", "\u00A9\uFE0F",
             "\U0001F3F4\U000E0067\U000E0062\U000E007F"]

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.blocks = [b for b in range(0, 0x110000, 128) if not 0xD800 <= b < 0xE000]
        # Planes that are all unassigned or all alike come less often.
        self.full = [b for b in self.blocks if b < 0x20000 or 0x2F800 <= b < 0x2FB00 or 0xE0000 <= b < 0xE0200]

    def character(self, block):
        while (c := block + self.random.randrange(128)) == 10:
            pass
        return chr(c)

    def piece(self, block):
        r, pick = self.random.random(), self.random.choice
        if r < 0.3:
            return pick(self.words)
        if r < 0.75:
            return "".join(self.character(block) for _ in range(self.random.randrange(1, 8)))
        if r < 0.85:
            return pick("aeiouAÉçñ中") + "".join(pick(self.marks) for _ in range(self.random.randrange(1, 5)))
        if r < 0.9:
            return pick(self.emoji)
        if r < 0.95:
            return pick("\x00\x01\x07\t\r\x0b\x0c\x1f\x7f\x85\xa0\xad\u200b\u2028\ufeff\ufffd\u3000")
        return "".join(self.character(pick(self.full)) for _ in range(self.random.randrange(1, 120)))

    def line(self, i):
        # Every block in turn, so that none is left out.
        block = self.full[i // 2 % len(self.full)] if i % 2 else self.blocks[i // 2 % len(self.blocks)]
        out = b""
        for _ in range(self.random.randrange(1, 12)):
            out += self.piece(block).encode() + (b" " if self.random.random() < 0.5 else b"")
            if self.random.random() < 0.04:
                out += self.random.choice(self.broken)
        return out


def lines_of(path):
    data = lzma.open(path).read() if path.endswith(".xz") else pathlib.Path(path).read_bytes()
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    return lines


def compare(name, lines, tokenizer):
    """Gives how many differ."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"".join(line + b"\n" for line in lines))
        file.flush()
        command = [args.quern, "tokenize", "--from", args.source, file.name] + (["--cased"] if args.cased else [])
        program = subprocess.Popen(command, stdout=subprocess.PIPE)
        different, at_once = 0, 4096
        for begin in range(0, len(lines), at_once):
            part = lines[begin:begin + at_once]
            for line, theirs in zip(part, tokenizer.encode_batch([line.decode("utf-8", "replace") for line in part])):
                answer = program.stdout.readline()
                if not answer:
                    sys.exit(f"{name}: quern ended early, exit code {program.wait()}")
                ours = json.loads(answer)
                expected = {"ids": theirs.ids, "tokens": theirs.tokens, "offsets": [list(o) for o in theirs.offsets]}
                if ours == expected:
                    continue
                different += 1
                if different <= 5:
                    text = line.decode("utf-8", "replace")
                    print(f"{name}: {ascii(text)}")
                    for key in expected:
                        for i, (a, b) in enumerate(zip(ours[key] + [None], expected[key] + [None])):
                            if a != b:
                                print(f"  {key}[{i}]: quern {ascii(a)}, tokenizers {ascii(b)}")
                                break
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
    generator = Generator(args.seed)
    for first in range(0, args.generate, 100000):
        lines = [generator.line(i) for i in range(first, min(first + 100000, args.generate))]
        total += len(lines)
        different += compare(f"generated, lines {first} to {first + len(lines) - 1}", lines, tokenizer)
print(f"{total} lines compared in {time.time() - begin:.0f} s, {different} differ")
sys.exit(different > 0)
