#include <quern/base/function_ref.hpp>

#include <doctest/doctest.h>

#include <string>
#include <utility>

using namespace quern;

namespace {

int twice(FunctionRef<int(int)> f, int x) { return f(f(x)); }
int add_one(int x) { return x + 1; }

struct Counter {
  int calls = 0;
  int operator()(int x) { return ++calls, x; }
};

}  // namespace

TEST_CASE("FunctionRef calls functions, lambdas and objects, which it does not copy") {
  CHECK(twice(add_one, 1) == 3);
  int factor = 3;
  CHECK(twice([&](int x) { return factor * x; }, 2) == 18);
  Counter counter;
  CHECK(twice(counter, 7) == 7);
  CHECK(counter.calls == 2);
  const auto constant = [](int) { return 5; };
  CHECK(twice(constant, 1) == 5);
}

TEST_CASE("FunctionRef passes references and takes a copy of itself as it is") {
  std::string text;
  const auto append = [&](std::string& to, const char* what) -> std::string& { return to += what; };
  const FunctionRef<std::string&(std::string&, const char*)> f = append;
  auto copy = f;
  CHECK(&copy(text, "a") == &text);
  copy(text, "b");
  CHECK(text == "ab");
}
