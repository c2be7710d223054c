/// wgmma: products of a warpgroup that run beside it. Results are computed at once and kept back; the registers hold
/// NaN until the product's group is waited for, and then it is made sure that shared memory still holds what was read.
#include <cstring>

#include "kernels/emulator/elements.hpp"
#include "kernels/emulator/machine.hpp"

namespace quern::inline QUERN_ABI::emulator {

namespace {

constexpr int m_rows = 64, most_columns = 256;  // and 16 along k: 32 bytes

/// A K-major tile with the 128-byte swizzle, as the descriptor of shared memory tells it: rows of 128 bytes, 8 of them
/// 1024 bytes before the next 8.
struct Tile {
  std::uint32_t start, stride;
  explicit Tile(std::uint64_t descriptor)
      : start(std::uint32_t(descriptor & 0x3fff) * 16), stride(std::uint32_t(descriptor >> 32 & 0x3fff) * 16) {}
  /// Where the half-th 16 bytes of a row begin: the swizzle moves pieces of 16 bytes.
  std::uint32_t offset(int row, int half) const {
    return swizzled(start + std::uint32_t(row / 8) * stride + std::uint32_t(row % 8) * 128 + std::uint32_t(half) * 16);
  }
};

struct Part {
  Element element;
  float* values;
  int n;
  std::uint64_t a, b;
  Caller at;
};

void check_descriptor(std::uint64_t descriptor, int rows, const char* operand, Caller at) {
  const Tile tile(descriptor);
  if (descriptor >> 62 != 1)
    fail(text_of("wgmma: operand ", operand, " has not the 128-byte swizzle, the only one modelled"), at);
  const std::uint32_t begin = tile.start / 1024 * 1024;  // a step along k goes on within the rows of 128 bytes
  if (begin + std::uint32_t(rows / 8 - 1) * tile.stride + 1024 > machine.launch->shared)
    fail(text_of("wgmma: operand ", operand, " is not within the block's shared memory"), at);
}

const char* row_of(const Tile& tile, int row, int half) { return machine.shared + tile.offset(row, half); }

/// FNV over what both operands hold now.
std::uint64_t hash_of(std::uint64_t a, std::uint64_t b, int n) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  const auto add = [&](const Tile& tile, int rows) {
    for (int r = 0; r < rows; ++r)
      for (int half = 0; half < 2; ++half) {
        std::uint64_t words[2];
        std::memcpy(words, row_of(tile, r, half), 16);
        for (const std::uint64_t word : words) hash = (hash ^ word) * 0x100000001b3u, hash ^= hash >> 29;
      }
  };
  add(Tile(a), m_rows);
  add(Tile(b), n);
  return hash;
}

void read_row(Element element, const Tile& tile, int row, float (&values)[16]) {
  for (int half = 0; half < 2; ++half) {
    std::uint16_t bits[8];
    std::memcpy(bits, row_of(tile, row, half), 16);
    for (int i = 0; i < 8; ++i) values[8 * half + i] = float_of(element, bits[i]);
  }
}

void multiply(void* const* parts) {
  const auto part = [&](int thread) { return static_cast<const Part*>(parts[thread]); };
  const Part& first = *part(0);
  for (int t = 1; t < 128; ++t)
    if (part(t)->a != first.a || part(t)->b != first.b || part(t)->n != first.n)
      fail("wgmma: the descriptors differ within the warpgroup", first.at);
  static float a[m_rows][16], b[16][most_columns], d[m_rows][most_columns];  // one launch at a time
  const Tile tile_a(first.a), tile_b(first.b);
  for (int r = 0; r < m_rows; ++r)
    for (int half = 0; half < 2; ++half) check_known(row_of(tile_a, r, half), 16, "wgmma", first.at);
  for (int r = 0; r < first.n; ++r)
    for (int half = 0; half < 2; ++half) check_known(row_of(tile_b, r, half), 16, "wgmma", first.at);
  for (int r = 0; r < m_rows; ++r) read_row(first.element, tile_a, r, a[r]);
  for (int n = 0; n < first.n; ++n) {
    float column[16];
    read_row(first.element, tile_b, n, column);
    for (int k = 0; k < 16; ++k) b[k][n] = column[k];
  }
  for (int m = 0; m < m_rows; ++m)
    for (int n = 0; n < first.n; n += 16) {
      Four sum[4] = {};
      for (int k = 0; k < 16; ++k)
        for (int i = 0; i < 4; ++i) {
          Four row;
          std::memcpy(&row, &b[k][n + 4 * i], sizeof row);
          sum[i] += a[m][k] * row;
        }
      std::memcpy(&d[m][n], sum, sizeof sum);
    }
  for (int t = 0; t < 128; ++t)
    for (int i = 0; i < first.n / 2; ++i)
      part(t)->values[i] += d[16 * (t / 32) + t % 32 / 4 + 8 * (i / 2 % 2)][8 * (i / 4) + 2 * (t % 4) + i % 2];
}

unsigned thread_in_warpgroup() {
  Quiet quiet;
  return machine.current % 128;
}

bool same(const Product& p, const float* registers) {
  return p.registers == registers && std::memcmp(p.values.data(), registers, p.count * sizeof(float)) == 0;
}

}  // namespace

std::uint64_t wgmma_descriptor(const void* tile, Caller at) {
  Quiet quiet;
  return shared_offset(tile, 1, "wgmma descriptor", at);
}

void wgmma(Element element, float* d, int n, std::uint64_t a, std::uint64_t b, bool accumulate, Caller at) {
  const int thread = int(thread_in_warpgroup());
  {
    Quiet quiet;
    check_descriptor(a, m_rows, "a", at);
    check_descriptor(b, n, "b", at);
  }
  // Each thread tells its share of the reads, so that a race has a kernel's line.
  for (int half = 0; half < 2; ++half) {
    if (thread < m_rows) sanitizer::reads(row_of(Tile(a), thread, half), 16);
    for (int r = thread; r < n; r += 128) sanitizer::reads(row_of(Tile(b), r, half), 16);
  }
  Quiet quiet;
  ThreadCopies& mine = machine.me().copies;
  Product* product = nullptr;
  for (Product& p : mine.products)
    if (p.registers == d) product = &p;
  if (!product) {
    if (!mine.products_fenced) {
      bool settled = false;
      for (const Product& p : mine.settled) settled = settled || same(p, d);
      if (!settled) fail("wgmma: no wgmma.fence between the registers' last use and this product", at);
    }
    product = &mine.products.emplace_back();
    product->registers = d, product->count = unsigned(n / 2);
    std::memcpy(product->values.data(), d, sizeof(float) * product->count);
  }
  if (!accumulate) product->values.fill(0);
  product->group = mine.product_groups;
  std::memset(static_cast<void*>(d), 0xff, sizeof(float) * product->count);  // off limits until they are waited for
  Part part{element, product->values.data(), n, a, b, at};
  meet_warpgroup("wgmma", &part, at, multiply);
  if (thread == 0)
    machine.async.operands[machine.current / 128].push_back({a, b, hash_of(a, b, n), unsigned(n), product->group});
}

void wgmma_fence() {
  Quiet quiet;
  machine.me().copies.products_fenced = true;
}

void wgmma_commit() {
  Quiet quiet;
  ++machine.me().copies.product_groups;
}

void wgmma_wait(unsigned groups_left, Caller at) {
  Quiet quiet;
  ThreadCopies& mine = machine.me().copies;
  const auto over = [&](unsigned group) { return group + groups_left < mine.product_groups; };
  auto& operands = machine.async.operands[machine.current / 128];
  for (const Operands& o : operands)
    if (over(o.group) && hash_of(o.a, o.b, int(o.n)) != o.hash)
      fail("wgmma: shared memory was written to before the product that reads it was waited for", at);
  std::erase_if(operands, [&](const Operands& o) { return over(o.group); });
  mine.settled.clear();
  for (const Product& p : mine.products)
    if (over(p.group)) {
      std::memcpy(p.registers, p.values.data(), sizeof(float) * p.count);
      mine.settled.push_back(p);
    }
  std::erase_if(mine.products, [&](const Product& p) { return over(p.group); });
  mine.products_fenced = !mine.products.empty() && mine.products_fenced;
}

}  // namespace quern::inline QUERN_ABI::emulator
