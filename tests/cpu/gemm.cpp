// The matrix product against a naive one in double: layouts, sizes around every border, instruction sets, threads; and
// the vectors it is written with.
#include <doctest/doctest.h>
#include <sys/mman.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <quern/cpu/eigen.hpp>
#include <quern/cpu/gemm.hpp>
#include <quern/cpu/vec_math.hpp>

using namespace quern;
using quern::cpu::Matrix;
using quern::cpu::detail::Product;

namespace {

/// n elements that end where the next page may not be touched: reading past the end crashes.
template <class T>
class Guarded {
 public:
  explicit Guarded(std::int64_t n) : bytes_((n * sizeof(T) + 4095) / 4096 * 4096 + 4096) {
    memory_ = static_cast<char*>(mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    REQUIRE(memory_ != MAP_FAILED);
    REQUIRE(mprotect(memory_ + bytes_ - 4096, 4096, PROT_NONE) == 0);
    data = reinterpret_cast<T*>(memory_ + bytes_ - 4096) - n;
  }
  ~Guarded() { munmap(memory_, bytes_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  T* data;

 private:
  std::size_t bytes_;
  char* memory_;
};

struct Case {
  std::int64_t M, N, K;
  bool transpose_a = false, transpose_b = false, bias = false, relu = false, accumulate = false;
};

/// Operands with fixed pseudo-random contents in [-1, 1).
template <class T>
struct Operands {
  Case c;
  Guarded<T> a, b, bias, start;
  Operands(const Case& c) : c(c), a(c.M * c.K), b(c.K * c.N), bias(c.N), start(c.M * c.N) {
    std::uint32_t random = 7;
    auto fill = [&](T* p, std::int64_t n) {
      for (std::int64_t i = 0; i < n; ++i)
        p[i] = T(int((random = random * 1664525u + 1013904223u) >> 8) - (1 << 23)) / (1 << 23);
    };
    fill(a.data, c.M * c.K), fill(b.data, c.K * c.N), fill(bias.data, c.N), fill(start.data, c.M * c.N);
  }
  Matrix<const T> A() const {
    return c.transpose_a ? Matrix<const T>{a.data, 1, c.M} : Matrix<const T>{a.data, c.K, 1};
  }
  Matrix<const T> B() const {
    return c.transpose_b ? Matrix<const T>{b.data, 1, c.K} : Matrix<const T>{b.data, c.N, 1};
  }
  Product<T> product(T* out, std::int64_t ldc) const {
    return {c.M,
            c.N,
            c.K,
            A(),
            B(),
            out,
            ldc,
            c.bias ? bias.data : nullptr,
            c.relu ? Activation::relu : Activation::none,
            c.accumulate};
  }
};

/// C with rows 3 further apart than needed; the gaps must keep their mark.
template <class T>
std::vector<T> run(InstructionSet set, const Operands<T>& o) {
  const Case& c = o.c;
  constexpr T mark = 77;
  const std::int64_t ldc = c.N + 3;
  std::vector<T> wide(c.M * ldc, mark), out;
  for (std::int64_t i = 0; i < c.M; ++i)
    for (std::int64_t j = 0; j < c.N; ++j)
      wide[i * ldc + j] = c.accumulate ? o.start.data[i * c.N + j] : std::numeric_limits<T>::quiet_NaN();
  cpu::detail::gemm_with<T>(set, o.product(wide.data(), ldc));
  bool gaps_kept = true;
  for (std::int64_t i = 0; i < c.M; ++i) {
    out.insert(out.end(), wide.begin() + i * ldc, wide.begin() + i * ldc + c.N);
    for (std::int64_t j = c.N; j < ldc; ++j) gaps_kept = gaps_kept && wide[i * ldc + j] == mark;
  }
  CHECK(gaps_kept);
  return out;
}

/// The largest error in units of (4 + sqrt K) eps times the sum of all absolute terms.
template <class T>
double worst_error(const Operands<T>& o, const std::vector<T>& out) {
  const Case& c = o.c;
  const Matrix<const T> A = o.A(), B = o.B();
  const double eps = std::numeric_limits<T>::epsilon() * (4 + std::sqrt(double(c.K)));
  double worst = 0;
  for (std::int64_t i = 0; i < c.M; i += 1 + c.M / 60)
    for (std::int64_t j = 0; j < c.N; ++j) {
      double sum = c.accumulate ? o.start.data[i * c.N + j] : 0, size = std::abs(sum);
      for (std::int64_t k = 0; k < c.K; ++k) {
        const double t =
            double(A.data[i * A.row_stride + k * A.col_stride]) * B.data[k * B.row_stride + j * B.col_stride];
        sum += t, size += std::abs(t);
      }
      if (c.bias) sum += o.bias.data[j], size += std::abs(o.bias.data[j]);
      if (c.relu && sum < 0) sum = 0;
      const double error = std::abs(sum - double(out[i * c.N + j])) / (eps * size + 1e-300);
      if (!(error <= worst)) worst = error;  // NaN too
    }
  return worst;
}

std::vector<InstructionSet> sets() {
  std::vector<InstructionSet> all;
  for (auto s : {InstructionSet::portable, InstructionSet::avx2, InstructionSet::avx512})
    if (s <= best_instruction_set()) all.push_back(s);
  return all;
}

template <class T>
void check_case(const Case& c) {
  const Operands<T> o(c);
  for (auto set : sets()) {
    if (sizeof(T) == 8 && set != InstructionSet::portable) continue;
    CAPTURE(name_of(set));
    CAPTURE(c.M);
    CAPTURE(c.N);
    CAPTURE(c.K);
    CAPTURE(c.transpose_a);
    CAPTURE(c.transpose_b);
    CAPTURE(c.bias);
    CAPTURE(c.relu);
    CAPTURE(c.accumulate);
    CHECK(worst_error(o, run(set, o)) <= 1);
  }
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

}  // namespace

TEST_CASE("gemm: every layout and epilogue at sizes around the tiles' borders") {
  for (std::int64_t M : {0, 1, 2, 5, 6, 7, 11, 12, 13, 24, 25, 97})
    for (std::int64_t N : {0, 1, 2, 8, 9, 16, 17, 31, 33, 77, 100})
      for (std::int64_t K : {0, 1, 3, 16, 33}) {
        const bool more = (M + N + K) % 3 == 0;  // the flags vary with the sizes, so that all meet
        for (int layout = 0; layout < 4; ++layout)
          for (int epilogue = 0; epilogue < 8; epilogue += more ? 1 : 3) {
            const Case c{M,
                         N,
                         K,
                         bool(layout & 1),
                         bool(layout & 2),
                         bool(epilogue & 1),
                         bool(epilogue & 2),
                         bool(epilogue & 4)};
            check_case<float>(c);
            if (more) check_case<double>(c);
          }
      }
}

TEST_CASE("gemm: around the borders of depth blocks, packing and chunks of rows") {
  for (int layout = 0; layout < 4; ++layout)
    for (int epilogue : {0, 7}) {
      const bool ta = layout & 1, tb = layout & 2, on = epilogue;
      for (std::int64_t K : {255, 257, 383, 384, 385, 512, 769, 3100})
        check_case<float>({26, 35, K, ta, tb, on, on, on});
      for (std::int64_t N : {64, 65, 127, 129, 1030}) check_case<float>({49, N, 40, ta, tb, on, on, on});
      for (std::int64_t M : {95, 96, 193, 1000}) check_case<float>({M, 20, 130, ta, tb, on, on, on});
      check_case<float>({30, 800, 3100, ta, tb, on, on, on});  // more than is packed at a time
      check_case<double>({70, 35, 513, ta, tb, on, on, on});
    }
}

TEST_CASE("gemm: windows of conv1d, rows of A that overlap") {
  constexpr std::int64_t E = 30, width = 3, rows = 57, N = 100, K = width * E;
  const Operands<float> words({rows + width - 1, N, E}), weights({1, N, K});
  std::vector<float> windows;
  for (std::int64_t i = 0; i < rows; ++i) windows.insert(windows.end(), words.a.data + i * E, words.a.data + i * E + K);
  for (auto set : sets()) {
    std::vector<float> overlapping(rows * N), copied(rows * N);
    const Matrix<const float> B{weights.b.data, N, 1};
    cpu::detail::gemm_with<float>(set,
                                  {rows, N, K, {words.a.data, E, 1}, B, overlapping.data(), N, nullptr, {}, false});
    cpu::detail::gemm_with<float>(set, {rows, N, K, {windows.data(), K, 1}, B, copied.data(), N, nullptr, {}, false});
    CHECK(same_bits(overlapping, copied));
  }
}

TEST_CASE("gemm: a row's bits depend neither on its batch nor on the number of threads") {
  const int before = threads();
  for (auto set : sets())
    for (std::int64_t N : {1, 2, 3, 20, 100, 300})
      for (std::int64_t K : {1, 5, 300, 1024, 1500})
        for (bool transpose_b : {false, true}) {
          const Operands<float> o({301, N, K, false, transpose_b, true, true, false});
          set_threads(1);
          const auto whole = run(set, o);
          for (int n : {2, 5}) {
            set_threads(n);
            CHECK(same_bits(run(set, o), whole));
          }
          bool same = true;
          for (std::int64_t rows : {1, 2, 3, 4, 7, 11, 12, 25, 50, 100, 300})
            for (std::int64_t first : {std::int64_t(0), 301 - rows, (301 - rows) / 2}) {
              std::vector<float> part(rows * N);
              Product<float> p = o.product(part.data(), N);
              p.M = rows, p.A.data += first * p.A.row_stride;
              cpu::detail::gemm_with<float>(set, p);
              same = same && std::memcmp(part.data(), whole.data() + first * N, part.size() * sizeof(float)) == 0;
            }
          CAPTURE(name_of(set));
          CAPTURE(N);
          CAPTURE(K);
          CAPTURE(transpose_b);
          CHECK(same);
        }
  for (std::int64_t N : {1, 3, 40}) {
    const Operands<double> o({130, N, 600});
    set_threads(1);
    const auto whole = run(InstructionSet::portable, o);
    set_threads(5);
    CHECK(same_bits(run(InstructionSet::portable, o), whole));
    std::vector<double> row(N);
    Product<double> p = o.product(row.data(), N);
    p.M = 1, p.A.data += 77 * p.A.row_stride;
    cpu::detail::gemm_with<double>(InstructionSet::portable, p);
    CHECK(std::memcmp(row.data(), whole.data() + 77 * N, N * sizeof(double)) == 0);
  }
  set_threads(1);
  const Operands<float> large({700, 300, 400, true, true}), wide({10, 2000, 500, false, true});
  for (auto set : sets()) {
    set_threads(1);
    const auto one = run(set, large), one_wide = run(set, wide);
    for (int n : {2, 5}) {
      set_threads(n);
      CHECK(same_bits(run(set, large), one));
      CHECK(same_bits(run(set, wide), one_wide));
    }
  }
  set_threads(before);
}

TEST_CASE("gemm: NaN and infinity propagate, through zeros and relu") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  for (auto set : sets()) {
    CAPTURE(name_of(set));
    const std::int64_t M = 14, N = 20, K = 9;
    std::vector<float> a(M * K, 0.f), b(K * N, 1.f), c(M * N);
    a[3 * K + 4] = nan;   // row 3
    b[2 * N + 17] = inf;  // column 17: 0 * inf
    cpu::detail::gemm_with<float>(
        set, {M, N, K, {a.data(), K, 1}, {b.data(), N, 1}, c.data(), N, nullptr, Activation::relu, false});
    bool right = true;
    for (std::int64_t i = 0; i < M; ++i)
      for (std::int64_t j = 0; j < N; ++j) right = right && std::isnan(c[i * N + j]) == (i == 3 || j == 17);
    CHECK(right);
  }
}

TEST_CASE("gemm: refuses what it cannot do") {
  float x[4] = {};
  CHECK_THROWS_AS(cpu::gemm<float>(-1, 1, 1, {x, 1, 1}, {x, 1, 1}, x, 1), InvalidArgument);
  CHECK_THROWS_AS(cpu::gemm<float>(1, 1, 1, {x, 2, 2}, {x, 1, 1}, x, 1), InvalidArgument);
  CHECK_THROWS_AS(cpu::gemm<float>(1, 1, 1, {x, 1, 1}, {x, 2, 2}, x, 1), InvalidArgument);
  CHECK_THROWS_AS(cpu::gemm<float>(2, 2, 1, {x, 1, 1}, {x, 2, 1}, x, 1), InvalidArgument);
}

TEST_CASE("instruction_set: QUERN_CPU lowers the choice and refuses the rest") {
  using enum InstructionSet;
  CHECK(choose_instruction_set(nullptr, avx512) == avx512);
  CHECK(choose_instruction_set("", avx2) == avx2);
  CHECK(choose_instruction_set("avx2", avx512) == avx2);
  CHECK(choose_instruction_set("portable", avx512) == portable);
  CHECK_THROWS_AS(choose_instruction_set("avx512", avx2), Error);
  CHECK_THROWS_AS(choose_instruction_set("sse", avx512), Error);
  CHECK(instruction_set() <= best_instruction_set());
}

TEST_CASE("vectors: arithmetic, partial loads and stores, reductions, exp on every instruction set") {
  for (auto set : sets()) {
    CAPTURE(name_of(set));
    cpu::simd(set, [&]<class V>(V) {
      constexpr int width = V::width;
      for (int n = 0; n <= width; ++n) {
        Guarded<float> x(n), y(n + 1);
        for (int i = 0; i < n; ++i) x.data[i] = float(i + 1) * (i % 2 ? -1.f : 1.f);
        y.data[n] = 5;
        (V::load(x.data, n) * V(2) + V(1)).store(y.data, n);
        bool right = y.data[n] == 5;
        for (int i = 0; i < n; ++i) right = right && y.data[i] == 2 * x.data[i] + 1;
        CHECK(right);
        CHECK(V::load(x.data, n).sum() == (n % 2 ? float(n + 1) / 2 : float(-n / 2)));
        CHECK(V::load(x.data, n).largest() == float(n == width && n % 2 == 0 ? n - 1 : n == 0 ? 0 : n - 1 + n % 2));
      }
      const V a(9), b(-2), nan(std::numeric_limits<float>::quiet_NaN());
      CHECK(((a - b) / V(4) + a.sqrt() + a.fma(b, V(1))).largest() == doctest::Approx(2.75 + 3 - 17));
      CHECK(a.min(b).largest() == -2);
      CHECK(a.max(b).largest() == 9);
      CHECK(std::isnan(V(0).max(nan).largest()));
      CHECK(V::where_greater(a, b, V(1), V(2)).largest() == 1);
      CHECK(V::where_greater(a, nan, V(1), V(2)).largest() == 2);

      double worst = 0;
      for (float x = -86.5f; x < 88.7f; x += 0.0137f) {
        const double e = std::exp(double(x));
        worst = std::max(worst, std::abs(double(cpu::exp(V(x)).largest()) - e) / e);
      }
      CHECK(worst < 2 * 1.2e-7);
      CHECK(cpu::exp(V(0)).largest() == 1);
      CHECK(cpu::exp(V(-200)).largest() == 0);
      CHECK(cpu::exp(V(-std::numeric_limits<float>::infinity())).largest() == 0);
      CHECK(std::isinf(cpu::exp(V(89)).largest()));
      CHECK(std::isnan(cpu::exp(nan).largest()));
    });
  }
}
