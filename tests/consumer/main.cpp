/// A program of two translation units that both include all of Quern.
#include <cstdio>

#include <quern/quern.hpp>

int threads_seen_by_the_other();

int main() {
  quern::set_threads(3);
  if (threads_seen_by_the_other() != 3) return std::puts("the two units do not share one state"), 1;
  std::printf("consumer of Quern %s: fine\n", QUERN_VERSION);
}
