/// What a failed launch says: the fault, where, and what every thread of the block is doing.
#include <map>

#include "kernels/emulator/machine.hpp"

namespace quern::inline QUERN_ABI::emulator {

namespace {

/// "0-31, 40": which threads, by their number in the block.
std::string ranges(const std::vector<unsigned>& threads) {
  std::string text;
  for (std::size_t i = 0, end; i < threads.size(); i = end) {
    for (end = i + 1; end < threads.size() && threads[end] == threads[end - 1] + 1; ++end) {}
    text += text_of(text.empty() ? "" : ", ", threads[i]);
    if (end > i + 1) text += text_of("-", threads[end - 1]);
  }
  return text;
}

std::string line_of(Caller at) { return at.line ? text_of(" (", at.file, ":", at.line, ")") : std::string(); }

std::string doing(unsigned i) {
  if (machine.returned.has(i)) return "returned";
  if (machine.ready.has(i)) return machine.begun.has(i) ? "can go on" : "not begun";
  const Thread& thread = machine.thread[i];
  return text_of("waits at ", thread.waits_for, line_of(thread.at));
}

}  // namespace

std::string report(const std::string& what, Caller at) {
  if (!machine.launch) return what;
  const auto place = [](const uint3& p) { return text_of("(", p.x, ", ", p.y, ", ", p.z, ")"); };
  std::string text = text_of(machine.launch->text, ": ", what, line_of(at), "\n  in block ", place(blockIdx));
  if (machine.running != &machine.host) text += text_of(", thread ", place(machine.coordinates[machine.current]));
  std::map<std::string, std::vector<unsigned>> threads;
  for (unsigned i = 0; i < machine.threads; ++i)
    threads[i == machine.current && machine.ready.has(i) && machine.running != &machine.host ? "runs" : doing(i)]
        .push_back(i);
  for (const auto& [doing, which] : threads)
    text += text_of("\n  ", which.size(), " threads: ", doing, ": ", ranges(which));
  return text + asynchronous_report();
}

}  // namespace quern::inline QUERN_ABI::emulator
