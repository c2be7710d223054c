/// quern devices: what this program can compute on.
#include <thread>

#include <quern/base/cpu_features.hpp>
#include <quern/cuda/runtime.hpp>
#include <quern/io/json.hpp>

#include "commands.hpp"

using namespace quern;

int run_devices(bool json) {
  const auto choice = choose_device("auto");
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  const std::string set = name_of(instruction_set());
  const auto cores = std::int64_t(std::thread::hardware_concurrency());
  all.push_back({{"device", "cpu"}, {"cores", cores}, {"instruction_set", set}});
  std::string lines = text_of("cpu     ", cores, " cores, ", set, "\n");
  if constexpr (has_cuda) {
    for (const auto& d : cuda::devices()) {
      lines += d.text() + "\n";
      all.push_back({{"device", text_of(Device::cuda(d.index))},
                     {"name", d.name},
                     {"compute_capability", text_of(d.major, ".", d.minor)},
                     {"multiprocessors", d.multiprocessors},
                     {"memory", d.memory}});
    }
  }
  lines += text_of("--device auto takes ", choice.device, ": ", choice.why, "\n");
  if (json) {
    print(nlohmann::ordered_json{{"devices", all}, {"auto", text_of(choice.device)}, {"why", choice.why}}.dump() +
          "\n");
  } else {
    print(lines);
  }
  return 0;
}

Device use_device_named(const std::string& name, bool quiet) {
  const auto [device, why] = choose_device(name);
  if constexpr (has_cuda) {
    if (device.is_cuda()) {
      cuda::use_device(device.index);
      say(text_of("device: ", cuda::devices()[std::size_t(device.index)].text(), " (", why, ")"));
      return device;
    }
  }
  if (!quiet) say(text_of("device: ", device, " (", why, ")"));
  return device;
}
