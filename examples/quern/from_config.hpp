/// Settings of a subcommand as a configuration file has them, both ways.
#pragma once
#include <filesystem>
#include <initializer_list>
#include <set>
#include <string>
#include <type_traits>

#include <quern/io/json.hpp>

/// Takes what the file says for every setting that is not in `given`; gives the names of those. Error: a name that is
/// no setting of `quern COMMAND`.
template <class Settings>
std::set<std::string> apply_config(Settings& settings, const nlohmann::json& config, const std::string& path,
                                   const std::set<std::string>& given, const char* command) {
  std::set<std::string> known, taken;
  Settings::visit(
      [&](const char* name, auto& value, const auto&...) {
        known.insert(name);
        if (!config.contains(name) || given.contains(name)) return;
        taken.insert(name);
        value = quern::json_value<std::remove_reference_t<decltype(value)>>(config, name, path);
      },
      settings);
  for (const auto& [name, value] : config.items())
    quern::check(known.contains(name), path, ": '", name, "' is no setting of quern ", command);
  return taken;
}

/// Makes the paths under these names absolute, so that a run is gone on with from any folder.
inline void make_absolute(nlohmann::ordered_json& config, std::initializer_list<const char*> names) {
  const auto absolute = [](nlohmann::ordered_json& path) {
    if (path != "") path = std::filesystem::absolute(path.get<std::string>()).lexically_normal().string();
  };
  for (const char* name : names) {
    if (!config.contains(name)) continue;
    if (!config[name].is_array()) absolute(config[name]);
    if (config[name].is_array())
      for (auto& path : config[name]) absolute(path);
  }
}
