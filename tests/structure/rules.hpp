/// The rules of the tree, and a reader of includes that finds what breaks them.
///
///   for (const std::string& problem : broken_rules(root)) …   // "include/quern/cpu/relu.hpp: includes … "
#pragma once
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace structure {

namespace fs = std::filesystem;

/// Folders of include/quern and the rank of each. A header includes lower ranks and its own folder; two folders of one
/// rank are siblings that do not know each other.
inline const std::map<std::string, int> ranks = {
    {"base", 0}, {"tensor", 1}, {"autograd", 2},  {"cpu", 2},      {"cuda", 2},         {"ops", 3},
    {"nn", 4},   {"loss", 5},   {"optim", 6},     {"models", 7},   {"text", 8},         {"data", 9},
    {"io", 10},  {"train", 11}, {"compress", 12}, {"explain", 12}, {"distributed", 12}, {"serve", 13}};

/// Files of ops/ that are no op, each with the reason.
inline const std::map<std::string, std::string> no_ops = {
    {"axis", "one axis of a shape, for ops along any axis"},
    {"dispatch", "the choice of a device, which all ops share"},
    {"recurrent", "what lstm and gru refuse, and the row before a row"},
};

/// Ops that need no body of their own under cpu/, cuda/ and kernels/, each with the reason.
inline const std::map<std::string, std::string> without_body = {
    {"mean", "the body of sum, with a divisor"},
    {"reshape", "it shares the memory"},
    {"split", "its parts are slices"},
};

/// Longest file that is still read in one go.
inline constexpr int longest_file = 400;

inline std::vector<std::string> lines_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// The target of an include line, without brackets; empty for any other line.
inline std::string include_of(std::string_view line) {
  auto skip_spaces = [&] {
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.front()))) line.remove_prefix(1);
  };
  auto skip = [&](std::string_view word) {
    skip_spaces();
    if (!line.starts_with(word)) return false;
    line.remove_prefix(word.size());
    return true;
  };
  if (!skip("#") || !skip("include")) return {};
  skip_spaces();
  if (line.empty() || (line.front() != '<' && line.front() != '"')) return {};
  const char closing = line.front() == '<' ? '>' : '"';
  line.remove_prefix(1);
  return std::string(line.substr(0, line.find(closing)));
}

/// The first folder below `quern/` in "quern/ops/relu.hpp"; empty for quern.hpp itself.
inline std::string folder_of(const std::string& path) {
  const auto slash = path.find('/');
  const auto next = path.find('/', slash + 1);
  return next == std::string::npos ? "" : path.substr(slash + 1, next - slash - 1);
}

inline bool is_eigen(const std::string& target) {
  return target.starts_with("Eigen/") || target.starts_with("unsupported/Eigen/");
}

inline bool is_cuda(const std::string& target) {
  for (const char* name :
       {"cuda", "cublas", "cudnn", "curand", "cusparse", "cusolver", "cufft", "cub/", "cooperative_groups", "thrust/",
        "nvrtc", "nccl", "vector_types.h", "device_launch_parameters", "mma.h"})
    if (target.starts_with(name)) return true;
  return false;
}

/// What one include of a header of `folder` breaks; empty when it is fine.
inline std::string include_problem(const std::string& folder, const std::string& target) {
  if (is_eigen(target) && folder != "cpu") return "only include/quern/cpu may include Eigen";
  if (is_cuda(target)) return "no CUDA header under include/";
  if (!target.starts_with("quern/")) {
    if (target.ends_with(".hpp") && fs::path(target).parent_path().empty()) return "write the full path <quern/…>";
    return {};
  }
  const std::string other = folder_of(target);
  if (folder.empty() || other == folder) return {};  // quern.hpp includes all levels
  if (other.empty()) return "quern.hpp is for users: include the headers that are needed";
  if (!ranks.contains(other)) return "unknown level " + other;
  if (ranks.at(other) > ranks.at(folder)) return folder + " stands below " + other;
  if (ranks.at(other) == ranks.at(folder)) return folder + " and " + other + " are siblings";
  return {};
}

inline void check_header(const fs::path& root, const fs::path& file, std::vector<std::string>& problems) {
  const std::string name = fs::relative(file, root).generic_string();
  const std::string folder = folder_of(fs::relative(file, root / "include").generic_string());
  auto report = [&](const std::string& what) { problems.push_back(name + ": " + what); };
  if (!folder.empty() && !ranks.contains(folder)) return report("unknown level " + folder);
  const auto lines = lines_of(file);
  if (lines.empty() || !lines.front().starts_with("/// ")) report("does not open with a /// comment");
  if (std::find(lines.begin(), lines.end(), "#pragma once") == lines.end()) report("has no #pragma once");
  for (const std::string& line : lines) {
    const std::string target = include_of(line);
    if (target.empty()) continue;
    const std::string problem = include_problem(folder, target);
    if (!problem.empty()) report("includes " + target + ": " + problem);
  }
}

/// An op or a loss (`folder`) stands under the same name at every level that exists.
inline void check_op(const fs::path& root, const std::string& folder, const std::string& op,
                     std::vector<std::string>& problems) {
  if (no_ops.contains(op)) return;
  std::vector<std::string> row = {"tests/" + folder + "/" + op + ".cpp", "bench/" + folder + "/" + op + ".cpp",
                                  "docs/ops/" + op + ".md"};
  if (!without_body.contains(op)) {
    row.push_back("include/quern/cpu/" + op + ".hpp");
    if (fs::exists(root / "include/quern/cuda")) row.push_back("include/quern/cuda/" + op + ".hpp");
    if (fs::exists(root / "kernels")) row.insert(row.end(), {"kernels/" + op + ".cuh", "kernels/" + op + ".cu"});
  }
  for (const std::string& file : row)
    if (!fs::exists(root / file))
      problems.push_back("include/quern/" + folder + "/" + op + ".hpp: " + file + " is missing");
}

inline bool is_source(const fs::path& file) {
  const std::string ending = file.extension().string();
  return ending == ".hpp" || ending == ".cpp" || ending == ".cuh" || ending == ".cu";
}

/// Everything in the tree under `root` that breaks a rule, as "file: what".
inline std::vector<std::string> broken_rules(const fs::path& root) {
  std::vector<std::string> problems;
  std::vector<fs::path> files;
  for (const char* top : {"include", "kernels", "examples", "tests", "bench"})
    if (fs::exists(root / top))
      for (const auto& entry : fs::recursive_directory_iterator(root / top))
        if (entry.is_regular_file() && is_source(entry.path())) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    const std::string name = fs::relative(file, root).generic_string();
    const std::size_t lines = lines_of(file).size();
    if (lines > longest_file) problems.push_back(name + ": " + std::to_string(lines) + " lines, more than 400");
    if (name.starts_with("include/")) check_header(root, file, problems);
    for (const std::string folder : {"ops", "loss"})
      if (fs::path(name).parent_path() == "include/quern/" + folder)
        check_op(root, folder, file.stem().string(), problems);
  }
  for (const auto& list : {no_ops, without_body})
    for (const auto& [name, reason] : list)
      if (!fs::exists(root / "include/quern/ops" / (name + ".hpp")))
        problems.push_back("an exception is made for include/quern/ops/" + name + ".hpp, which is not there (" +
                           reason + ")");
  return problems;
}

}  // namespace structure
