/// The tensor: element type and rank are static, extents and device are values; contiguous and row-major.
///
///   Tensor<float, 2> x(35, 300);                  // [35, 300], zeros
///   auto y = x;                                   // a copy copies; a move is free; x.share() aliases
///   x(3, 4) = 1; x.view();                        // View: a pointer with extents, what op bodies take
///
///   auto z = x.to(Device::cuda());                // a copy on the GPU; z.to(Device::cpu()) brings it back
///
/// Element access is for the CPU and is not checked; shapes are checked where tensors meet.
#pragma once
#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <span>
#include <type_traits>
#include <utility>

#include <quern/base/dtype.hpp>
#include <quern/tensor/pool.hpp>
#include <quern/tensor/shape.hpp>
#include <quern/tensor/view.hpp>

namespace quern::inline QUERN_ABI {

template <class T>
constexpr const char* dtype_name = "?";
template <>
inline constexpr const char* dtype_name<float> = "float";
template <>
inline constexpr const char* dtype_name<double> = "double";
template <>
inline constexpr const char* dtype_name<bf16> = "bf16";
template <>
inline constexpr const char* dtype_name<std::int32_t> = "int32";
template <>
inline constexpr const char* dtype_name<std::int64_t> = "int64";

inline void append_text(std::string& out, bf16 x) { append_text(out, float(x)); }

namespace detail {
[[gnu::noinline]] inline void require_shareable(Extents wanted, std::int64_t wanted_size, Extents shape,
                                                std::int64_t size) {
  require(wanted_size == size, "share: ", wanted, " has ", wanted_size, " elements, the tensor ", shape, " has ", size);
}
[[gnu::noinline]] inline void require_room(const Storage& storage, Extents shape, std::size_t bytes) {
  require(!storage || bytes <= storage->bytes, "tensor: ", shape, " does not fit into ", storage ? storage->bytes : 0,
          " bytes");
}
}  // namespace detail

template <class T, int Rank>
class Tensor {
  static_assert(std::is_trivially_copyable_v<T>, "Tensor: elements are plain numbers");

 public:
  using Element = T;
  static constexpr int rank = Rank;

  /// An empty tensor: all extents 0, no memory.
  Tensor() = default;

  /// Zeros of the given extents.
  [[gnu::noinline]] explicit Tensor(Shape<Rank> shape, Device device = {}) : Tensor(empty(shape, device)) {
    set_bytes(data(), device, 0, bytes());
  }
  explicit Tensor(std::integral auto... extents) requires(sizeof...(extents) == Rank && Rank > 0)
      : Tensor(Shape<Rank>{extents...}) {}

  /// Memory that is about to be written: not zeroed.
  [[gnu::noinline]] static Tensor empty(Shape<Rank> shape, Device device = {}) {
    for (auto e : shape.extents) require(e >= 0, "tensor: an extent is negative: ", shape);
    Tensor t;
    t.shape_ = shape;
    t.storage_ = Storage(std::size_t(shape.size()) * sizeof(T), device);
    return t;
  }

  /// A tensor over memory that is already there.
  [[gnu::noinline]] static Tensor adopt(Storage storage, Shape<Rank> shape) {
    detail::require_room(storage, shape, std::size_t(shape.size()) * sizeof(T));
    Tensor t;
    t.storage_ = std::move(storage);
    t.shape_ = shape;
    return t;
  }

  /// Values in row-major order; their number must fit the shape.
  [[gnu::noinline]] static Tensor of(Shape<Rank> shape, std::span<const T> values, Device device = {}) {
    require(std::int64_t(values.size()) == shape.size(), "tensor: shape ", shape, " wants ", shape.size(),
            " values, got ", values.size());
    Tensor t = empty(shape, device);
    copy_bytes(t.data(), device, values.data(), Device::cpu(), t.bytes());
    return t;
  }
  static Tensor of(Shape<Rank> shape, std::initializer_list<T> values, Device device = {}) {
    return of(shape, std::span<const T>(values.begin(), values.size()), device);
  }

  Tensor(const Tensor& other) : storage_(other.storage_.copy()), shape_(other.shape_) {}
  Tensor(Tensor&& other) noexcept
      : storage_(std::move(other.storage_)), shape_(std::exchange(other.shape_, Shape<Rank>{})) {}
  Tensor& operator=(Tensor other) noexcept {
    std::swap(storage_, other.storage_);
    std::swap(shape_, other.shape_);
    return *this;
  }

  /// The same elements on another device; on the same one a copy.
  [[gnu::noinline]] Tensor to(Device device) const {
    check_usable(device, "to");
    Tensor t;
    t.storage_ = storage_.to(device);
    t.shape_ = shape_;
    return t;
  }

  /// Another tensor over the same memory.
  Tensor share() const { return share(shape_); }
  /// The same memory seen with other extents of the same product.
  template <int R>
  [[gnu::noinline]] Tensor<T, R> share(Shape<R> shape) const {
    detail::require_shareable(shape, shape.size(), shape_, size());
    return Tensor<T, R>::adopt(storage_, shape);
  }

  const Shape<Rank>& shape() const { return shape_; }
  std::int64_t extent(int axis) const { return shape_[axis]; }
  std::int64_t size() const {  // memory was found for as many, so their product is not checked again
    std::int64_t n = storage_ ? 1 : 0;
    for (auto e : shape_.extents) n *= e;
    return n;
  }
  std::size_t bytes() const { return std::size_t(size()) * sizeof(T); }
  Device device() const { return storage_.device(); }
  const Storage& storage() const { return storage_; }

  /// The path of a parameter in its model ("blocks.0.norm.weight"), empty for other tensors.
  const char* name() const { return storage_ ? storage_->name.c_str() : ""; }

  T* data() { return static_cast<T*>(storage_.data()); }
  const T* data() const { return static_cast<const T*>(storage_.data()); }
  /// All elements. Not of a temporary: `for (auto x : f().span())` would read memory that is already given back.
  std::span<T> span() & { return {data(), std::size_t(size())}; }
  std::span<const T> span() const& { return {data(), std::size_t(size())}; }
  std::span<T> span() && = delete;

  View<T, Rank> view() { return view_over<T>(data()); }
  View<const T, Rank> view() const { return view_over<const T>(data()); }

  /// All leading axes collapsed to one: [rows, C]. Bodies of ops exist for this shape alone.
  View<T, 2> rows() { return rows_over<T>(data()); }
  View<const T, 2> rows() const { return rows_over<const T>(data()); }

  T& operator()(std::integral auto... i) { return view()(i...); }
  const T& operator()(std::integral auto... i) const { return view()(i...); }

  /// The only element.
  [[gnu::noinline]] T item() const {
    require(size() == 1, "item: expected one element, the tensor is ", shape_);
    T value;
    copy_bytes(&value, Device::cpu(), data(), device(), sizeof value);
    return value;
  }

  [[gnu::noinline]] void fill(T value) {
    if (device().is_cpu()) return void(std::fill_n(data(), size(), value));
    Tensor on_host = empty(shape_);
    on_host.fill(value);
    copy_bytes(data(), device(), on_host.data(), Device::cpu(), bytes());
  }

 private:
  template <class U>
  View<U, Rank> view_over(U* p) const {
    View<U, Rank> v;
    v.data = p;
    for (int i = 0; i < Rank; ++i) v.extents[i] = shape_[i];
    return v;
  }
  template <class U>
  View<U, 2> rows_over(U* p) const {
    if constexpr (Rank == 0) {
      return {p, {1, 1}};
    } else {
      std::int64_t leading = 1;
      for (int i = 0; i + 1 < Rank; ++i) leading *= shape_[i];
      return {p, {leading, shape_.last()}};
    }
  }

  Storage storage_;
  Shape<Rank> shape_{};
};

/// "weight (words.weight) is [20000, 300] float cpu", for messages.
template <class T, int Rank>
struct Described {
  const char* role;
  const Tensor<T, Rank>& tensor;
};
template <class T, int Rank>
Described<T, Rank> described(const char* role, const Tensor<T, Rank>& tensor) {
  return {role, tensor};
}
namespace detail {
[[gnu::cold]] inline void append_described(std::string& out, const char* role, const char* name,
                                           const std::int64_t* extents, int rank, const char* dtype, Device device) {
  out += role;
  if (*name) {
    out += " (";
    out += name;
    out += ')';
  }
  out += " is ";
  append_extents(out, extents, rank);
  out += ' ';
  out += dtype;
  out += ' ';
  append_text(out, device);
}
}  // namespace detail
template <class T, int Rank>
void append_text(std::string& out, const Described<T, Rank>& d) {
  const auto& t = d.tensor;
  detail::append_described(out, d.role, t.name(), t.shape().extents.data(), Rank, dtype_name<T>, t.device());
}

/// An uninitialised tensor like another.
template <class T, int Rank>
Tensor<T, Rank> empty_like(const Tensor<T, Rank>& x) {
  return Tensor<T, Rank>::empty(x.shape(), x.device());
}

/// Equal shape and equal bits.
template <class T, int Rank>
bool same_bits(const Tensor<T, Rank>& a, const Tensor<T, Rank>& b) {
  if (a.shape() != b.shape()) return false;
  if (a.device().is_cuda()) return same_bits(a.to(Device::cpu()), b);
  if (b.device().is_cuda()) return same_bits(a, b.to(Device::cpu()));
  return a.size() == 0 || std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

}  // namespace quern::inline QUERN_ABI
