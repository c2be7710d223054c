# Read by the tests of this folder: a program with tensors to be looked at, and what they must look like.
# shellcheck shell=bash
cd "${QUERN_SOURCE:-.}" || exit
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build_program() { # builds $work/program, which stops at stop()
  cat >"$work/program.cpp" <<'END'
#include <quern/autograd/tape.hpp>
#include <quern/base/dtype.hpp>
#include <quern/tensor/borrow.hpp>

using namespace quern;

[[gnu::noinline]] void stop(const Tensor<float, 2>& referred) {
  asm volatile("" : : "r"(&referred) : "memory");
}

int main() {
  Tensor<float, 2> matrix = Tensor<float, 2>::of({2, 3}, {1, 2, 3, 4.5, -5, 6});
  Tensor<std::int32_t, 1> many(1000);
  for (int i = 0; i < 1000; ++i) many(i) = i;
  Tensor<double, 0> scalar = Tensor<double, 0>::of(Shape<0>{}, {0.5});
  Tensor<bf16, 1> low(2);
  low(1) = bf16(1.5f);
  Tensor<float, 3> nothing;
  View<const float, 2> view = matrix.view();
  float memory[] = {7, 8};
  Tensor<float, 1> borrowed = borrow(memory, Shape{2});
  Tensor<float, 2> gradient(2, 3);
  Tape tape;
  Tensor<Recorded<float>, 2> recorded = tape.watch(matrix, gradient);
  matrix.storage()->name = "words.weight";
  stop(matrix);
  return int(view.extent(0)) - 2;
}
END
  "${CXX:-g++}" -std=c++20 -g -O0 -pthread -I include "$work/program.cpp" -o "$work/program"
}

expect() { # expect LINE…: each is in $work/log
  local line wrong=0
  for line; do
    grep -qF -- "$line" "$work/log" || { echo "not shown: $line" && wrong=1; }
  done
  [ $wrong = 0 ] || { cat "$work/log" && exit 1; }
  echo "$# values are shown as expected"
}
