/// Which vector instructions the CPU kernels use: the best this machine has, unless the environment asks for less.
///
///   if (instruction_set() == InstructionSet::avx512) …
///   QUERN_CPU=avx2 ./program        # or portable, or avx512; read once, at the first use
///
/// Sums are split differently for each set, so a result may differ in its last bits between sets, never within one.
#pragma once
#include <cstdlib>
#include <string_view>

#include <quern/base/error.hpp>

namespace quern::inline QUERN_ABI {

/// Ordered: each set includes those before it. `portable` is what every target has: vectors of 16 bytes.
enum class InstructionSet { portable, avx2, avx512 };

inline const char* name_of(InstructionSet set) {
  constexpr const char* names[] = {"portable", "avx2", "avx512"};
  return names[int(set)];
}

inline void append_text(std::string& out, InstructionSet set) { out += name_of(set); }

/// The best set of this machine.
inline InstructionSet best_instruction_set() {
#if defined(__x86_64__) && defined(__GNUC__) && !defined(QUERN_PORTABLE)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return InstructionSet::portable;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return InstructionSet::avx512;
  return InstructionSet::avx2;
#else
  return InstructionSet::portable;
#endif
}

/// The set that the text `asked` (the value of QUERN_CPU, or null) selects on a machine whose best is `best`.
/// Throws Error for a name it does not know and for a set the machine lacks.
[[gnu::cold]] inline InstructionSet choose_instruction_set(const char* asked, InstructionSet best) {
  if (!asked || !*asked) return best;
  for (auto set : {InstructionSet::portable, InstructionSet::avx2, InstructionSet::avx512})
    if (std::string_view(asked) == name_of(set)) {
      check(set <= best, "QUERN_CPU=", asked, ": this machine has no ", asked, ", its best is ", best,
            "; unset QUERN_CPU or lower it");
      return set;
    }
  throw_error(text_of("QUERN_CPU=", asked, ": expected portable, avx2 or avx512"));
}

/// The set in use.
[[gnu::noinline]] inline InstructionSet instruction_set() {
  static const InstructionSet set = choose_instruction_set(std::getenv("QUERN_CPU"), best_instruction_set());
  return set;
}

}  // namespace quern::inline QUERN_ABI
