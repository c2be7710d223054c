/// The second translation unit.
#include <quern/quern.hpp>

int threads_seen_by_the_other();
int threads_seen_by_the_other() { return quern::threads(); }
