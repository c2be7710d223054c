#!/usr/bin/env bash
# No code in a page that does not compile. In docs/*.md and README.md every ```cpp block follows a line
# `<!-- snippet: NAME -->` and is, but for indentation as a whole, the part of tests/docs/*.cpp or kernels/*.cuh between
# `// snippet: NAME` and `// end`. In docs/ops/*.md it stands in the opening comment of the op's header.
set -euo pipefail
cd "${QUERN_SOURCE:-.}"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/slices" "$folder/blocks" "$folder/used"
blocks=0 failures=0

fail() {
  printf '%s\n' "$1"
  failures=$((failures + 1))
}

# Cuts the ```cpp blocks of a page into $folder/blocks/N; prints for each: N, its line, and its snippet's name or "-".
blocks_of() {
  rm -f "$folder"/blocks/*
  awk -v folder="$folder/blocks" '
    /^```cpp/ { file = folder "/" ++n; printf "" > file; print n, NR, name != "" ? name : "-"; next }
    /^```/ && file != "" { close(file); file = ""; next }
    file != "" { print > file; next }
    { name = "" }
    /^<!-- snippet: [^ ]+ -->$/ { name = $3 }
    END { if (file != "") print "open" }' "$1"
}

# Slices, each without the indentation of its first line.
awk -v folder="$folder/slices" '
  /^ *\/\/ snippet: / {
    if (file != "") { print FILENAME ":" FNR ": a snippet inside a snippet"; exit 1 }
    file = folder "/" $3; indent = index($0, "/") - 1
    if (file in seen) { print FILENAME ":" FNR ": a second snippet " $3; exit 1 }
    seen[file]; printf "" > file; next
  }
  /^ *\/\/ end$/ { close(file); file = ""; next }
  file != "" { print substr($0, 1, indent) ~ /^ *$/ ? substr($0, indent + 1) : $0 > file }
  END { if (file != "") { print file " has no end"; exit 1 } }' tests/docs/*.cpp kernels/*.cuh

for page in docs/*.md README.md; do
  [ -e "$page" ] || continue
  while read -r n line name; do
    [ "$n" != open ] || { fail "$page: a block of code has no end"; continue; }
    blocks=$((blocks + 1))
    if [ "$name" = - ]; then
      fail "$page:$line: no line <!-- snippet: NAME --> before this block"
    elif [ ! -e "$folder/slices/$name" ]; then
      fail "$page:$line: tests/docs and kernels have no snippet $name"
    elif ! difference=$(diff "$folder/slices/$name" "$folder/blocks/$n"); then
      fail "$page:$line: differs from the snippet $name (< compiled, > in the page):"$'\n'"$difference"
    fi
    touch "$folder/used/$name"
  done < <(blocks_of "$page")
done
for slice in "$folder"/slices/*; do
  [ -e "$folder/used/${slice##*/}" ] || fail "snippet ${slice##*/} is in no page"
done

# Each line of an op's block is a line of the header's opening comment, one after another; a page may leave a
# trailing comment out.
for page in docs/ops/*.md; do
  op=$(basename "$page" .md)
  [ "$op" != README ] || continue
  header=
  for level in ops loss; do
    if [ -e "include/quern/$level/$op.hpp" ]; then header=include/quern/$level/$op.hpp; fi
  done
  [ -n "$header" ] || { fail "$page: there is no include/quern/ops/$op.hpp or include/quern/loss/$op.hpp"; continue; }
  found=0
  while read -r n line _; do
    [ "$n" != open ] || { fail "$page: a block of code has no end"; continue; }
    blocks=$((blocks + 1)) found=1
    awk -v page="$folder/blocks/$n" '
      BEGIN { while ((getline text < page) > 0) want[++wanted] = text }
      /^#pragma once/ { exit }
      /^\/\/\/   / {
        line = substr($0, 7); bare = line; sub(/ *\/\/ .*$/, "", bare)
        at = want[at + 1] == line || want[at + 1] == bare ? at + 1 : want[1] == line || want[1] == bare ? 1 : 0
        if (at == wanted) { ok = 1; exit }
      }
      END { exit !ok }' "$header" || fail "$page:$line: this code is not in the opening comment of $header"
  done < <(blocks_of "$page")
  [ $found = 1 ] || fail "$page: has no \`\`\`cpp block"
done

[ $blocks != 0 ] || fail "no block of code was found"
echo "$blocks blocks of code, $failures wrong"
[ $failures = 0 ]
