/// The models behind device/pipeline.cuh: asynchronous copies and the barriers they signal.
#pragma once
#include <cstddef>
#include <cstdint>

#include <quern/base/error.hpp>

namespace quern::inline QUERN_ABI::emulator {

/// A matrix in global memory and the box of it that one TMA copy moves. Stands for CUtensorMap.
struct TensorMap {
  char* base = nullptr;
  std::uint64_t rows = 0, columns = 0;
  std::uint32_t box_rows = 0, box_columns = 0, element_bytes = 0;
  bool swizzle = false;
};

/// Eight bytes of shared memory.
struct alignas(8) MBarrier {
  std::uint64_t word;
};

void cp_async(void* to, const void* from, unsigned bytes, unsigned given, Caller at);
void cp_async_commit();
void cp_async_wait(unsigned groups_left, bool uncommitted_too);

void mbarrier_init(MBarrier& barrier, unsigned count, Caller at);
void mbarrier_invalidate(MBarrier& barrier, Caller at);
void mbarrier_arrive(MBarrier& barrier, unsigned expected_bytes, Caller at);
bool mbarrier_try_wait(MBarrier& barrier, unsigned parity, Caller at);
void mbarrier_wait(MBarrier& barrier, unsigned parity, Caller at);
void fence_mbarrier_init();

void tma_load(void* to, const TensorMap& map, MBarrier& barrier, int column, int row, Caller at);
void tma_store(const TensorMap& map, const void* from, int column, int row, Caller at);
void tma_store_commit();
void tma_store_wait(unsigned groups_left, bool reads_only);
void fence_proxy_async();

}  // namespace quern::inline QUERN_ABI::emulator
