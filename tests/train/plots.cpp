#include <doctest/doctest.h>

#include <data/files.hpp>
#include <quern/train/plots.hpp>

using namespace quern;

namespace {

/// Every tag is closed in its order, attributes are quoted, and & begins an entity: what an XML parser asks for.
std::string xml_problem(const std::string& svg) {
  std::vector<std::string> open;
  if (first_invalid_utf8(svg) != std::string::npos) return "no UTF-8";
  for (std::size_t at = 0; at < svg.size(); ++at) {
    const auto rest = std::string_view(svg).substr(at);
    if (rest[0] == '&' && !rest.starts_with("&amp;") && !rest.starts_with("&lt;") && !rest.starts_with("&gt;") &&
        !rest.starts_with("&quot;") && !rest.starts_with("&#39;"))
      return "a bare &";
    if (static_cast<unsigned char>(rest[0]) < 0x20 && rest[0] != '\n') return "a control character";
    if (rest[0] != '<') continue;
    const std::size_t end = rest.find('>');
    if (end == std::string_view::npos) return "an open tag";
    const std::string tag(rest.substr(1, end - 1));
    if (tag.find('<') != std::string::npos) return "< in a tag";
    if (std::count(tag.begin(), tag.end(), '"') % 2 != 0) return "an open quote in " + tag;
    const std::string name = tag.substr(tag[0] == '/', tag.find_first_of(" /", 1) - (tag[0] == '/'));
    if (tag[0] == '/') {
      if (open.empty() || open.back() != name) return "</" + name + "> closes nothing";
      open.pop_back();
    } else if (!tag.ends_with('/')) {
      open.push_back(name);
    }
    at += end;
  }
  return open.empty() ? "" : open.back() + " is not closed";
}

std::size_t count(const std::string& text, std::string_view part) {
  std::size_t n = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++n;
  return n;
}

/// Confusion of `classes` classes: 3 right texts each, one given to the next class.
Metrics some_metrics(std::size_t classes) {
  Metrics m;
  m.classes.resize(classes), m.confusion.resize(classes * classes), m.texts = std::int64_t(4 * classes);
  for (std::size_t c = 0; c < classes; ++c)
    m.confusion[c * classes + c] = 3, m.confusion[c * classes + (c + 1) % classes] = 1;
  MetricsCounter counter{std::int64_t(classes)};
  counter.add(m);
  return counter.result();
}

TrainResult some_result(std::size_t epochs) {
  TrainResult r;
  for (std::size_t e = 0; e < epochs; ++e) r.history.push_back({0.5 / double(e + 1), 0.6, 0.7, 0.65, 1});
  r.kept_epoch = std::int64_t(epochs) / 2, r.dev.texts = 9;
  return r;
}

}  // namespace

TEST_CASE("confusion: one cell for each count, with names and share to read, from 2 to 200 classes") {
  for (const std::size_t classes : {2u, 7u, 77u, 200u}) {
    std::vector<std::string> names;
    for (std::size_t c = 0; c < classes; ++c) names.push_back("class_" + std::to_string(c));
    const auto svg = confusion_svg(some_metrics(classes), names);
    CHECK(xml_problem(svg) == "");
    CHECK(count(svg, " → ") == 2 * classes);
    CHECK(count(svg, "<title>class_0 → class_1: 1 (25.0 %)</title>") == 1);
    CHECK(count(svg, "<title>class_1 → class_1: 3 (75.0 %)</title>") == 1);
    CHECK(count(svg, ">75 %</text>") == classes);  // recall
    CHECK(count(svg, ">class_1</text>") == 2);     // of its row and its column
    CHECK(holds(svg, "accuracy 0.7500", "prefers-color-scheme:dark", "viewBox"));
  }
}

TEST_CASE("confusion: rows are labels, columns predictions; wrong and right are told apart") {
  const std::vector<std::string> names = {"a", "b", "c"};
  const auto svg = confusion_svg(some_metrics(3), names);
  const detail::ConfusionLayout l(names);
  const auto rect = [&](int predicted, int label, const char* colour) {
    return text_of("<rect x=\"", svg_number(l.x(std::size_t(predicted))), "\" y=\"",
                   svg_number(l.y(std::size_t(label))), "\" width=\"84\" height=\"84\" class=\"", colour, "\"");
  };
  CHECK(l.x(1) == l.x(0) + 84);
  CHECK(l.y(2) == l.y(1) + 84);
  CHECK(holds(svg, "<title>a → b: 1 (25.0 %)</title>" + rect(1, 0, "in-second")));
  CHECK(holds(svg, "<title>c → a: 1 (25.0 %)</title>" + rect(0, 2, "in-second")));
  CHECK(holds(svg, "<title>b → b: 3 (75.0 %)</title>" + rect(1, 1, "in-first")));
}

TEST_CASE("confusion: with two classes and a million texts the head ends before the scale begins") {
  Metrics m = some_metrics(2);
  m.texts = 1000000;
  const auto svg = confusion_svg(m, {"a", "b"});
  CHECK(holds(svg, "1000000 texts<"));
  const auto right = svg.find(">right<"), x = svg.rfind("x=\"", right);
  REQUIRE(right != std::string::npos);
  CHECK(std::stod(svg.substr(x + 3)) > 24 + 13 * text_width("accuracy 0.7500, macro F1 0.7500, 1000000 texts"));
}

TEST_CASE("confusion: class names cannot break the picture, and long ones are cut") {
  const std::string bad = "<script>&\"'\x01\xFF";
  const std::string longest(200, 'w');
  const auto svg = confusion_svg(some_metrics(3), {bad, longest, "\xE5\x91\xB3\xE9\x81\x93"});
  CHECK(xml_problem(svg) == "");
  CHECK(!holds(svg, "<script"));
  CHECK(holds(svg, "&lt;script&gt;&amp;&quot;&#39;\xEF\xBF\xBD\xEF\xBF\xBD", "\xE5\x91\xB3\xE9\x81\x93</text>"));
  CHECK(count(svg, longest) == 6);  // in titles alone: two labels, and four times in those of three cells
  CHECK(count(svg, "www…</text>") == 2);
  CHECK(holds(error_of<InvalidArgument>([] { confusion_svg(some_metrics(3), {"a"}); }), "1 names for 3 classes"));
}

TEST_CASE("learning curves: a point for each epoch, the kept one marked") {
  const auto svg = learning_curves_svg(some_result(8));
  CHECK(xml_problem(svg) == "");
  CHECK(count(svg, "<circle") == 4 * 8);
  CHECK(count(svg, "<path") == 4);
  CHECK(count(svg, "stroke-dasharray") == 2);
  CHECK(holds(svg, "kept: epoch 5 of 8", ">training<", ">development<", ">accuracy<", ">macro F1<"));
  // The first training loss is the largest of all, so it stands highest; the figures are where they belong.
  const detail::Panel panel{100, 50, 200, 100, 0, 2, 5};
  CHECK(panel.x(0) == 100);
  CHECK(panel.x(4) == 300);
  CHECK(panel.y(0) == 150);
  CHECK(panel.y(2) == 50);
  CHECK(panel.y(0.5) == 125);
}

TEST_CASE("learning curves: without development texts, of one epoch, of none, of many, with gaps") {
  auto r = some_result(3);
  r.dev = {};
  const auto alone = learning_curves_svg(r);
  CHECK(xml_problem(alone) == "");
  CHECK(count(alone, "<path") == 1);
  CHECK(!holds(alone, "development"));
  CHECK(xml_problem(learning_curves_svg(some_result(1))) == "");
  CHECK(holds(learning_curves_svg({}), "No epoch had ended"));
  auto many = some_result(300);
  many.history[7].train_loss = std::nan(""), many.history[9].dev_loss = INFINITY;
  const auto long_svg = learning_curves_svg(many);
  CHECK(xml_problem(long_svg) == "");
  CHECK(count(long_svg, "<circle") == 0);
  CHECK(!holds(long_svg, "nan"));
  CHECK(!holds(long_svg, "inf"));
  CHECK(count(long_svg, "M") == 4 + 2);  // a gap in two curves begins a new stroke
}

TEST_CASE("svg: numbers, widths and cuts") {
  CHECK(svg_number(1.005e2) == "100.5");
  CHECK(svg_number(-0.001) == "0");
  CHECK(svg_number(10) == "10");
  CHECK(shortened("short", 30) == "short");
  CHECK(text_width(shortened(std::string(99, 'a'), 10)) <= 10);
  CHECK(shortened("\xE5\x91\xB3\xE9\x81\x93\xE5\x91\xB3", 2.5) == "\xE5\x91\xB3…");
  for (const double range : {0.013, 0.4, 1.0, 7.0, 199.0, 5000.0}) {
    const double lines = range / detail::grid_distance(range);
    CHECK(lines >= 1.8);
    CHECK(lines <= 4.6);
  }
}
