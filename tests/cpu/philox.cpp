// The mask drawn many elements at once against the random numbers one by one, on every instruction set.
#include <quern/cpu/philox.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace quern;

TEST_CASE_TEMPLATE("draw_keep draws the numbers of Random::bits, from any element on", T, float, double) {
  const Random random(0x123456789abcdef, Purpose::dropout, 0xfedcba98);
  for (double p : {0.0, 0.1, 0.5, 0.999}) {
    const cpu::KeepStream stream(random, 0x87654321, p);
    for (auto set : {InstructionSet::portable, InstructionSet::avx2, InstructionSet::avx512}) {
      if (set > best_instruction_set()) continue;
      for (std::int64_t begin : {std::int64_t{0}, std::int64_t{3}, std::int64_t{1001}, (std::int64_t{1} << 34) - 130})
        for (std::int64_t n : {1, 4, 33, 130}) {
          std::vector<T> keep(std::size_t(n + cpu::keep_slack), T(7));
          const T* k = nullptr;
          if constexpr (std::is_same_v<T, float>)
            cpu::simd(set, [&]<class V>(V) { k = cpu::draw_keep<V>(stream, begin, n, keep.data()); });
          else
            k = cpu::draw_keep<cpu::Scalar<double>>(stream, begin, n, keep.data());
          std::int64_t wrong = 0;
          for (std::int64_t i = 0; i < n; ++i) {
            const double fraction = random.bits(0x87654321, std::uint64_t(begin + i)) * 0x1p-32;
            wrong += k[i] != (fraction >= p ? T(1) : T(0));
          }
          CHECK_MESSAGE(wrong == 0, text_of(set, ": ", wrong, " of ", n, " from ", begin, " with p ", p));
        }
    }
  }
}
