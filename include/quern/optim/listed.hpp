/// Parameters on a GPU are stepped many at a time: a walk over the model lists them, and one launch steps the list.
///
///   detail::Listed<cuda::AdamParameter> listed;
///   walk_tensors([&](const Path&, auto& w, auto& g, …) { if (detail::on_gpu("adam", w, g)) listed.add({w.data(), …});
///   … }, …); listed.each([&](const auto* parameters, std::int64_t n) { cuda::adam(parameters, n, settings); });
#pragma once
#include <vector>

#include <quern/ops/dispatch.hpp>
#include <quern/tensor/accumulate.hpp>

namespace quern::inline QUERN_ABI::detail {

template <template <class> class P>
class Listed {
 public:
  void add(const P<float>& p) { of_float_.push_back(p); }
  void add(const P<bf16>& p) { of_bf16_.push_back(p); }

  /// Calls f(list, its length) for the parameters of each element type there is. Not compiled where there are no
  /// kernels.
  void each(auto&& f) const {
    if constexpr (has_cuda) {
      if (!of_float_.empty()) f(of_float_.data(), std::int64_t(of_float_.size()));
      if (!of_bf16_.empty()) f(of_bf16_.data(), std::int64_t(of_bf16_.size()));
    }
  }
  bool mixed() const { return !of_float_.empty() && !of_bf16_.empty(); }

 private:
  std::vector<P<float>> of_float_;
  std::vector<P<bf16>> of_bf16_;
};

/// Whether the device that all of them are on is a GPU.
bool on_gpu(const char* op, const auto&... x) { return common_device(op, x...).is_cuda(); }

}  // namespace quern::inline QUERN_ABI::detail
