#include <doctest/doctest.h>

#include <data/files.hpp>
#include <quern/io/json.hpp>

using namespace quern;

TEST_CASE("json: a file is read back as it was written") {
  const TemporaryFolder folder;
  const nlohmann::json value = {{"a", {1, 2.5, "ü"}}, {"b", {{"c", nullptr}}}};
  write_json(folder / "x.json", value);
  CHECK(read_json(folder / "x.json") == value);
  CHECK(read_file(folder / "x.json").ends_with("}\n"));
}

TEST_CASE("json: errors name the file and what is wrong") {
  const TemporaryFolder folder;
  const auto path = folder.write("x.json", "{\"a\": 1,}");
  CHECK(holds(error_of([&] { read_json(path); }), "x.json: not valid JSON", "line 1"));
  CHECK(holds(error_of([&] { read_json(folder / "none.json"); }), "none.json", "cannot be opened"));
  CHECK(holds(error_of([] { parse_json(R"({"a":{"b":1,"b":2}})", "x"); }), "x: 'b' is given twice"));
  CHECK(parse_json(R"({"a":{"b":1},"b":{"b":2}})", "x")["b"]["b"] == 2);  // the same key in several objects is fine
  CHECK(holds(error_of([] { parse_json("[[[1]]]", "x", 2); }), "nested more than 2 levels"));
}

TEST_CASE("json: values have the type asked for") {
  const nlohmann::json o = {{"n", -3}, {"x", 2.5}, {"s", "t"}, {"b", true}, {"v", {1, 2}}, {"u", UINT64_MAX}};
  CHECK(json_value<std::int64_t>(o, "n", "x") == -3);
  CHECK(json_value<double>(o, "n", "x") == -3);
  CHECK(json_value<std::uint64_t>(o, "u", "x") == UINT64_MAX);
  CHECK(json_value<bool>(o, "b", "x"));
  CHECK(json_value<std::vector<std::int64_t>>(o, "v", "x") == std::vector<std::int64_t>{1, 2});
  CHECK(holds(error_of([&] { json_value<std::int64_t>(o, "none", "f.json"); }), "f.json: 'none' is missing"));
  CHECK(holds(error_of([&] { json_value<std::int64_t>(o, "x", "f"); }), "'x' is 2.5, expected a whole number"));
  CHECK(holds(error_of([&] { json_value<std::uint64_t>(o, "n", "f"); }), "'n' is -3"));
  CHECK(holds(error_of([&] { json_value<std::int64_t>(o, "u", "f"); }), "below 2^63"));
  CHECK(holds(error_of([&] { json_value<bool>(o, "n", "f"); }), "expected true or false"));
  CHECK(holds(error_of([&] { json_value<double>(o, "s", "f"); }), "expected a number"));
  CHECK(holds(error_of([&] { json_value<std::string>(o, "v", "f"); }), "'v' is [1,2]"));
}
