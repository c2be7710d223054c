/// A recorded tensor is a tensor of numbers with its place on a tape. `Tensor<Recorded<float>, 2>` is such a value, so
/// a model over Recorded<float> records itself by being called; the plain model records nothing.
///
///   Tensor<Recorded<float>, 2> x = …;
///   x.value();                        // Tensor<float, 2>
///   auto y = relu(x);                 // computed, and noted on x's tape
#pragma once
#include <concepts>

#include <quern/tensor/packed.hpp>

namespace quern::inline QUERN_ABI {

class Tape;

/// The number type of recorded models.
template <class T>
struct Recorded {};

/// The number types of ops. bf16 is stored; ops over it compute in float.
template <class T>
concept Number = std::floating_point<T> || std::same_as<T, bf16>;

/// A value and its place on a tape. A copy is the same place. `slot` is -1 where no gradient is wanted: a frozen
/// parameter, or a result of such.
template <class T, int Rank>
class Tensor<Recorded<T>, Rank> {
 public:
  using Element = Recorded<T>;
  static constexpr int rank = Rank;

  Tensor() = default;
  /// A module made with sizes holds nothing in its recorded form, until `watch` fills it.
  template <std::integral... Extents>
  explicit Tensor(Extents...) requires(sizeof...(Extents) == Rank && Rank > 0) {}
  [[gnu::noinline]] Tensor(const Tensor<T, Rank>& value, Tape* tape, int slot)
      : value_(value.share()), tape_(tape), slot_(slot) {}
  [[gnu::noinline]] Tensor(const Tensor& o) : value_(o.value_.share()), tape_(o.tape_), slot_(o.slot_) {}
  Tensor(Tensor&&) noexcept = default;
  Tensor& operator=(const Tensor& o) { return *this = Tensor(o); }
  Tensor& operator=(Tensor&&) noexcept = default;

  const Tensor<T, Rank>& value() const { return value_; }
  Tape* tape() const { return tape_; }
  int slot() const { return slot_; }

  const Shape<Rank>& shape() const { return value_.shape(); }
  std::int64_t extent(int axis) const { return value_.extent(axis); }
  std::int64_t size() const { return value_.size(); }
  Device device() const { return value_.device(); }
  T item() const { return value_.item(); }

 private:
  Tensor<T, Rank> value_;
  Tape* tape_ = nullptr;
  int slot_ = -1;
};

template <class X>
constexpr bool is_recorded = false;
template <class T, int Rank>
inline constexpr bool is_recorded<Tensor<Recorded<T>, Rank>> = true;

/// At least one argument is recorded: the overload that a tape sees.
template <class... X>
concept AnyRecorded = (is_recorded<X> || ...);

/// The plain tensor of either kind.
template <Number T, int Rank>
const Tensor<T, Rank>& value(const Tensor<T, Rank>& x) {
  return x;
}
template <class T, int Rank>
const Tensor<T, Rank>& value(const Tensor<Recorded<T>, Rank>& x) {
  return x.value();
}

/// An alias for a closure to keep: tensors are shared, never copied.
template <class T, int Rank>
auto keep(const Tensor<T, Rank>& x) {
  if constexpr (is_recorded<Tensor<T, Rank>>) {
    return x;
  } else {
    return x.share();
  }
}

/// Whether a gradient of `x` is wanted.
template <class T, int Rank>
bool wants_gradient(const Tensor<T, Rank>& x) {
  if constexpr (is_recorded<Tensor<T, Rank>>) {
    return x.slot() >= 0;
  } else {
    return false;
  }
}

}  // namespace quern::inline QUERN_ABI
