/// What goes on while threads run: asynchronous copies and products that are waited for later.
#pragma once
#include <string>

#include <quern/base/config.hpp>

namespace quern::inline QUERN_ABI::emulator {

struct ThreadCopies {};

struct Asynchronous {
  bool pending() const { return false; }
};

void begin_asynchronous();
void end_asynchronous();
void abandon_asynchronous();
void complete_one_copy();
void end_thread_copies();
std::string asynchronous_report();

}  // namespace quern::inline QUERN_ABI::emulator
