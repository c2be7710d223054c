/// A folder with one file of texts for each class, as MR of Pang & Lee (2005): which files, which classes.
///
///   std::vector<std::string> notes;
///   for (const ClassFile& file : class_files("mr", notes)) …   // {"mr/rt-polarity.neg", "neg"}, …
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <quern/base/error.hpp>
#include <quern/base/file.hpp>

namespace quern::inline QUERN_ABI {
namespace detail {

inline std::string lowered(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? char(c + 32) : c;
  return out;
}

inline std::string_view trimmed(std::string_view s) {
  const auto space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!s.empty() && space(s.front())) s.remove_prefix(1);
  while (!s.empty() && space(s.back())) s.remove_suffix(1);
  return s;
}

inline std::string_view file_name(std::string_view path) { return path.substr(path.find_last_of('/') + 1); }

/// "csv" of "a/b.CSV"; "" without a dot.
inline std::string extension(std::string_view path) {
  const std::string_view name = file_name(path);
  const auto dot = name.find_last_of('.');
  return dot == std::string_view::npos || dot == 0 ? "" : lowered(name.substr(dot + 1));
}
inline std::string_view stem(std::string_view path) {
  const std::string_view name = file_name(path);
  return name.substr(0, name.find_last_of('.'));
}

inline std::string list_of(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) out += (out.empty() ? "'" : ", '") + name + "'";
  return out;
}

}  // namespace detail

struct ClassFile {
  std::string path, name;  // name: the class
};

/// The files of a class folder: all .txt, then the class is the stem; or one stem with several endings, then it is the
/// ending.
inline std::vector<ClassFile> class_files(const std::string& folder, std::vector<std::string>& notes) {
  const auto no = [&](const auto&... why) {
    throw_error(text_of(folder, ": not a folder with one file for each class: ", why...));
  };
  std::vector<std::string> names, stems, endings;
  for (const std::string& name : list_folder(folder)) {
    const std::string path = folder + "/" + name, plain = detail::lowered(name);
    if (name[0] == '.') continue;
    if (plain.starts_with("readme") || plain.starts_with("license")) {
      notes.push_back(text_of(path, ": passed over"));
      continue;
    }
    if (is_folder(path)) no("it holds the folder '", name, "'");
    const std::string ending = detail::extension(name);
    for (const char* other : {"csv", "tsv", "json", "jsonl", "xz", "gz", "zip", "zst", "bz2"})
      if (ending == other) no("it holds ", name, "; give the path of one file");
    names.push_back(name);
    stems.emplace_back(detail::stem(name));
    endings.push_back(std::string(name.substr(std::min(detail::stem(name).size() + 1, name.size()))));
  }
  if (names.empty()) no("it holds no files");
  const auto all_are = [](const std::vector<std::string>& list, const std::string& value) {
    return std::all_of(list.begin(), list.end(), [&](auto& s) { return s == value; });
  };
  const bool by_stem = all_are(endings, "txt"), by_ending = names.size() > 1 && all_are(stems, stems[0]);
  if (!by_stem && !by_ending)
    no("expected positive.txt, negative.txt, … or reviews.pos, reviews.neg, …; it holds ", detail::list_of(names));
  std::vector<ClassFile> files;
  for (std::size_t i = 0; i < names.size(); ++i) {
    files.push_back({folder + "/" + names[i], by_stem ? stems[i] : endings[i]});
    if (files.back().name.empty()) no("the name of ", names[i], " names no class");
  }
  return files;
}

}  // namespace quern::inline QUERN_ABI
