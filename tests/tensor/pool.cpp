#include <quern/tensor/pool.hpp>

#include <doctest/doctest.h>

#include <thread>

#include <quern/tensor/tensor.hpp>

#include "support/expect_invalid.hpp"

using namespace test;

namespace {
Storage block(std::size_t bytes) { return Storage(bytes, Device::cpu()); }
}  // namespace

TEST_CASE("the pool counts what it hands out, and holds what it gets back") {
  Pool::instance().trim();
  const auto before = pool_stats();
  void* memory = nullptr;
  {
    const auto a = block(1000);
    memory = a.data();
    const auto during = pool_stats();
    CHECK(during.system_allocations == before.system_allocations + 1);
    CHECK(during.requests == before.requests + 1);
    CHECK(during.live_bytes >= before.live_bytes + 1000);
    CHECK(during.live_bytes <= before.live_bytes + 1125);  // an eighth more at most
    CHECK(during.peak_live_bytes >= during.live_bytes);
    CHECK(a->bytes == 1000);
    CHECK(std::uintptr_t(a.data()) % 64 == 0);
  }
  CHECK(pool_stats().live_bytes == before.live_bytes);
  CHECK(pool_stats().held_bytes > before.held_bytes);
  const auto b = block(900);  // of the class below: the free block is larger, and taken
  CHECK(b.data() == memory);
  CHECK(pool_stats().system_allocations == before.system_allocations + 1);
}

TEST_CASE("of the free blocks the smallest that fits is taken") {
  Pool::instance().trim();
  void *small = nullptr, *middle = nullptr, *large = nullptr;
  {
    const auto a = block(1 << 10), b = block(1 << 12), c = block(1 << 20);
    small = a.data(), middle = b.data(), large = c.data();
  }
  const auto before = pool_stats().system_allocations;
  const auto a = block(3000), b = block(1000), c = block(1 << 20);
  CHECK(a.data() == middle);
  CHECK(b.data() == small);
  CHECK(c.data() == large);
  CHECK(pool_stats().system_allocations == before);
  const auto d = block(1);
  CHECK(pool_stats().system_allocations == before + 1);
}

TEST_CASE("every size gets a block that holds it, with little to spare") {
  for (std::size_t bytes = 0; bytes < 5000; bytes += 7) {
    const auto b = block(bytes);
    CHECK(b->capacity >= bytes);
  }
  Pool::instance().trim();
  for (std::size_t bytes = 64; bytes < (std::size_t{1} << 24); bytes = bytes * 5 / 4 + 1) {
    const auto b = block(bytes);
    CHECK(b->capacity >= bytes);
    CHECK(b->capacity <= bytes + bytes / 8 + 8);
    std::memset(b.data(), 1, bytes);
    Pool::instance().trim();
  }
}

TEST_CASE("trim returns what is free") {
  { const auto a = block(1 << 16); }
  const auto live = block(1 << 10);
  Pool::instance().trim();
  CHECK(pool_stats().held_bytes == pool_stats().live_bytes);
}

TEST_CASE("a block that comes back has lost its name and its rows") {
  Pool::instance().trim();
  const Block* first = nullptr;
  {
    const auto a = block(1000);
    first = a.operator->();
    a->name = "weight";
    a->begin_rows();
  }
  const auto b = block(1000);
  REQUIRE(b.operator->() == first);
  CHECK(b->name.empty());
  CHECK_FALSE(bool(b->touched));
  CHECK(b->owners == 1);
}

TEST_CASE("storage is shared until its last owner is gone") {
  const auto live = pool_stats().live_bytes;
  Storage a = block(100), none;
  {
    const Storage b = a;
    CHECK(a == b);
    CHECK(a->owners == 2);
    Storage c = std::move(a);
    CHECK_FALSE(bool(a));
    CHECK(c->owners == 2);
    a = std::move(c);
  }
  CHECK(a->owners == 1);
  a = none;
  CHECK(pool_stats().live_bytes == live);
  CHECK(none.data() == nullptr);
}

TEST_CASE("an absurd size is an error that says so, and the pool goes on") {
  const auto live = pool_stats().live_bytes;
  expect_message(message_of<Error>([] { (void)block(std::size_t{1} << 60); }), {"tensor: no memory for"});
  CHECK(pool_stats().live_bytes == live);
  CHECK(block(100)->bytes == 100);
}

TEST_CASE("threads may take and give at once") {
  const auto live = pool_stats().live_bytes;
  std::vector<std::thread> threads;
  std::atomic<int> torn = 0;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([t, &torn] {
      for (int i = 0; i < 2000; ++i) {
        Tensor<int, 1> x(1 + (i * 37 + t) % 500);
        x.fill(t);
        const auto y = x.share();
        for (auto v : y.span()) torn += v != t;
      }
    });
  for (auto& t : threads) t.join();
  CHECK(torn == 0);
  CHECK(pool_stats().live_bytes == live);
}
