/// The mask of dropout, many elements at once: the very numbers that `Random::bits` gives one by one.
///
///   float keep[512 + keep_slack];
///   const float* k = draw_keep<V>(random, op, begin, 512, 0.1, keep);       // k[i]: 1 where element begin + i stays
///
/// A block of Philox is four elements. Each 64-bit lane of a vector computes one block, so that the product of two
/// 32-bit numbers, which is 64 bits, stays in its lane.
#pragma once
#include <quern/cpu/vec.hpp>
#include <quern/tensor/random.hpp>

namespace quern::inline QUERN_ABI::cpu {

/// Where the mask of dropout with probability p comes from: element i stays where its 32 bits are at least `threshold`.
struct KeepStream {
  Random random;
  std::uint32_t op, threshold;
  std::uint64_t key0[10], key1[10];  // of each round

  KeepStream(const Random& r, std::uint32_t number, double p)
      : random(r), op(number), threshold(std::uint32_t(p * 0x1p32)) {
    auto first = std::uint32_t(r.seed()), second = std::uint32_t(r.seed() >> 32);
    for (int round = 0; round < 10; ++round, first += 0x9E3779B9, second += 0xBB67AE85)
      key0[round] = first, key1[round] = second;
  }
};

/// How many elements beyond those asked for `draw_keep` may write.
inline constexpr std::int64_t keep_slack = 36;

namespace detail {
/// Writes the mask of the blocks from `index` on; gives how many elements that is.
template <class V, class A>
QUERN_INLINE int draw_blocks(const V&, const KeepStream& s, std::uint32_t index, A* keep) {
  const auto bits = s.random.block(s.op, index);
  for (std::size_t j = 0; j < 4; ++j) keep[j] = bits[j] >= s.threshold ? A(1) : A(0);
  return 4;
}

#ifdef QUERN_X86
QUERN_AVX2 inline int draw_blocks(const FloatX8&, const KeepStream& s, std::uint32_t index, float* keep) {
  const __m256i m0 = _mm256_set1_epi64x(0xD2511F53), m1 = _mm256_set1_epi64x(0xCD9E8D57);
  __m256i c0 = _mm256_add_epi64(_mm256_set1_epi64x(index), _mm256_setr_epi64x(0, 2, 1, 3));
  __m256i c1 = _mm256_set1_epi64x(s.op), c2 = _mm256_set1_epi64x(s.random.step());
  __m256i c3 = _mm256_set1_epi64x(std::int64_t(s.random.purpose()));
  for (int round = 0; round < 10; ++round) {  // only the lower halves of c0 … c3 mean something
    const __m256i p0 = _mm256_mul_epu32(m0, c0), p1 = _mm256_mul_epu32(m1, c2);
    c0 = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p1, 32), c1),
                          _mm256_set1_epi64x(std::int64_t(s.key0[round])));
    c2 = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p0, 32), c3),
                          _mm256_set1_epi64x(std::int64_t(s.key1[round])));
    c1 = p1, c3 = p0;
  }
  const __m256i first = _mm256_blend_epi32(c0, _mm256_slli_epi64(c1, 32), 0xaa);   // numbers 0 and 1 of each block
  const __m256i second = _mm256_blend_epi32(c2, _mm256_slli_epi64(c3, 32), 0xaa);  // and 2 and 3
  const __m256i threshold = _mm256_set1_epi32(std::int32_t(s.threshold));
  const __m256 one = _mm256_set1_ps(1);
  const __m256i lower = _mm256_unpacklo_epi64(first, second), upper = _mm256_unpackhi_epi64(first, second);
  const auto stays = [&](__m256i x) __attribute__((target("avx2,fma"))) {
    return _mm256_and_ps(one, _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_max_epu32(x, threshold), x)));
  };
  _mm256_storeu_ps(keep, stays(lower));
  _mm256_storeu_ps(keep + 8, stays(upper));
  return 16;
}

/// a ^ b ^ key in each lane.
QUERN_AVX512 inline __m512i exclusive_or(__m512i a, __m512i b, std::uint64_t key) {
  return _mm512_ternarylogic_epi64(a, b, _mm512_set1_epi64(std::int64_t(key)), 0x96);
}

QUERN_AVX512 inline int draw_blocks(const FloatX16&, const KeepStream& s, std::uint32_t index, float* keep) {
  const __m512i m0 = _mm512_set1_epi64(0xD2511F53), m1 = _mm512_set1_epi64(0xCD9E8D57);
  __m512i c0 = _mm512_add_epi64(_mm512_set1_epi64(index), _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7));
  __m512i c1 = _mm512_set1_epi64(s.op), c2 = _mm512_set1_epi64(s.random.step());
  __m512i c3 = _mm512_set1_epi64(std::int64_t(s.random.purpose()));
  for (int round = 0; round < 10; ++round) {  // only the lower halves of c0 … c3 mean something
    const __m512i p0 = _mm512_maskz_mul_epu32(0xff, m0, c0), p1 = _mm512_maskz_mul_epu32(0xff, m1, c2);
    const __m512i high0 = _mm512_maskz_srli_epi64(0xff, p0, 32), high1 = _mm512_maskz_srli_epi64(0xff, p1, 32);
    c0 = exclusive_or(high1, c1, s.key0[round]);
    c2 = exclusive_or(high0, c3, s.key1[round]);
    c1 = p1, c3 = p0;
  }
  const __m512i first = _mm512_mask_blend_epi32(0xaaaa, c0, _mm512_maskz_slli_epi64(0xff, c1, 32));
  const __m512i second = _mm512_mask_blend_epi32(0xaaaa, c2, _mm512_maskz_slli_epi64(0xff, c3, 32));
  const __m512i lower = _mm512_maskz_unpacklo_epi64(0xff, first, second);
  const __m512i upper = _mm512_maskz_unpackhi_epi64(0xff, first, second);
  const __m512i threshold = _mm512_set1_epi32(std::int32_t(s.threshold));
  const __m512 one = _mm512_set1_ps(1);
  _mm512_storeu_ps(keep, _mm512_maskz_mov_ps(_mm512_cmpge_epu32_mask(lower, threshold), one));
  _mm512_storeu_ps(keep + 16, _mm512_maskz_mov_ps(_mm512_cmpge_epu32_mask(upper, threshold), one));
  return 32;
}
#endif
}  // namespace detail

/// Draws the mask of elements begin … begin+n-1 (below 2^34) into `keep`, which holds n + keep_slack. Gives where the
/// mask of `begin` stands in it.
template <class V, class A>
QUERN_INLINE const A* draw_keep(const KeepStream& stream, std::int64_t begin, std::int64_t n, A* keep) {
  const std::int64_t first = begin / 4 * 4;
  for (std::int64_t i = first; i < begin + n;)
    i += detail::draw_blocks(V(0), stream, std::uint32_t(i / 4), keep + (i - first));
  return keep + (begin - first);
}

/// x · scale where `keep` is 1, else 0: what stands in a dropped place is gone, NaN too.
template <class V>
QUERN_INLINE V drop(const V& x, const V& keep, const V& scale) {
  return V::where_greater(keep, V(0), x * scale, V(0));
}

}  // namespace quern::inline QUERN_ABI::cpu
