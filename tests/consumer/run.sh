#!/usr/bin/env bash
# Builds and runs a small project that uses Quern in every way it is offered: the three of CMake, and pkg-config with a
# plain compiler line under both compilers; and the example of a project of its own.
set -euo pipefail
cd "$(dirname "$0")/../.."
quern=$PWD consumer=$PWD/tests/consumer
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

quietly() { # shows a command's output only when it fails
  "$@" >"$work/log" 2>&1 || { cat "$work/log" && echo "failed: $*" && exit 1; }
}

through_cmake() { # through_cmake HOW [cmake's arguments]
  local how=$1
  shift
  quietly cmake -G Ninja -S "$consumer" -B "$work/$how" -D HOW="$how" -D CMAKE_CXX_FLAGS="-Wall -Wextra -Werror" "$@"
  quietly cmake --build "$work/$how"
  echo "$how: $("$work/$how/consumer")"
}

quietly cmake -G Ninja -S "$quern" -B "$work/build" -D QUERN_BUILD_TESTS=OFF -D QUERN_BUILD_EXAMPLES=OFF -D QUERN_BUILD_BENCH=OFF
quietly cmake --install "$work/build" --prefix "$work/elsewhere"
mv "$work/elsewhere" "$work/installed" # what is installed can be moved

through_cmake find_package -D CMAKE_PREFIX_PATH="$work/installed"
case $(sed -n 's/^quern_DIR:PATH=//p' "$work/find_package/CMakeCache.txt") in
  "$work"/*) ;;
  *) echo "find_package found another Quern than the one installed here" && exit 1 ;;
esac
through_cmake add_subdirectory -D QUERN="$quern"
through_cmake fetch_content -D FETCHCONTENT_SOURCE_DIR_QUERN="$quern"

# The example of a project of its own, away from Quern's folder, against the installed Quern.
cp -r examples/04_embed_in_your_code "$work/embed_in_your_code"
quietly cmake -G Ninja -S "$work/embed_in_your_code" -B "$work/embed" -D CMAKE_PREFIX_PATH="$work/installed" \
  -D CMAKE_CXX_FLAGS="-Wall -Wextra -Werror"
quietly cmake --build "$work/embed"
quietly "$work/embed/embed"
echo "04_embed_in_your_code: $(tail -n 1 "$work/log")"

export PKG_CONFIG_PATH=$work/installed/share/pkgconfig
version=$(sed -n 's/^#define QUERN_VERSION "\(.*\)"/\1/p' include/quern/base/version.hpp)
[ "$(pkg-config --modversion quern)" = "$version" ] || { echo "quern.pc has another version than $version" && exit 1; }
for compiler in "${CXX:-g++}" clang++; do
  # Two units compiled apart and linked: no definition may come twice.
  for unit in main other; do
    # shellcheck disable=SC2046
    quietly "$compiler" -std=c++20 -Wall -Wextra -Wpedantic -Werror $(pkg-config --cflags quern) -c "$consumer/$unit.cpp" \
      -o "$work/$unit.o"
  done
  # shellcheck disable=SC2046
  quietly "$compiler" "$work/main.o" "$work/other.o" $(pkg-config --libs quern) -o "$work/plain"
  echo "pkg-config, $compiler: $("$work/plain")"
done
