/// Benchmarks of ops that check before they time. A row of a table is an op, a naive version of it in double, inputs
/// for a small case and for the timed shape, and the work of one call:
///
///   bench::add_op({"relu", "3200x300", {.bytes = 8.0 * n}, {.bytes = 12.0 * n}}, op, naive, small, large, prepare);
///
///   op(x...)       the op over plain or recorded tensors
///   naive(x...)    the same in double, in loops anyone can read
///   small, large   functions that give a tuple of float tensors
///   prepare(x...)  gives the function of dy to be timed as backward
///
/// Before a time is taken the values of the small case are compared with `naive`, its gradients with central
/// differences of `naive`, and values and gradients of the timed shape with the op over double, which shares no vector
/// code with float. All comparisons are norm-wise. Where one fails, the row reports an error and no time.
#pragma once
#include <benchmark/benchmark.h>

#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include <quern/autograd/tape.hpp>
#include <quern/cpu/eigen.hpp>

#include "support/peak.hpp"

namespace quern::bench {

/// Bounds of the norm-wise error of float.
inline constexpr double value_bound = 1e-5, gradient_bound = 5e-5;

/// What one call does: multiplications and additions, or bytes read and written. 0 where it says nothing.
struct Work {
  double flops = 0, bytes = 0;
};
struct OpRow {
  std::string op, shape;
  Work forward, backward;
};

/// Uniform in [-1, 1); `number` tells the tensors of a row apart.
template <int Rank>
Tensor<float, Rank> uniform_tensor(std::uint32_t number, Shape<Rank> shape) {
  auto x = Tensor<float, Rank>::empty(shape);
  for (std::int64_t i = 0; i < x.size(); ++i) x.data()[i] = 2 * Random(5).uniform(number, std::uint64_t(i)) - 1;
  return x;
}
template <class... Extents>
auto uniform_tensor(std::uint32_t number, std::int64_t first, Extents... rest) {
  return uniform_tensor(number, Shape<1 + int(sizeof...(rest))>{first, std::int64_t(rest)...});
}

/// Offsets that cut rows into texts: of 1, 2, 3 … rows where there are few, of 64 where there are many.
inline Offsets texts_of(std::int64_t rows) {
  std::vector<std::int64_t> ends{0};
  for (std::int64_t n = 1; ends.back() < rows; ++n) ends.push_back(std::min(rows, ends.back() + (rows < 640 ? n : 64)));
  return Offsets::of(Shape<1>{std::int64_t(ends.size())}, ends);
}

template <class T, int Rank>
Tensor<double, Rank> as_double(const Tensor<T, Rank>& x) {
  auto y = Tensor<double, Rank>::empty(x.shape());
  for (std::int64_t i = 0; i < x.size(); ++i) y.data()[i] = double(x.data()[i]);
  return y;
}

/// |a - b| / |b|; not a number where either is, which no bound accepts.
template <class A, class B, int Rank>
double distance(const Tensor<A, Rank>& a, const Tensor<B, Rank>& b) {
  if (a.shape() != b.shape()) return std::nan("");
  double difference = 0, size = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    const double y = double(b.data()[i]), d = double(a.data()[i]) - y;
    difference += d * d, size += y * y;
  }
  return size > 0 ? std::sqrt(difference / size) : std::nan("");  // comparing with nothing but zeros checks nothing
}

/// dy for an output, the same numbers for every number type.
template <class T, int Rank>
Tensor<T, Rank> cotangent(const Tensor<T, Rank>& y) {
  auto dy = empty_like(y);
  for (std::int64_t i = 0; i < y.size(); ++i) dy.data()[i] = T(2 * Random(6).uniform(0, std::uint64_t(i)) - 1);
  return dy;
}

/// The gradients of <dy, op(x...)> through the tape.
template <class Op, class... X>
std::tuple<X...> tape_gradients(const Op& op, const std::tuple<X...>& inputs) {
  std::tuple<X...> gradients;
  Tape tape{Random(1)};
  std::apply(
      [&](const X&... x) {
        std::apply(
            [&](X&... dx) {
              ((dx = X(x.shape())), ...);
              const auto y = op(tape.watch(x, dx)...);
              tape.add(y, cotangent(y.value()));
            },
            gradients);
      },
      inputs);
  while (tape.step_back()) {}
  return gradients;
}

/// The same by central differences of the naive version.
template <class Naive, class... X>
std::tuple<X...> numeric_gradients(const Naive& naive, std::tuple<X...> inputs) {
  auto product = [&] {
    const auto y = std::apply(naive, inputs);
    const auto dy = cotangent(y);
    double sum = 0;
    for (std::int64_t i = 0; i < y.size(); ++i) sum += y.data()[i] * dy.data()[i];
    return sum;
  };
  auto gradient = [&](auto& x) {
    auto dx = empty_like(x);
    for (std::int64_t i = 0; i < x.size(); ++i) {
      const double before = x.data()[i], h = 1e-6;
      x.data()[i] = before + h;
      const double above = product();
      x.data()[i] = before - h;
      dx.data()[i] = (above - product()) / (2 * h);
      x.data()[i] = before;
    }
    return dx;
  };
  return std::apply([&](auto&... x) { return std::tuple<X...>{gradient(x)...}; }, inputs);
}

/// "" or what is wrong.
template <class... A, class... B>
std::string compare(const char* where, const auto& y, const auto& expected_y, const std::tuple<A...>& gradients,
                    const std::tuple<B...>& expected) {
  std::string wrong;
  if (const double d = distance(y, expected_y); !(d <= value_bound))
    wrong += text_of(where, ": the value is off by ", d, " of its norm, at most ", value_bound, "; ");
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    auto look = [&](std::size_t i, double d) {
      if (!(d <= gradient_bound))
        wrong += text_of(where, ": gradient ", i, " is off by ", d, " of its norm, at most ", gradient_bound, "; ");
    };
    (look(I, distance(std::get<I>(gradients), std::get<I>(expected))), ...);
  }
  (std::index_sequence_for<A...>{});
  return wrong;
}

std::string check_op(const auto& op, const auto& naive, const auto& small, const auto& large) {
  auto doubled = [](const auto& t) { return std::apply([](auto&... x) { return std::tuple{as_double(x)...}; }, t); };
  const auto few = doubled(small), many = doubled(large);
  return compare("small case", std::apply(op, small), std::apply(naive, few), tape_gradients(op, small),
                 numeric_gradients(naive, few)) +
         compare("timed shape", std::apply(op, large), std::apply(op, many), tape_gradients(op, large),
                 tape_gradients(op, many));
}

/// Times f() and reports its best call, as a share of what the machine does at best between the calls. An op that
/// writes where it read can be faster than a copy, whose two sides are different memory.
inline void measure(benchmark::State& state, const Work& work, auto&& f) {
  f();
  const int calls = int(std::max(1.0, 5e-4 / std::max(1e-9, seconds(f))));  // half a millisecond between readings
  Copy copy(work.bytes);
  double best = 1e30, fma = 0, copied = 0;
  for (auto _ : state) {
    const double s = seconds([&] {
                       for (int i = 0; i < calls; ++i) f();
                     }) /
                     calls;
    best = std::min(best, s);
    if (work.flops > 0) fma = std::max(fma, fma_gflops(threads()));
    if (work.bytes > 0) copied = std::max(copied, copy.gbytes(threads()));
    state.SetIterationTime(s);
  }
  state.counters["best_us"] = best * 1e6;
  if (work.flops > 0) {
    state.counters["GFLOP/s"] = work.flops / best * 1e-9;
    state.counters["%fma"] = 100 * work.flops / best * 1e-9 / fma;
  }
  if (work.bytes > 0) {
    state.counters["GB/s"] = work.bytes / best * 1e-9;
    state.counters["%copy"] = 100 * work.bytes / best * 1e-9 / copied;
  }
}

/// Registers `run(state)` for 1 thread and for all cores.
inline void add(const std::string& name, std::function<void(benchmark::State&)> run) {
  const int cores = int(std::max(1u, std::thread::hardware_concurrency()));
  for (int count : {1, cores}) {
    benchmark::RegisterBenchmark(text_of(name, "/threads:", count).c_str(),
                                 [run, count](benchmark::State& state) {
                                   set_threads(count);
                                   run(state);
                                 })
        ->UseManualTime()
        ->Unit(benchmark::kMicrosecond)
        ->Iterations(40);
    if (count == cores) break;
  }
}

/// Registers forward and backward of a row. Returns true, so that a table can be the initialiser of a constant.
bool add_op(const OpRow& row, auto op, auto naive, auto small, auto large, auto prepare) {
  auto found = std::make_shared<std::map<int, std::string>>();  // by number of threads: forward and backward share it
  auto checked = [=](benchmark::State& state, auto&& time) {
    const auto inputs = large();
    if (!found->count(threads())) (*found)[threads()] = check_op(op, naive, small(), inputs);
    if (const auto& wrong = (*found)[threads()]; !wrong.empty())
      state.SkipWithError(wrong.c_str());
    else
      time(inputs);
  };
  add(row.op + "/" + row.shape + "/forward", [=](benchmark::State& state) {
    checked(state, [&](const auto& inputs) {
      measure(state, row.forward, [&] { benchmark::DoNotOptimize(std::apply(op, inputs)); });
    });
  });
  add(row.op + "/" + row.shape + "/backward", [=](benchmark::State& state) {
    checked(state, [&](const auto& inputs) {
      const auto dy = cotangent(std::apply(op, inputs));
      auto backward = std::apply(prepare, inputs);
      measure(state, row.backward, [&] { backward(dy); });
    });
  });
  return true;
}

}  // namespace quern::bench
