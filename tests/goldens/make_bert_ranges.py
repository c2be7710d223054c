#!/usr/bin/env python3
"""Writes include/quern/text/bert_ranges.hpp: what the package `tokenizers` takes each character for.

  tests/goldens/make_bert_ranges.py        needs: pip install tokenizers unicodedata2

Every code point is asked of BertNormalizer, NFD and BertPreTokenizer. `tokenizers` has its categories from one version
of Unicode, its decompositions from another and its small letters from a third; unicodedata2 (a recent Unicode) says
what it lacks.
"""
import pathlib
import textwrap

import tokenizers
import unicodedata2
from tokenizers import normalizers, pre_tokenizers

FILE = pathlib.Path(__file__).parents[2] / "include/quern/text/bert_ranges.hpp"


def normalizer(**on):
    off = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**(off | on)).normalize_str


clean, chinese = normalizer(clean_text=True), normalizer(handle_chinese_chars=True)
strip, lower = normalizer(strip_accents=True), normalizer(lowercase=True)
nfd = normalizers.NFD().normalize_str
cut = pre_tokenizers.BertPreTokenizer().pre_tokenize_str

removed, punctuation, marks, ideographs = [], [], [], []
late_order, late_parts, small = [], [], {}
for code in range(0x110000):
    if 0xD800 <= code < 0xE000:
        continue
    c = chr(code)
    if clean("a" + c + "b") == "ab":
        removed.append(code)
    if [word for word, _ in cut("a" + c + "b")] == ["a", c, "b"]:
        punctuation.append(code)
    if chinese(c) == " " + c + " ":
        ideographs.append(code)
    parts = nfd(c)
    if parts != unicodedata2.normalize("NFD", c):
        assert parts == c
        late_parts.append(code)
    if parts == c:
        if strip(c) == "":
            marks.append(code)
        if unicodedata2.combining(c) and c != "\u0345" and nfd("a\u0345" + c) == "a\u0345" + c:
            late_order.append(code)
    if lower(c) != c.lower():  # Python's own, of Unicode 14
        small[code] = ord(lower(c))


def ranges(codes):
    out = []
    for code in codes:
        if out and out[-1][1] == code - 1:
            out[-1][1] = code
        else:
            out.append([code, code])
    return out


def pairs(numbers):
    items = ", ".join(f"{{0x{a:X},0x{b:X}}}" for a, b in numbers)
    body = "\n".join(textwrap.wrap(items, 108, initial_indent="    ", subsequent_indent="    "))
    return body.replace(",0x", ", 0x")


def table(name, comment, codes):
    return f"/// {comment}\ninline constexpr CharacterRange {name}[] = {{\n{pairs(ranges(codes))}}};\n"


def small_table():
    return ("/// Capitals and their small letters, of those that Unicode 14 has not.\n"
            f"inline constexpr CharacterPair bert_late_capitals[] = {{\n{pairs(sorted(small.items()))}}};\n")


FILE.write_text(f"""\
/// What Hugging Face's `tokenizers` {tokenizers.__version__} takes each character for, as ranges. Made by
/// tests/goldens/make_bert_ranges.py, which asks the package about every code point; used by text/bert_characters.hpp.
///
/// The categories are those of about Unicode 8: marks and punctuation of later versions are letters to a BERT tokenizer
/// and must stay so here, whatever version of Unicode a library on this machine knows. Decompositions and the order of
/// marks are those of Unicode 9, small letters those of Unicode 17: the tables name what is later.
#pragma once
#include <quern/base/config.hpp>

namespace quern::inline QUERN_ABI {{
namespace detail {{

struct CharacterRange {{
  char32_t first, last;
}};
struct CharacterPair {{
  char32_t from, to;
}};

// clang-format off
{table("bert_removed", "Dropped by cleaning: controls, formats, private use, and U+FFFD.", removed)}
{table("bert_punctuation", "Words of their own.", punctuation)}
{table("bert_marks", "Accents that are stripped (Mn).", marks)}
{table("bert_ideographs", "Chinese characters, each a word. The gap before 0x2B920 is in the original too.", ideographs)}
{table("bert_late_order", "Marks whose place among others Unicode 9 does not know; they stay where they are.", late_order)}
{table("bert_late_parts", "Characters that have parts (NFD) since after Unicode 9.", late_parts)}
{small_table()}// clang-format on

}}  // namespace detail
}}  // namespace quern::inline QUERN_ABI
""")
