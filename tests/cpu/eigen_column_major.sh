#!/usr/bin/env bash
# A column-major Eigen matrix is refused at compile time, by a message that says what to do; a row-major one is taken.
set -euo pipefail
cd "${QUERN_SOURCE:-.}"
eigen=$(pkg-config --cflags eigen3) || { echo "skipped: no pkg-config, or no eigen3" && exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

compile() { # compile ORDER: a program that borrows a matrix of that order
  echo "#include <quern/cpu/eigen.hpp>
        int main() {
          Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::$1> m(2, 3);
          return int(quern::borrow(m).size()) - 6;
        }" >"$work/main.cpp"
  # shellcheck disable=SC2086
  "${CXX:-g++}" -std=c++20 -fsyntax-only -I include $eigen "$work/main.cpp" 2>"$work/log"
}

compile RowMajor || { cat "$work/log" && echo "a row-major matrix was refused" && exit 1; }
! compile ColMajor || { echo "a column-major matrix was taken" && exit 1; }
grep -q "borrow: the Eigen matrix is column-major, Quern's tensors are row-major" "$work/log" ||
  { cat "$work/log" && echo "the message does not say why" && exit 1; }
echo "a column-major matrix is refused, and the message says why"
