#include <quern/data/dataset.hpp>

#include <doctest/doctest.h>

#include "data/files.hpp"

using namespace quern;

namespace {
Dataset small() { return {{"a", "b", "c", "d"}, {1, 0, 1, 1}, {"neg", "pos"}, {2, 3, 4, 5}, "small.csv"}; }
}  // namespace

TEST_CASE("subset, counts, summary") {
  const Dataset data = small();
  CHECK(data.counts() == std::vector<std::int64_t>{1, 3});
  CHECK(text_of(data) == "4 texts, 2 classes: neg 1, pos 3");
  const std::vector<std::int64_t> indices = {3, 1};
  const Dataset part = data.subset(indices);
  CHECK(part.texts == std::vector<std::string>{"d", "b"});
  CHECK(part.labels == std::vector<std::int32_t>{1, 0});
  CHECK(part.lines == std::vector<std::int64_t>{5, 3});
  CHECK(part.classes == data.classes);
  CHECK(part.source == data.source);
  const std::vector<std::int64_t> beyond = {4};
  CHECK(holds(error_of<InvalidArgument>([&] { (void)data.subset(beyond); }), "example 4 of 4"));
}

TEST_CASE("a summary of many classes stays short") {
  Dataset data;
  for (int c = 0; c < 20; ++c) data.classes.push_back(text_of("class", c));
  CHECK(holds(text_of(data), "class11 0 and 8 more"));
}

TEST_CASE("what cannot be trained on says why") {
  CHECK(holds(error_of([] { require_trainable({{}, {}, {}, {}, "f"}); }), "f: no examples"));
  CHECK(holds(error_of([] {
                require_trainable({{"a", "b"}, {1, 1}, {"neg", "pos"}, {1, 2}, "f"});
              }),
              "f:", "at least two classes", "all 2 examples", "'pos'"));
  CHECK(holds(error_of([] { require_trainable(small()); }), "small.csv: class 'neg' has a single example"));
  Dataset data = small();
  data.labels[0] = 0;
  CHECK(error_of([&] { require_trainable(data); }) == "nothing was thrown");
}
