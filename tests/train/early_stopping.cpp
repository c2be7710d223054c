#include <doctest/doctest.h>

#include <cmath>
#include <data/files.hpp>
#include <quern/train/early_stopping.hpp>

using namespace quern;

namespace {
Metrics with(double loss, double f1) {
  Metrics m;
  m.loss = loss, m.macro.f1 = f1;
  return m;
}
}  // namespace

TEST_CASE("early stopping: on the loss") {
  EarlyStopping stopping{.on = StopOn::loss, .patience = 2};
  CHECK(!stopping.over(-1));
  CHECK(stopping.better(with(0.7, 0), 0));
  CHECK(stopping.better(with(0.5, 0), 1));
  CHECK(!stopping.better(with(0.5, 0), 2));  // equal is not better
  CHECK(!stopping.over(2));
  CHECK(!stopping.better(with(0.6, 1), 3));
  CHECK(stopping.over(3));
  CHECK(stopping.best_epoch == 1);
  CHECK(stopping.best == 0.5);
}

TEST_CASE("early stopping: on macro F1, which rises") {
  EarlyStopping stopping{.on = StopOn::macro_f1, .patience = 1};
  CHECK(stopping.better(with(0.1, 0.0), 0));  // the first counts even at 0
  CHECK(stopping.better(with(0.9, 0.6), 1));
  CHECK(!stopping.better(with(0.1, 0.6), 2));
  CHECK(stopping.over(2));
}

TEST_CASE("early stopping: NaN is never the best") {
  EarlyStopping stopping;
  CHECK(!stopping.better(with(std::nan(""), 0), 0));
  CHECK(stopping.best_epoch == -1);
  CHECK(stopping.better(with(3, 0), 1));
  CHECK(!stopping.better(with(std::nan(""), 0), 2));
}

TEST_CASE("early stopping: names") {
  CHECK(stop_on_named("macro_f1") == StopOn::macro_f1);
  CHECK(std::string(name_of(stop_on_named("loss"))) == "loss");
  CHECK(holds(error_of([] { stop_on_named("accuracy"); }), "expected loss or macro_f1"));
}
