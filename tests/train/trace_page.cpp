/// The page of a traced step, and the stepper in a terminal.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include <quern/loss/cross_entropy.hpp>
#include <quern/nn/linear.hpp>
#include <quern/train/stepper.hpp>
#include <quern/train/trace_page.hpp>

#include "support/expect_invalid.hpp"

using namespace test;

namespace {

template <class T = float>
struct Net {
  nn::Linear<T> hidden{2, 3}, out{3, 2};
  static void visit(auto&& f, auto&... m) { f("hidden", m.hidden...), f("out", m.out...); }
  auto operator()(const auto& x) const { return out(relu(hidden(x))); }
};

void pass(TapeObserver& observer, float scale = 1) {
  Net<> model;
  initialise(model, 1);
  auto grads = zeros_like(model);
  Tape tape;
  tape.observe(&observer);
  const auto x = Tensor<float, 2>::of({2, 2}, {scale, 0.5f, -1, 2});
  tape.backward(cross_entropy(tape.watch(model, grads)(x), Ids::of({2}, {1, 0})));
}

/// The JSON of a page, as a browser would find it.
nlohmann::json json_in(const std::string& page) {
  const std::string begin = "<script type=\"application/json\" id=\"trace\">";
  const auto from = page.find(begin) + begin.size();
  return nlohmann::json::parse(page.substr(from, page.find("</script>", from) - from));
}

/// What a stepper prints that is given these lines.
std::string printed(const std::string& input, std::vector<std::string> stops = {}, bool ask = true) {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE *out = open_memstream(&text, &size), *in = std::tmpfile();
  std::fputs(input.c_str(), in);
  std::rewind(in);
  {
    Stepper stepper(ask ? in : nullptr, out);
    for (const auto& s : stops) stepper.stop_at(s);
    pass(stepper);
  }
  std::fclose(in), std::fclose(out);
  const std::string result(text, size);
  std::free(text);
  return result;
}

/// The ops shown, in order.
std::string shown(const std::string& text) {
  std::string ops;
  for (std::size_t at = 0; (at = text.find("── ", at)) != std::string::npos; ++at)
    ops += text.substr(text.find(": ", at) + 2, text.find('\n', at) - text.find(": ", at) - 2) + ";";
  return ops;
}

const std::string everything = "cross_entropy 1;linear 2 (out);relu 1;linear 1 (hidden);";

}  // namespace

TEST_CASE("a page holds ops, values, gradients and formulas") {
  Trace trace;
  pass(trace);
  const auto page = json_in(trace_page(trace, {.title = "Step 7"}));
  CHECK(page["title"] == "Step 7");
  CHECK(page["cut"] == 0);
  REQUIRE(page["ops"].size() == 4);
  const auto& op = page["ops"][2];
  CHECK(op["f"] == "linear 2");
  CHECK(op["l"] == "out");
  CHECK(op["w"] == 1);
  CHECK(page["formulas"]["linear"] == formula_of("linear"));
  const auto& weight = page["values"][op["i"][1].get<std::size_t>()];
  CHECK(weight["n"] == "out.weight");
  CHECK(weight["k"] == "p");
  CHECK(weight["s"] == nlohmann::json{2, 3});
  CHECK(weight["v"].size() == 5 + 6);  // minimum, maximum, mean, norm, not finite; all elements
  CHECK(op["d"][1].size() == 5 + 6);
  CHECK(page["values"][op["i"][0].get<std::size_t>()]["op"] == 1);
  CHECK(page["ops"][0]["d"][0].is_null());  // of a constant
}

TEST_CASE("nothing that a text says can leave its place in the page") {
  Trace trace;
  pass(trace);
  const std::string hostile = "</script><script>alert(1)</script><!--\xff\"'& \xe2\x80\xa8";
  const std::string page = trace_page(trace, {.title = hostile, .note = hostile});
  CHECK(page.find("alert(1)</script>") == std::string::npos);
  CHECK(page.find("<script>alert") == std::string::npos);
  CHECK(page.find("http:") == page.find("http://www.w3.org/2000/svg"));  // a name, not a place to fetch from
  CHECK(page.find("https:") == std::string::npos);
  CHECK(json_in(page)["note"].get<std::string>().starts_with("</script><script>alert(1)</script><!--"));
}

TEST_CASE("numbers that are not finite are written as words") {
  Trace trace;
  pass(trace, std::numeric_limits<float>::infinity());
  const auto page = json_in(trace_page(trace));
  const auto& input = page["values"][page["ops"][0]["i"][0].get<std::size_t>()];
  CHECK(input["v"][4] == 1);
  CHECK(input["v"][5] == "inf");
}

TEST_CASE("a long pass is cut, an empty one refused") {
  Trace trace;
  pass(trace);
  const auto page = json_in(trace_page(trace, {.most_ops = 2}));
  CHECK(page["ops"].size() == 2);
  CHECK(page["cut"] == 2);
  for (const auto& op : page["ops"]) CHECK(op["o"] < page["values"].size());
  CHECK(page["values"].size() < trace.values().size());
  expect_message(message_of<InvalidArgument>([] { trace_page(Trace{}); }), {"trace_page: nothing was traced"});
}

TEST_CASE("the stepper goes op by op, on to a layer or an op, and ends where it is told to") {
  CHECK(shown(printed("\nn\nnext\n\n")) == everything);
  CHECK(shown(printed("", {}, false)) == everything);
  CHECK(shown(printed("\n")) == "cross_entropy 1;linear 2 (out);");  // the input ends: no more stops
  CHECK(shown(printed("q\n")) == "cross_entropy 1;");
  CHECK(shown(printed("c\n")) == "cross_entropy 1;");
  CHECK(shown(printed("c\n", {"hidden"})) == "linear 1 (hidden);");
  CHECK(shown(printed("c\nc\n", {"linear"})) == "linear 2 (out);linear 1 (hidden);");
  CHECK(shown(printed("", {"hidde"}, false)).empty());
  CHECK(shown(printed("s relu\nc\nq\n")) == "cross_entropy 1;relu 1;");
  CHECK(printed("what\nq\n").find("'what' is none of these") != std::string::npos);
}

TEST_CASE("the stepper prints formula, inputs, derivative and gradients") {
  const std::string text = printed("", {"relu"}, false);
  CHECK(text.starts_with("── 3 of 4: relu 1\n   y = max(x, 0)"));
  for (const char* part :
       {"\n   linear 1 [2, 3]\n", "\n   → relu 1 [2, 3]\n", "\n   gradient in: d relu 1 [2, 3]\n",
        "\n   ∂(relu 1)/∂(linear 1), a row for each element of the result\n", "\n   gradient out: d linear 1 [2, 3]\n"})
    CHECK_MESSAGE(text.find(part) != std::string::npos, part, " is not in\n", text);
}
