/// ldmatrix and mma.sync.
#include <cstring>

#include "kernels/emulator/collectives.hpp"
#include "kernels/emulator/elements.hpp"
#include "kernels/emulator/machine.hpp"
#include "kernels/emulator/tensor_core.hpp"

namespace quern::inline QUERN_ABI::emulator {

namespace {

struct MmaPart {
  float* d;
  const std::uint32_t *a, *b;
};

/// Element `i` of the pair in a register of two.
float of_pair(Element element, std::uint32_t pair, int i) { return float_of(element, std::uint16_t(pair >> 16 * i)); }

/// d [16, 8] of all lanes += a [16, K] · b [K, 8].
template <int K>
void multiply(const MmaPart* const* lanes, const float (&a)[16][K], const float (&b)[K][8]) {
  Four d[16][2] = {};
  for (int k = 0; k < K; ++k)
    for (int m = 0; m < 16; ++m)
      for (int half = 0; half < 2; ++half) {
        Four row;
        std::memcpy(&row, &b[k][4 * half], sizeof row);
        d[m][half] += a[m][k] * row;
      }
  for (int lane = 0; lane < 32; ++lane)
    for (int r = 0; r < 4; ++r) {
      const int m = lane / 4 + 8 * (r / 2), n = 2 * (lane % 4) + r % 2;
      lanes[lane]->d[r] += d[m][n / 4][n % 4];
    }
}

template <Element element>
void mma_of_pairs(void* const* parts, unsigned) {
  const auto lanes = reinterpret_cast<const MmaPart* const*>(parts);
  float a[16][16], b[16][8];
  for (int lane = 0; lane < 32; ++lane) {
    const int group = lane / 4, in_group = lane % 4;
    for (int r = 0; r < 4; ++r)
      for (int i = 0; i < 2; ++i)
        a[group + 8 * (r % 2)][2 * in_group + i + 8 * (r / 2)] = of_pair(element, lanes[lane]->a[r], i);
    for (int r = 0; r < 2; ++r)
      for (int i = 0; i < 2; ++i) b[2 * in_group + i + 8 * r][group] = of_pair(element, lanes[lane]->b[r], i);
  }
  multiply(lanes, a, b);
}

void mma_of_tf32(void* const* parts, unsigned) {
  const auto lanes = reinterpret_cast<const MmaPart* const*>(parts);
  float a[16][8], b[8][8];
  for (int lane = 0; lane < 32; ++lane) {
    const int group = lane / 4, in_group = lane % 4;
    for (int r = 0; r < 4; ++r) a[group + 8 * (r % 2)][in_group + 4 * (r / 2)] = tf32_of(lanes[lane]->a[r]);
    for (int r = 0; r < 2; ++r) b[in_group + 4 * r][group] = tf32_of(lanes[lane]->b[r]);
  }
  multiply(lanes, a, b);
}

struct MatrixPart {
  std::uint16_t row[8];
  std::uint32_t* fragment;
  int count;
  bool transpose;
};

void hand_out_matrices(void* const* parts, unsigned) {
  const auto part = [&](int lane) { return static_cast<const MatrixPart*>(parts[lane]); };
  const bool transpose = part(0)->transpose;
  for (int lane = 0; lane < 32; ++lane)
    for (int m = 0; m < part(0)->count; ++m) {
      const int i = lane / 4, j = 2 * (lane % 4);
      const auto element = [&](int row, int column) { return std::uint32_t(part(8 * m + row)->row[column]); };
      part(lane)->fragment[m] =
          transpose ? element(j, i) | element(j + 1, i) << 16 : element(i, j) | element(i, j + 1) << 16;
    }
}

}  // namespace

void ldmatrix(std::uint32_t* fragment, int count, bool transpose, const void* row, Caller at) {
  MatrixPart part{{}, fragment, count, transpose};
  if (int(lane_index()) < 8 * count) {  // the other lanes' addresses are not looked at
    {
      Quiet quiet;
      if (shared_offset(row, 16, "ldmatrix", at) % 16)
        fail("ldmatrix: a row does not begin at a multiple of 16 bytes", at);
    }
    sanitizer::reads(row, 16);
    std::memcpy(part.row, row, 16);
  }
  Quiet quiet;
  meet_warp(transpose ? "ldmatrix.trans" : "ldmatrix", ~0u, &part, true, at, hand_out_matrices);
}

void mma(Element element, float* d, const std::uint32_t* a, const std::uint32_t* b, Caller at) {
  Quiet quiet;
  MmaPart part{d, a, b};
  const auto multiply = element == Element::bf16   ? mma_of_pairs<Element::bf16>
                        : element == Element::fp16 ? mma_of_pairs<Element::fp16>
                                                   : mma_of_tf32;
  meet_warp("mma.sync", ~0u, &part, true, at, multiply);
}

}  // namespace quern::inline QUERN_ABI::emulator
