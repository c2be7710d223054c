/// A folder with one file of texts for each class, as MR of Pang & Lee (2005): which files, which classes.
///
///   std::vector<std::string> notes;
///   ClassFolder mr = class_folder("mr", notes);
///   mr.names[0];  mr.class_of(0);                          // "rt-polarity.neg", "neg"
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <quern/base/error.hpp>
#include <quern/base/file.hpp>
#include <quern/data/names.hpp>

namespace quern::inline QUERN_ABI {

/// All files end in .txt, then the class is the stem; or they are one stem with several endings, then it is the ending.
struct ClassFolder {
  std::vector<std::string> names;  // of the files, sorted
  bool by_stem = true;

  std::string_view class_of(std::size_t i) const { return by_stem ? detail::stem(names[i]) : detail::ending(names[i]); }
};

namespace detail {
[[noreturn]] inline void throw_no_class_folder(const std::string& folder, const std::string& why) {
  throw_error(text_of(folder, ": not a folder with one file for each class: ", why));
}
}  // namespace detail

/// Looks through a folder; files passed over are told in `notes`. Error for one that is not of this kind.
[[gnu::cold]] inline ClassFolder class_folder(const std::string& folder, std::vector<std::string>& notes) {
  const auto no = [&](const std::string& why) { detail::throw_no_class_folder(folder, why); };
  ClassFolder found;
  bool by_ending = true;
  for (const std::string& name : list_folder(folder)) {
    const std::string path = text_of(folder, "/", name), plain = detail::lowered(name);
    if (name[0] == '.') continue;
    if (plain.starts_with("readme") || plain.starts_with("license")) {
      notes.push_back(text_of(path, ": passed over"));
      continue;
    }
    if (is_folder(path)) no(text_of("it holds the folder '", name, "'"));
    struct stat info;  // reading a pipe would wait for its writer
    if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode))
      no(text_of("'", name, "' in it is no file but a pipe, socket or device"));
    for (const char* other : {"csv", "tsv", "json", "jsonl", "xz", "gz", "zip", "zst", "bz2"})
      if (detail::extension(name) == other) no(text_of("it holds ", name, "; give the path of one file"));
    found.names.push_back(std::string(name));
    found.by_stem &= detail::ending(name) == "txt";
    by_ending &= detail::stem(name) == detail::stem(found.names[0]);
  }
  if (found.names.empty()) no("it holds no files");
  if (!found.by_stem && (!by_ending || found.names.size() == 1))
    no(text_of("expected positive.txt, negative.txt, … or reviews.pos, reviews.neg, …; it holds ",
               detail::list_of(found.names)));
  for (std::size_t i = 0; i < found.names.size(); ++i)
    if (found.class_of(i).empty()) no(text_of("the name of ", found.names[i], " names no class"));
  return found;
}

}  // namespace quern::inline QUERN_ABI
