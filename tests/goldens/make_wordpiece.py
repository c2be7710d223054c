#!/usr/bin/env python3
"""Writes wordpiece.json: what Hugging Face's `tokenizers` gives for small tokenizers and hard texts.

  tests/goldens/make_wordpiece.py          needs: pip install tokenizers

"tokenizers": each a whole tokenizer.json. "cases": tokenizer, text (bytes in hex), perhaps a second text and settings,
and what encode gives. "pairs": for every strategy, direction and padding, a hash of what becomes of 200 pairs of texts,
which the test draws as here. "characters": of every 4,096 code points in three of their planes, a hash of the words that
BertNormalizer and BertPreTokenizer make of a text with each of them, and of their offsets.
"""
import json
import pathlib

import tokenizers
from tokenizers import AddedToken, PreTokenizedString, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece

FILE = pathlib.Path(__file__).with_name("wordpiece.json")

ascii_characters = [chr(c) for c in range(33, 127)]
vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + ascii_characters
vocabulary += ["##" + c for c in ascii_characters if c.isalnum()]
vocabulary += """the film was not good un ##aff ##able una ##ffa ##ble ##ing ##ed hello world cafe café na ##ive naive
ex ea ii is isı ## ###x 中 文 字 ##文 한 국 ##어 ㅎ ß ss ##ß α ##ς ##σ ½ … — 😀 👍 ##🏽 é ##é I ##İ i̇ ﬁ ##ﬁ ｆ
don doubt ##n ##t The Film CAFÉ É Hello 〮a a〮 ྲ ##ཱི a² ² foo bar foobar ##bar""".split()
vocabulary = list(dict.fromkeys(vocabulary))  # each once


def make(lowercase=True, strip_accents=None, chinese=True, clean=True, longest=100):
    model = WordPiece({token: i for i, token in enumerate(vocabulary)}, unk_token="[UNK]",
                      max_input_chars_per_word=longest)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(clean, chinese, strip_accents, lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    return tokenizer


made = {"uncased": make(), "cased": make(lowercase=False), "accents": make(strip_accents=False),
        "stripped": make(lowercase=False, strip_accents=True), "plain": make(clean=False, chinese=False, longest=7)}
made["bare"] = make()
made["bare"].post_processor = None
made["processing"] = make()
made["processing"].post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
made["added"] = make()
made["added"].add_special_tokens([AddedToken("[MASK]", lstrip=True, special=True, normalized=False)])
made["added"].add_tokens([AddedToken("<b>", normalized=False, rstrip=True), AddedToken("<b><i>", normalized=False),
                          AddedToken("Foo", normalized=False, single_word=True), AddedToken("[M]", normalized=False)])
made["normalized"] = make()
made["normalized"].add_tokens([AddedToken("Café", normalized=True), AddedToken("bar", lstrip=True, rstrip=True),
                               AddedToken("wor", single_word=True), AddedToken("<b>", normalized=False)])
made["cut"] = make()
made["cut"].enable_truncation(6)
made["cut"].enable_padding(length=9, direction="left", pad_id=0, pad_type_id=1, pad_token="[PAD]")

texts = ["", " ", "hello world", "The film was NOT good, unaffable!", "Don't doubt café CAFÉ cafe\u0301 naïve", "中文字 a中b文", "한국어",
         "[CLS] hello [MASK][SEP] [mask] [UNK]x [PAD", "a\u200db\u200b\u202e c\u00add \ufeffe", "a\x00b\x01 c\td\re\x0bf\x0cg\x7f\x85h",
         "e\u0301\u0316x é\u0316a\u0345\u0f73\u0f71 \u302e\u0316a a\u302e\u0301 \u0f77", "İstanbul I\u0307 ıŞ ǅ ΑΣ ß ẞ ﬁlm Ｆ",
         "½ … — “quoted” a²b 3.14 #$%^", "😀👍🏽 👩\u200d💻 🇩🇪❤️ x", "\u1e9b\u0323 \uac01 \u212b \u2126 \u037e \u1fef \u0958 \u2adc",
         "x" * 100, "x" * 101 + " é" + "é" * 100, "unaffableunaffablezzz\u4e00zzz 1234567 12345678 é23456é8",
         "\u00a0hello\u3000world\u2028the\u1680film", "\ufffd a\ufffdb", "foo foobar Foo Foo. xFoo <b><i>  <b>  x<b> <B>[M]",
         "café CAFÉ barbar  bar  foobar bar wor world x_wor wor-wor 中bar中", " [MASK]  [MASK] a [MASK]b\u3000[MASK]\n",
         "\U0001E900\U00010D50\uA7DC\u1C89 \U00011938 \u0c3c\u07fd\u05c8", "\u0344\u0316 \u0f75\u0f71 \u1026 \U0001d15e\u0316"]
broken = [b"a\xffb\xc2 c\xe2\x82d", b"\xf0\x9f\x98 \xed\xa0\x80 \xc0\xaf", b"\xf4\x90\x80\x80\xe0\x80\x80\xf8x\x80",
          b"caf\xe9 na\xefve", b"\xe4\xb8\xad\xe4\xb8"]
inputs = [text.encode() for text in texts] + broken

cases = []


def case(name, text, second=None, tokenizer=None, **settings):
    tokenizer = tokenizer or made[name]
    both = [t.decode("utf-8", "replace") for t in (text, second) if t is not None]
    special = settings.get("special", True)
    e = tokenizer.encode(*both, add_special_tokens=special)
    entry = {"tokenizer": name, "text": text.hex()}
    if second is not None:
        entry["second"] = second.hex()
    entry |= settings
    entry |= {"ids": e.ids, "tokens": e.tokens, "offsets": e.offsets, "types": e.type_ids,
              "padding": len(e.ids) - sum(e.attention_mask)}
    cases.append(entry)


for name in ("uncased", "cased", "accents", "stripped", "plain", "added", "normalized"):
    for text in inputs:
        case(name, text)
for name in ("bare", "processing", "cut"):
    for text in inputs[2:5]:
        case(name, text)
        case(name, text, inputs[5])
a, b = b"hello the film was good", "中文 naïve unaffable world".encode()
for strategy in ("longest_first", "only_first", "only_second"):
    for length in (5, 8, 9, 11, 12, 13, 14, 20):
        for direction in ("left", "right"):
            for first, second in ((a, b), (b, a), (a, a), (a, b""), (a, None)):
                tokenizer = make()
                tokenizer.enable_truncation(length, strategy=strategy, direction=direction)
                settings = dict(max_tokens=length, truncate=strategy, from_left=direction == "left")
                try:
                    case("uncased", first, second, tokenizer, **settings)
                except Exception as error:  # it cannot be cut as it is asked
                    entry = {"tokenizer": "uncased", "text": first.hex(), "error": str(error)} | settings
                    cases.append(entry if second is None else entry | {"second": second.hex()})
case("uncased", a, special=False)
case("uncased", a, b, special=False)

batches = []
for settings in (dict(), dict(length=7), dict(pad_to_multiple_of=8), dict(direction="left", pad_type_id=1)):
    tokenizer = make()
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]", **settings)
    padded = tokenizer.encode_batch(["hello", "the film was not good", ""])
    batches.append({"settings": settings, "ids": [e.ids for e in padded], "types": [e.type_ids for e in padded],
                    "tokens": [e.tokens for e in padded], "offsets": [e.offsets for e in padded]})


fnv_start = 0xCBF29CE484222325


def fnv(h, data):
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 % 2**64
    return h


pair_words = "the film unaffable naïve 中文 [MASK] don't é\u0316x 한국어 zzz \u200d hello, CAFÉ 3.14 foo".split()
pairs = []
for strategy in ("longest_first", "only_first", "only_second"):
    for direction in ("left", "right"):
        for padding in (None, dict(length=12), dict(pad_to_multiple_of=8), dict(direction="left", pad_type_id=1, length=7)):
            state, h = len(pairs), fnv_start

            def draw(n):
                global state
                state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
                return (state >> 33) % n

            tokenizer = made["uncased"]
            for i in range(200):
                first, second = (" ".join(pair_words[draw(len(pair_words))] for _ in range(draw(12))) for _ in range(2))
                length, special = draw(24) + 3, draw(8) > 0
                tokenizer.enable_truncation(length, strategy=strategy, direction=direction)
                tokenizer.enable_padding(pad_token="[PAD]", **padding) if padding else tokenizer.no_padding()
                try:
                    e = tokenizer.encode(first, second, add_special_tokens=special)
                except Exception:
                    h = fnv(h, b"refused\n")
                    continue
                for row in zip(e.ids, e.tokens, e.offsets, e.type_ids, e.attention_mask):
                    h = fnv(h, "{} {} {} {} {} {}\n".format(row[0], row[1], *row[2], *row[3:]).encode())
                h = fnv(h, b"\n")
            pairs.append({"truncate": strategy, "from_left": direction == "left", "padding": padding, "hash": f"{h:016x}"})
made["uncased"].no_truncation()
made["uncased"].no_padding()


def words_hash(normalizer, text):
    parts = PreTokenizedString(text)
    parts.normalize(normalizer.normalize)
    pre_tokenizers.BertPreTokenizer().pre_tokenize(parts)
    h = fnv_start
    for word, (begin, end), _ in parts.get_splits(offset_referential="original", offset_type="char"):
        h = fnv(h, f"{word}\n{begin} {end}\n".encode())
    return f"{h:016x}"


characters = []
on, off = normalizers.BertNormalizer(True, True, True, True), normalizers.BertNormalizer(False, False, False, False)
for first in [*range(0, 0x20000, 0x1000), 0x2B000, 0x2F000, 0xE0000, 0xF0000]:
    codes = [c for c in range(first, first + 0x1000) if not 0xD800 <= c < 0xE000]
    text = "".join("e" + chr(c) + "\u0316\u0301 A " for c in codes)
    characters.append([first, words_hash(on, text), words_hash(off, text)] if codes else [first, "", ""])

made_json = {}
for name, tokenizer in made.items():
    whole = json.loads(tokenizer.to_str())
    whole["model"]["vocab"] = "the vocabulary"  # the same in all
    made_json[name] = whole

lines = ['{"made_with": "tokenizers ' + tokenizers.__version__ + '",', '"vocabulary": ' + json.dumps(vocabulary) + ",",
         '"tokenizers": {']
lines += [",\n".join(f'"{name}": {json.dumps(whole)}' for name, whole in made_json.items()), "},", '"cases": [']
lines += [",\n".join(json.dumps(c) for c in cases), "],", '"padded": [']
lines += [",\n".join(json.dumps(b) for b in batches), "],", '"pair_words": ' + json.dumps(pair_words) + ',', '"pairs": [']
lines += [",\n".join(json.dumps(p) for p in pairs), "],", '"characters": [']
lines += [",\n".join(json.dumps(c) for c in characters), "]}"]
FILE.write_text("\n".join(lines) + "\n")
print(len(cases), "cases")
