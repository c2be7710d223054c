#include <doctest/doctest.h>

#include <cmath>
#include <data/files.hpp>
#include <quern/train/metrics.hpp>

using namespace quern;

namespace {
/// Probabilities that say `predicted` with 0.7, the rest shared.
Tensor<float, 2> saying(const std::vector<std::int32_t>& predicted, std::int64_t classes) {
  Tensor<float, 2> p(predicted.size(), classes);
  p.fill(0.3f / float(classes - 1));
  for (std::size_t b = 0; b < predicted.size(); ++b) p(b, predicted[b]) = 0.7f;
  return p;
}
}  // namespace

TEST_CASE("metrics: three classes by hand") {
  // scikit-learn: classification_report(labels, predicted, digits=6)
  const std::vector<std::int32_t> labels = {0, 0, 0, 1, 1, 2, 2, 2, 2, 2}, predicted = {0, 0, 1, 1, 2, 2, 2, 2, 0, 1};
  const Metrics m = measure<float>(labels, saying(predicted, 3));
  CHECK(m.texts == 10);
  CHECK(m.right == 6);
  CHECK(m.confusion == std::vector<std::int64_t>{2, 1, 0, 0, 1, 1, 1, 1, 3});
  CHECK(m.accuracy == doctest::Approx(0.6));
  CHECK(m.classes[0].precision == doctest::Approx(2.0 / 3));
  CHECK(m.classes[0].recall == doctest::Approx(2.0 / 3));
  CHECK(m.classes[1].precision == doctest::Approx(1.0 / 3));
  CHECK(m.classes[1].recall == doctest::Approx(0.5));
  CHECK(m.classes[1].f1 == doctest::Approx(0.4));
  CHECK(m.classes[2].precision == doctest::Approx(0.75));
  CHECK(m.classes[2].recall == doctest::Approx(0.6));
  CHECK(m.classes[2].f1 == doctest::Approx(2.0 / 3));
  CHECK(m.classes[2].support == 5);
  CHECK(m.classes[2].predicted == 4);
  CHECK(m.macro.precision == doctest::Approx((2.0 / 3 + 1.0 / 3 + 0.75) / 3));
  CHECK(m.macro.recall == doctest::Approx((2.0 / 3 + 0.5 + 0.6) / 3));
  CHECK(m.macro.f1 == doctest::Approx((2.0 / 3 + 0.4 + 2.0 / 3) / 3));
  CHECK(m.micro.precision == doctest::Approx(0.6));
  CHECK(m.micro.f1 == doctest::Approx(0.6));
  CHECK(m.loss == doctest::Approx(-(6 * std::log(0.7) + 4 * std::log(0.15)) / 10).epsilon(1e-6));
}

TEST_CASE("metrics: ratios 0/0 are 0, and classes that do not occur are not in the macro mean") {
  // Class 1 is never predicted, class 2 is predicted and has no texts, class 3 does not occur at all.
  const Metrics m = measure<float>(std::vector<std::int32_t>{0, 0, 1}, saying({0, 2, 0}, 4));
  CHECK(m.classes[0].f1 == doctest::Approx(0.5));
  CHECK(m.classes[1].precision == 0);
  CHECK(m.classes[1].f1 == 0);
  CHECK(m.classes[2].recall == 0);
  CHECK(m.classes[3].f1 == 0);
  CHECK(m.macro.f1 == doctest::Approx(0.5 / 3));  // scikit-learn's f1_score(…, average="macro", zero_division=0)
  CHECK(m.macro.recall == doctest::Approx(0.5 / 3));
}

TEST_CASE("metrics: counts add up batch by batch and fold by fold") {
  const std::vector<std::int32_t> labels = {0, 1, 1, 0, 1}, predicted = {0, 1, 0, 1, 1};
  const Metrics all = measure<float>(labels, saying(predicted, 2));
  MetricsCounter batches(2), folds(2);
  for (std::size_t i = 0; i < 5; ++i) batches.add<float>(std::span(labels).subspan(i, 1), saying({predicted[i]}, 2));
  folds.add(measure<float>(std::span(labels).first(2), saying({0, 1}, 2)));
  folds.add(measure<float>(std::span(labels).subspan(2), saying({0, 1, 1}, 2)));
  for (const Metrics& m : {batches.result(), folds.result()}) {
    CHECK(m.confusion == all.confusion);
    CHECK(m.macro.f1 == all.macro.f1);
    CHECK(m.loss == doctest::Approx(all.loss));
  }
}

TEST_CASE("metrics: edges") {
  CHECK(MetricsCounter(2).result().accuracy == 0);
  CHECK(MetricsCounter(2).result().loss == 0);
  CHECK(largest(std::span<const float>(std::vector<float>{0.2f, 0.4f, 0.4f})) == 1);
  const auto sure = Tensor<float, 2>::of({1, 2}, {1, 0});
  CHECK(measure<float>(std::vector<std::int32_t>{1}, sure).loss == doctest::Approx(87.3365).epsilon(1e-4));
  CHECK(holds(error_of<InvalidArgument>([&] { measure<float>(std::vector<std::int32_t>{2}, sure); }), "label 2"));
  CHECK(holds(error_of<InvalidArgument>([&] { measure<float>(std::vector<std::int32_t>{0, 1}, sure); }), "2 labels"));
  auto broken = sure;
  broken(0, 0) = std::nanf("");
  CHECK(std::isnan(measure<float>(std::vector<std::int32_t>{0}, broken).loss));  // never hidden
}

TEST_CASE("metrics: the table has every class, the means and the confusion matrix") {
  const Metrics m = measure<float>(std::vector<std::int32_t>{0, 0, 1}, saying({0, 1, 1}, 2));
  const std::string table = table_of(m, {"bad", "good"});
  CHECK(holds(table, "bad           1.0000  0.5000  0.6667       2", "good          0.5000  1.0000  0.6667       1"));
  CHECK(holds(table, "macro         0.7500  0.7500  0.6667       3", "accuracy   0.6667 (2 of 3)"));
  CHECK(holds(table, "bad             1       1", "good            0       1"));
}
