/// Matrix products of BERT's layers (rows 4096: 32 texts of 128 tokens), forward and backward, each rung of the ladder,
/// and cuBLASLt where the program was built with it (-D QUERN_WITH_CUBLAS=ON).
#include <string>
#include <vector>

#include <quern/cuda/backend.hpp>
#include <quern/ops/matmul.hpp>

#include "gpu/benchmarks.hpp"

namespace bench {
namespace {

using cuda::MatmulVariant;

struct Shape3 {
  const char* what;
  std::int64_t m, n, k;
  Transpose ta, tb;
};

/// A product's operands and result. Copies of the operands go round.
template <class T>
class Product {
 public:
  Product(Report& report, const Shape3& s) : report_(report), s_(s) {
    const bool a_turned = s.ta == Transpose::yes, b_turned = s.tb == Transpose::yes;
    const Shape<2> a{a_turned ? s.k : s.m, a_turned ? s.m : s.k}, b{b_turned ? s.n : s.k, b_turned ? s.k : s.n};
    const double one = double(a.size() + b.size()) * sizeof(T);
    const int copies = cuda::is_emulated() ? 1 : std::clamp(int(3e8 / one), 2, 64);
    for (int i = 0; i < copies; ++i) {
      a_.push_back(drawn_on_device<T>(a, 1));
      b_.push_back(drawn_on_device<T>(b, 2));
    }
    y_ = Tensor<T, 2>::empty({s.m, s.n}, Device::cuda());
    expected_ = Tensor<T, 2>::empty({s.m, s.n}, Device::cuda());
    // The obvious kernel is what the others are compared with; it is compared with the CPU's in the tests.
    (void)cuda::matmul_variant<T>(MatmulVariant::naive, a_[0].view(), s.ta, b_[0].view(), s.tb, expected_.view());
  }

  void variant(MatmulVariant v, const char* name) {
    std::string choice;
    const auto call = [&](int i) {
      const auto at = std::size_t(i) % a_.size();
      choice = cuda::matmul_variant<T>(v, a_[at].view(), s_.ta, b_[at].view(), s_.tb, y_.view()).text();
    };
    time(name, call, choice);
  }
  void best(const char* name) {
    const std::string none;
    time(
        name,
        [&](int i) {
          const auto at = std::size_t(i) % a_.size();
          cuda::matmul<T>(a_[at].view(), s_.ta, b_[at].view(), s_.tb, y_.view());
        },
        none);
  }

 private:
  template <class F>
  void time(const char* name, const F& call, const std::string& choice) {
    call(0);
    const std::string what = text_of("matmul ", name, " ", dtype_name<T>, " ", s_.what);
    const double bound = std::string(name) == "tf32" ? 5e-3 : tolerance<T>();
    if (!report_.agrees(what, distance(y_, expected_), bound)) return;
    const double us = timer_.microseconds(call);
    const char transposes[] = {s_.ta == Transpose::yes ? 'T' : 'N', s_.tb == Transpose::yes ? 'T' : 'N', 0};
    report_.line({{"kernel", "matmul"},
                  {"variant", name},
                  {"type", dtype_name<T>},
                  {"what", s_.what},
                  {"m", s_.m},
                  {"n", s_.n},
                  {"k", s_.k},
                  {"transposes", transposes},
                  {"us", us},
                  {"tflops", 2e-6 * double(s_.m) * double(s_.n) * double(s_.k) / us},
                  {"choice", choice}});
  }

  Report& report_;
  Shape3 s_;
  std::vector<Tensor<T, 2>> a_, b_;
  Tensor<T, 2> y_, expected_;
  Timer timer_;
};

std::vector<Shape3> shapes(bool small) {
  constexpr auto no = Transpose::no, yes = Transpose::yes;
  if (small) return {{"small", 96, 72, 40, no, yes}, {"small, weight's gradient", 40, 24, 200, yes, no}};
  return {{"4096^3", 4096, 4096, 4096, no, yes},
          {"base qkv", 4096, 2304, 768, no, yes},
          {"base projection", 4096, 768, 768, no, yes},
          {"base fc1", 4096, 3072, 768, no, yes},
          {"base fc2", 4096, 768, 3072, no, yes},
          {"base projection, dx", 4096, 768, 768, no, no},
          {"base projection, dweight", 768, 768, 4096, yes, no},
          {"base fc1, dweight", 3072, 768, 4096, yes, no},
          {"MiniLM projection", 4096, 384, 384, no, yes},
          {"MiniLM projection, dweight", 384, 384, 4096, yes, no}};
}

}  // namespace

void matrix_products(Report& report, bool small) {
  for (const Shape3& s : shapes(small)) {
    {
      Product<bf16> product(report, s);
      if (s.what == std::string("4096^3") || small) {
        product.variant(MatmulVariant::tiled, "tiled");
        product.variant(MatmulVariant::tensor_cores, "tensor_cores");
      }
      product.variant(MatmulVariant::pipelined, "pipelined");
      product.best("best");
      if (*cuda::vendor_libraries()) {
        cuda::use_backend(cuda::Backend::vendor);
        product.best("cuBLASLt");
        cuda::use_backend(cuda::Backend::own);
      }
    }
    Product<float> product(report, s);
    product.variant(MatmulVariant::register_blocked, "register_blocked");
    product.variant(MatmulVariant::tf32, "tf32");
  }
}

}  // namespace bench
