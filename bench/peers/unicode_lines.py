"""Lines at random over all blocks of Unicode, to compare tokenizers on (tokenizers_compare.py).

  lines = UnicodeLines(seed=1, tokens=vocabulary)
  lines.line(0)                                     # bytes, mostly UTF-8, without a line end
  lines.every()                                     # a line for each block, with every code point
"""
import random
import sys
import unicodedata

SURROGATES = range(0xD800, 0xE000)
BLOCK = 128
everything = [chr(c) for c in range(sys.maxunicode + 1) if c not in SURROGATES and c != 10]


def of_category(*names):
    return [c for c in everything if unicodedata.category(c) in names]


class UnicodeLines:
    words = ("the film Was not good unaffable [MASK] [CLS] [SEP] [PAD] [UNK]x [mask] [MASK don't naïve Ångström ΑΣ İstanbul "
             "ﬁne 中文 한국어 ひらがな e\u0301\u0316 ##ing [ SEP ] @#$% 3.14 a\u200db \u202eabc\u202c ½ Ǆ ß ẞ \u1e9b\u0323").split()
    sequences = ["\U0001F469\u200D\U0001F4BB", "\U0001F468\u200D\U0001F469\u200D\U0001F467", "\U0001F1E9\U0001F1EA",
                 "\u2764\uFE0F\u200D\U0001F525", "\U0001F44D\U0001F3FD", "\u00A9\uFE0F", "1\uFE0F\u20E3",
                 "\U0001F3F4\U000E0067\U000E0062\U000E007F", "\u1112\u1161\u11AB", "\uAC00\u11A8", "\uA960\uD7B0\uD7CB",
                 "\u845B\U000E0100", "\u0915\u094D\u200D\u0937", "\u0F71\u0F72\u0F74", "\u0344\u0345"]
    broken = [b"\xff", b"\xc2", b"\xe2\x82", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\x80",
              b"\xe0\x80\x80", b"\xf8\x88\x80\x80\x80"]

    def __init__(self, seed, tokens):
        self.random = random.Random(seed)
        self.tokens = [t.removeprefix("##") for t in tokens]
        self.marks = of_category("Mn", "Mc", "Me")
        self.invisible = of_category("Zs", "Zl", "Zp", "Cc", "Cf")
        self.blocks = [b for b in range(0, sys.maxunicode + 1, BLOCK) if b not in SURROGATES]
        # Half of the lines leave out the planes that hold nothing but ideographs, private or unassigned characters.
        self.varied = [b for b in self.blocks if b < 0x20000 or 0x2F800 <= b < 0x2FB00 or 0xE0000 <= b < 0xE0200]

    def of_block(self, block):
        c = chr(block + self.random.randrange(BLOCK))
        return " " if c == "\n" else c

    def some(self, most, draw):
        return "".join(draw() for _ in range(self.random.randint(1, most)))

    def piece(self, block):
        pick = self.random.choice
        kind = self.random.choices(("word", "token", "block", "marks", "sequence", "invisible", "mixed", "long"),
                                   (15, 20, 40, 10, 5, 5, 4, 1))[0]
        if kind == "word":
            return pick(self.words)
        if kind == "token":
            return self.some(3, lambda: pick((str, str.upper, str.title))(pick(self.tokens)))
        if kind == "block":
            return self.some(7, lambda: self.of_block(block))
        if kind == "marks":
            return pick("aeiouAÉçñ中가 ") + self.some(4, lambda: pick(self.marks))
        if kind == "sequence":
            return pick(self.sequences)
        if kind == "invisible":
            return pick(self.invisible)
        if kind == "mixed":
            return self.some(30, lambda: self.of_block(pick(self.varied)))
        letters = pick(("abcxyz", "abcé\u0301", "абв", "한국\u200b"))  # around 100 characters, the longest word
        return "".join(pick(letters) for _ in range(self.random.randint(95, 130)))

    def every(self):
        return ["".join(f"{chr(c)} e{chr(c)}\u0316A " for c in range(b, b + BLOCK) if c != 10).encode() for b in self.blocks]

    def line(self, i):
        """Every block in turn, so that none is left out."""
        blocks = self.varied if i % 2 else self.blocks
        block = blocks[i // 2 % len(blocks)]
        text = self.some(10, lambda: self.piece(block) + self.random.choice(("", " ")))
        line = text.encode()
        while self.random.random() < 0.1:
            at = self.random.randint(0, len(line))
            line = line[:at] + self.random.choice(self.broken) + line[at + self.random.randint(0, 2):]
        return line
