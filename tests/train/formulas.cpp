/// train/formulas.hpp says of every op what the opening comment of its header says. This file makes it from the
/// headers, and fails where it differs; with QUERN_UPDATE=1 it writes it instead.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include <quern/base/file.hpp>
#include <quern/train/formulas.hpp>

using namespace quern;

namespace {

const std::string include = QUERN_SOURCE_DIR "/include/quern/";

bool is_code(const std::string& paragraph) {
  static const std::regex end_of_statement(R"(;\s*(//.*)?\n)");
  return std::regex_search(paragraph, end_of_statement);
}

/// Of the comment that a header opens with: the indented paragraphs that are no code.
std::string formula_in(const std::string& header) {
  std::string formula, paragraph;
  std::istringstream lines(header);
  for (std::string line; std::getline(lines, line) && line.starts_with("///");) {
    if (line.starts_with("///   ")) {
      paragraph += line.substr(6) + "\n";
      continue;
    }
    if (!is_code(paragraph)) formula += paragraph;
    paragraph.clear();
  }
  return formula.substr(0, formula.find_last_not_of('\n') + 1);
}

/// By the name of each op that a header records, and of the header itself.
std::map<std::string, std::string> formulas_of_headers() {
  static const std::regex recorded(R"(record\(\s*"(\w+)\")");
  std::map<std::string, std::string> found;
  for (const char* level : {"ops/", "loss/"})
    for (const std::string& file : list_folder(include + level)) {
      const std::string header = read_file(include + level + file), formula = formula_in(header);
      if (formula.empty()) continue;
      found[file.substr(0, file.find('.'))] = formula;
      for (std::sregex_iterator i(header.begin(), header.end(), recorded), end; i != end; ++i)
        found[(*i)[1].str()] = formula;
    }
  return found;
}

std::string table_of(const std::map<std::string, std::string>& formulas) {
  std::string table;
  for (const auto& [op, formula] : formulas) table += "    {\"" + op + "\", R\"(" + formula + ")\"},\n";
  return table;
}

}  // namespace

TEST_CASE("the formulas are those of the headers") {
  const auto formulas = formulas_of_headers();
  REQUIRE(formulas.contains("relu"));
  CHECK(formulas.at("relu").starts_with("y = max(x, 0)"));
  CHECK(formulas.at("relu").find("auto") == std::string::npos);
  CHECK(formulas.at("conv1d").find("dx(s, e) = ") != std::string::npos);
  const std::string path = include + "train/formulas.hpp", file = read_file(path);
  const std::string begin = "    // made from the headers\n", end = "    // end\n";
  const auto from = file.find(begin), to = file.find(end);
  REQUIRE(from != std::string::npos);
  REQUIRE(to != std::string::npos);
  const std::string made = file.substr(0, from + begin.size()) + table_of(formulas) + file.substr(to);
  if (std::getenv("QUERN_UPDATE") && made != file) atomic_write(path, made);
  CHECK_MESSAGE((made == file || std::getenv("QUERN_UPDATE")),
                "include/quern/train/formulas.hpp differs from the comments of the ops; write it anew with "
                "QUERN_UPDATE=1 test_train --source-file=*formulas.cpp");
}

TEST_CASE("a formula by the name of its op") {
  CHECK(std::string(formula_of("add")) == "y = a + b\nda = dy,  db = dy");
  CHECK(std::string(formula_of("no such op")).empty());
}
