/// The tree keeps its rules; and each rule is seen to fail on a tree that breaks it.
#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

#include "rules.hpp"

namespace fs = std::filesystem;

namespace {

const std::string proper = "/// What it is for.\n#pragma once\n";

/// A small tree that keeps all rules, in a folder of its own that goes away with it.
class FakeTree {
 public:
  FakeTree() {
    std::string name = (fs::temp_directory_path() / "quern_structure_XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    root_ = name;
    write("include/quern/quern.hpp", proper + "#include <quern/ops/relu.hpp>\n");
    write("include/quern/base/error.hpp", proper);
    write("include/quern/tensor/tensor.hpp", proper + "#include <quern/base/error.hpp>\n");
    write("include/quern/autograd/tape.hpp", proper + "#include <quern/tensor/tensor.hpp>\n");
    write("include/quern/cpu/relu.hpp", proper + "#include <Eigen/Core>\n#include <quern/tensor/tensor.hpp>\n");
    write("include/quern/ops/relu.hpp", proper + "#include <quern/autograd/tape.hpp>\n#include <quern/cpu/relu.hpp>\n");
    write_row("relu");
    for (const auto& [name, reason] : structure::no_ops) write("include/quern/ops/" + name + ".hpp", proper);
    for (const auto& [op, reason] : structure::without_body) {
      write("include/quern/ops/" + op + ".hpp", proper);
      write_row(op);
    }
  }
  ~FakeTree() { fs::remove_all(root_); }
  FakeTree(const FakeTree&) = delete;
  FakeTree& operator=(const FakeTree&) = delete;

  void write(const std::string& file, const std::string& text) const {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  void write_row(const std::string& op) const {
    write("tests/ops/" + op + ".cpp", "");
    write("bench/ops/" + op + ".cpp", "");
    write("docs/ops/" + op + ".md", "");
  }
  void remove(const std::string& file) const { fs::remove(root_ / file); }

  /// The one broken rule, or what there is instead.
  std::string broken() const {
    const auto problems = structure::broken_rules(root_);
    if (problems.size() == 1) return problems.front();
    std::string all = std::to_string(problems.size()) + " problems";
    for (const auto& problem : problems) all += "\n" + problem;
    return all;
  }

 private:
  fs::path root_;
};

}  // namespace

TEST_CASE("the tree keeps its rules") {
  const fs::path root = QUERN_SOURCE_DIR;
  REQUIRE(fs::exists(root / "include/quern/base/version.hpp"));
  for (const std::string& problem : structure::broken_rules(root)) FAIL_CHECK(problem);
}

TEST_CASE("a proper tree breaks no rule") {
  FakeTree tree;
  CHECK(tree.broken() == "0 problems");
}

TEST_CASE("an include that points up is found") {
  FakeTree tree;
  SUBCASE("to a higher level") {
    tree.write("include/quern/tensor/tensor.hpp", proper + "  # include <quern/ops/relu.hpp>\n");
    CHECK(tree.broken() == "include/quern/tensor/tensor.hpp: includes quern/ops/relu.hpp: tensor stands below ops");
  }
  SUBCASE("from the tape to an op") {
    tree.write("include/quern/autograd/tape.hpp", proper + "#include <quern/ops/relu.hpp>\n");
    CHECK(tree.broken() == "include/quern/autograd/tape.hpp: includes quern/ops/relu.hpp: autograd stands below ops");
  }
  SUBCASE("from a body to the tape, its sibling") {
    tree.write("include/quern/cpu/relu.hpp", proper + "#include \"quern/autograd/tape.hpp\"\n");
    CHECK(tree.broken() ==
          "include/quern/cpu/relu.hpp: includes quern/autograd/tape.hpp: cpu and autograd are siblings");
  }
  SUBCASE("from the tape to a body, its sibling") {
    tree.write("include/quern/autograd/tape.hpp", proper + "#include <quern/cpu/relu.hpp>\n");
    CHECK(tree.broken() ==
          "include/quern/autograd/tape.hpp: includes quern/cpu/relu.hpp: autograd and cpu are siblings");
  }
  SUBCASE("to the table of contents") {
    tree.write("include/quern/ops/relu.hpp", proper + "#include <quern/quern.hpp>\n");
    CHECK(tree.broken().starts_with("include/quern/ops/relu.hpp: includes quern/quern.hpp: "));
  }
  SUBCASE("by a short path, which would hide its level") {
    tree.write("include/quern/tensor/tensor.hpp", proper + "#include \"relu.hpp\"\n");
    CHECK(tree.broken().starts_with("include/quern/tensor/tensor.hpp: includes relu.hpp: "));
  }
  SUBCASE("to or from a level that is not in the list") {
    tree.write("include/quern/tensor/tensor.hpp", proper + "#include <quern/misc/all.hpp>\n");
    CHECK(tree.broken().ends_with("unknown level misc"));
    tree.write("include/quern/tensor/tensor.hpp", proper);
    tree.write("include/quern/misc/all.hpp", proper);
    CHECK(tree.broken() == "include/quern/misc/all.hpp: unknown level misc");
  }
}

TEST_CASE("Eigen outside cpu is found") {
  FakeTree tree;
  tree.write("include/quern/ops/relu.hpp", proper + "#include <Eigen/Dense>\n");
  CHECK(tree.broken() == "include/quern/ops/relu.hpp: includes Eigen/Dense: only include/quern/cpu may include Eigen");
}

TEST_CASE("a CUDA header under include is found") {
  FakeTree tree;
  for (const std::string header : {"cuda_runtime.h", "cublasLt.h", "cuda/std/atomic", "cudnn.h"}) {
    tree.write("include/quern/tensor/tensor.hpp", proper + "#include <" + header + ">\n");
    CHECK(tree.broken() == "include/quern/tensor/tensor.hpp: includes " + header + ": no CUDA header under include/");
  }
}

TEST_CASE("an op with a missing file is found") {
  FakeTree tree;
  SUBCASE("at the levels that exist") {
    for (const std::string file :
         {"include/quern/cpu/relu.hpp", "tests/ops/relu.cpp", "bench/ops/relu.cpp", "docs/ops/relu.md"}) {
      FakeTree other;
      other.remove(file);
      CHECK(other.broken() == "include/quern/ops/relu.hpp: " + file + " is missing");
    }
  }
  SUBCASE("at cuda, once that level exists") {
    tree.write("include/quern/cuda/softmax.hpp", proper);
    CHECK(tree.broken() == "include/quern/ops/relu.hpp: include/quern/cuda/relu.hpp is missing");
  }
  SUBCASE("among the kernels, once there are some") {
    tree.write("kernels/dialect.cuh", "");
    tree.write("kernels/relu.cuh", "");
    CHECK(tree.broken() == "include/quern/ops/relu.hpp: kernels/relu.cu is missing");
  }
}

TEST_CASE("a file of more than 400 lines is found") {
  FakeTree tree;
  std::string text = proper;
  for (int line = 0; line < 398; ++line) text += "\n";
  tree.write("include/quern/base/error.hpp", text);
  CHECK(tree.broken() == "0 problems");
  tree.write("include/quern/base/error.hpp", text + "\n");
  CHECK(tree.broken() == "include/quern/base/error.hpp: 401 lines, more than 400");
}

TEST_CASE("a header without its opening is found") {
  FakeTree tree;
  tree.write("include/quern/base/error.hpp", "/// What it is for.\n");
  CHECK(tree.broken() == "include/quern/base/error.hpp: has no #pragma once");
  tree.write("include/quern/base/error.hpp", "#pragma once\n");
  CHECK(tree.broken() == "include/quern/base/error.hpp: does not open with a /// comment");
}
