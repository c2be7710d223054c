#!/usr/bin/env bash
# quern tokenize: what Hugging Face's encode gives, for lines that end by \n alone, from a file or stdin.
. "$(dirname "$0")/common.bash"
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' film '##s' '"' Film 中 caf '##é' cafe >"$here/vocab.txt"

# same EXPECTED INPUT [options]: the lines that come out for bytes that go in.
same() {
  printf "$2" >"$here/lines"
  printf '%s\n' "$1" >"$here/expected"
  "$quern" tokenize --from "$here/vocab.txt" "${@:3}" "$here/lines" >"$here/output" 2>&1 || fail "tokenize ${*:3}"
  same_bytes "$here/output" "$here/expected"
  "$quern" tokenize --from "$here/vocab.txt" "${@:3}" <"$here/lines" >"$here/output" 2>&1 || fail "tokenize < lines"
  same_bytes "$here/output" "$here/expected"
}
frame() { echo "{\"ids\": [2$1, 3], \"tokens\": [\"[CLS]\"$2, \"[SEP]\"], \"offsets\": [[0, 0]$3, [0, 0]]}"; }

same "$(frame ', 5, 6, 7' ', "film", "##s", "\""' ', [0, 4], [4, 5], [6, 7]')" 'FILMS "\n'
same "$(frame ', 12, 9' ', "cafe", "中"' ', [0, 4], [4, 5]')" 'Caf\303\251\344\270\255'
same "$(frame ', 8, 10, 11' ', "Film", "caf", "##é"' ', [0, 4], [5, 8], [8, 9]')" 'Film caf\303\251\n' --cased
same "$(frame '' '' '')" '\n'
same "$(frame ', 5, 4' ', "film", "[MASK]"' ', [2, 6], [7, 13]')" '\377\302film\r[MASK]\n'
same "$(frame ', 5, 5' ', "film", "film"' ', [0, 4], [5, 9]')
$(frame ', 5' ', "film"' ', [0, 5]')" 'film\rfilm\nfi\000lm'
[ -z "$("$quern" tokenize --from "$here/vocab.txt" </dev/null)" ] || fail "nothing gives nothing"

expect 1 'none: cannot be opened' "$quern" tokenize --from "$here/none"
expect 1 "has neither tokenizer.json nor vocab.txt" "$quern" tokenize --from "$source_dir/docs"
expect 1 "none.txt: cannot be opened for reading: No such file" "$quern" tokenize --from "$here/vocab.txt" "$here/none.txt"
head -c 24 "$here/vocab.txt" >"$here/cut.txt"
expect 1 "cut.txt: the vocabulary has no token '\[MASK\]'" "$quern" tokenize --from "$here/cut.txt" "$here/lines"
echo '{"model": {"type": "BPE"}, "pre_tokenizer": {"type": "BertPreTokenizer"}}' >"$here/bpe.json"
expect 1 "bpe.json: the model is BPE; expected WordPiece" "$quern" tokenize --from "$here/bpe.json" "$here/lines"
expect 2 "--from is required" "$quern" tokenize "$here/lines"
finish
