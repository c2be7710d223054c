#include <quern/data/batches.hpp>

#include <atomic>
#include <chrono>
#include <map>
#include <set>
#include <stdexcept>
#include <thread>

#include <doctest/doctest.h>

#include "data/files.hpp"

using namespace quern;

namespace {

/// Text i holds i times its own number, lengths 1 … 40; label i % 3.
Encoded numbered(std::int64_t n) {
  Encoded e;
  for (std::int64_t i = 0; i < n; ++i) {
    e.ids.insert(e.ids.end(), std::size_t(1 + i * 7 % 40), std::int32_t(i));
    e.offsets.push_back(std::int64_t(e.ids.size()));
    e.labels.push_back(std::int32_t(i % 3));
  }
  return e;
}

/// Everything a range gives, as text; checks each batch against the data it came from.
std::vector<std::string> all_of(Batches&& range, const Encoded& e) {
  std::vector<std::string> out;
  for (const Batch& batch : range) {
    std::string s;
    for (std::int64_t b = 0; b < batch.texts(); ++b) {
      const auto i = batch.ids(batch.offsets(b));
      REQUIRE(batch.offsets(b + 1) - batch.offsets(b) == e.length(i));
      for (auto k = batch.offsets(b); k < batch.offsets(b + 1); ++k) {
        REQUIRE(batch.ids(k) == i);
        if (!e.types.empty()) REQUIRE(batch.types(k) == (i + k - batch.offsets(b)) % 2);
      }
      if (!e.labels.empty()) REQUIRE(batch.labels(b) == i % 3);
      s += text_of(i, " ");
    }
    REQUIRE(batch.types.size() == (e.types.empty() ? 0 : batch.tokens()));
    REQUIRE(batch.labels.size() == (e.labels.empty() ? 0 : batch.texts()));
    out.push_back(s);
  }
  return out;
}

}  // namespace

TEST_CASE("an epoch holds every example once, and seed and epoch alone decide its order") {
  const Encoded e = numbered(1003);
  const auto first = all_of(batches(e, 10, 5, 0), e);
  CHECK(first.size() == 101);
  std::map<std::string, int> seen;
  for (const auto& batch : first)
    for (std::size_t at = 0, end; (end = batch.find(' ', at)) != batch.npos; at = end + 1)
      ++seen[batch.substr(at, end - at)];
  CHECK(seen.size() == 1003);
  for (const auto& [i, n] : seen) CHECK(n == 1);
  CHECK(all_of(batches(e, 10, 5, 0), e) == first);
  CHECK(all_of(batches(e, 10, 5, 1), e) != first);
  CHECK(all_of(batches(e, 10, 6, 0), e) != first);
  const int before = threads();
  set_threads(5);
  CHECK(all_of(batches(e, 10, 5, 0), e) == first);
  set_threads(before);
}

TEST_CASE("texts of a batch are of like length, and lengths do not rise through the epoch") {
  const Encoded e = numbered(4000);
  const BatchPlan plan = plan_shuffled(e, detail::all_of(e), 20, 1, 0);
  CHECK(plan.size() == 200);
  int falls = 0;
  std::int64_t spread = 0;
  for (std::int64_t k = 0; k < plan.size(); ++k) {
    const auto members = plan.batch(k);
    REQUIRE(members.size() == 20);
    std::int64_t shortest = 40, longest = 1;
    for (const auto i : members) {
      shortest = std::min(shortest, e.length(i));
      longest = std::max(longest, e.length(i));
    }
    spread += longest - shortest;
    if (k > 0) falls += e.length(members[0]) < e.length(plan.batch(k - 1)[0]);
  }
  CHECK(spread < 2 * 200);  // 20 of 1000 sorted texts with 40 lengths; unsorted it would be near 36 · 200
  CHECK(falls > 50);
}

TEST_CASE("an epoch can begin at any batch") {
  const Encoded e = numbered(95);
  const auto whole = all_of(batches(e, 10, 5, 3), e);
  REQUIRE(whole.size() == 10);
  for (std::int64_t k = 0; k <= 10; ++k) {
    Batches rest = batches(e, 10, 5, 3, k);
    CHECK(rest.size() == 10);
    CHECK(all_of(batches(e, 10, 5, 3, k), e) == std::vector<std::string>(whole.begin() + k, whole.end()));
  }
  CHECK(holds(error_of<InvalidArgument>([&] { batches(e, 10, 5, 3, 11); }), "batch 11 of 10"));
}

TEST_CASE("batches of some examples, and in order") {
  Encoded e = numbered(9);
  const std::vector<std::int64_t> some = {7, 2, 5};
  CHECK(all_of(batches_in_order(e, some, 2), e) == std::vector<std::string>{"7 2 ", "5 "});
  CHECK(all_of(batches_in_order(e, 5), e) == std::vector<std::string>{"0 1 2 3 4 ", "5 6 7 8 "});
  std::set<std::string> members;
  for (const auto& b : all_of(batches(e, some, 1, 1), e)) members.insert(b);
  CHECK(members == std::set<std::string>{"2 ", "5 ", "7 "});
  e.labels.clear();
  CHECK(all_of(batches_in_order(e, 9), e).size() == 1);
  const Encoded none;
  CHECK(all_of(batches(none, 5, 1), none).empty());
}

TEST_CASE("batches of pairs have the types of their tokens") {
  Encoded e = numbered(57);
  for (std::int64_t i = 0; i < e.size(); ++i)
    for (std::int64_t k = 0; k < e.length(i); ++k) e.types.push_back(std::int32_t((i + k) % 2));
  CHECK(all_of(batches(e, 10, 1), e).size() == 6);
}

TEST_CASE("mistakes of the caller") {
  const Encoded e = numbered(3);
  const std::vector<std::int64_t> beyond = {3};
  CHECK(holds(error_of<InvalidArgument>([&] { batches(e, 0, 1); }), "batch size 0"));
  CHECK(holds(error_of<InvalidArgument>([&] { batches(e, beyond, 2, 1); }), "example 3 of 3"));
  CHECK(holds(error_of<InvalidArgument>([&] {
                Batches range = batches(e, 2, 1);
                (void)range.begin();
                (void)range.begin();
              }),
              "walked once"));
}

TEST_CASE("an abandoned range ends its thread") {
  const Encoded e = numbered(500);
  for (int round = 0; round < 200; ++round) {
    int taken = 0;
    for (const Batch& batch : batches(e, 5, 1, std::uint32_t(round))) {
      CHECK(batch.texts() == 5);
      if (taken++ == round % 4) break;
    }
    const Batches untouched = batches(e, 5, 1);
    CHECK(untouched.size() == 100);
  }
}

TEST_CASE("a loop over batches of equal size asks the system for no more tensor memory") {
  Encoded e;
  for (int i = 0; i < 4000; ++i) e.ids.push_back(i), e.offsets.push_back(i + 1), e.labels.push_back(0);
  const auto before = pool_stats().system_allocations;
  int k = 0;
  for (const Batch& batch : batches(e, 10, 1)) {
    CHECK(batch.tokens() == 10);
    ++k;
  }
  CHECK(k == 400);
  // At most four batches live at once (taken, two waiting, in the hands of the thread), of three tensors each.
  CHECK(pool_stats().system_allocations - before <= 4 * 3);
}

TEST_CASE("Ahead: order, exceptions, depth") {
  std::atomic<int> made = 0;
  Ahead ahead(3, 8, [&](std::int64_t k) {
    ++made;
    if (k == 6) throw std::runtime_error("the sixth");
    return k * 10;
  });
  std::int64_t value = 0;
  for (const std::int64_t expected : {30, 40, 50}) {
    CHECK(ahead.next(value));
    CHECK(value == expected);
  }
  CHECK(error_of<std::runtime_error>([&] { ahead.next(value); }) == "the sixth");
  CHECK(!ahead.next(value));
  CHECK(made == 4);

  made = 0;
  Ahead slow(0, 100, [&](std::int64_t k) { return ++made, k; });
  REQUIRE(slow.next(value));
  for (int wait = 0; wait < 10'000 && made < 4; ++wait) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(made == 4);  // one taken, two waiting, one in the hands of the thread
}
