/// What a tape tells those who look on: the trace, the stepper, the check for numbers that are not finite. A tape
/// without an observer pays one branch for each op.
///
///   struct Names : TapeObserver {
///     void recorded(const char* op, const TapeValue&, const std::vector<TapeValue>&) override { std::puts(op); }
///   } names;
///   Tape tape;
///   tape.observe(&names);        // before watch
#pragma once
#include <string>
#include <vector>

#include <quern/tensor/tensor.hpp>

namespace quern::inline QUERN_ABI {

class Tape;

/// What an element type is called, and how one element is read and written.
struct ElementType {
  const char* name;
  std::size_t bytes;
  double (*get)(const void*, std::int64_t);
  void (*put)(void*, std::int64_t, double);
};
template <class T>
double get_element(const void* data, std::int64_t i) {
  return static_cast<double>(static_cast<const T*>(data)[i]);
}
template <class T>
void put_element(void* data, std::int64_t i, double x) {
  static_cast<T*>(data)[i] = T(x);
}
template <class T>
inline constexpr ElementType element_type{dtype_name<T>, sizeof(T), get_element<T>, put_element<T>};

/// A tensor of any element type and rank, over the same memory, for those who only look.
struct AnyTensor {
  Storage memory;
  const ElementType* type = nullptr;
  std::vector<std::int64_t> shape;

  AnyTensor() = default;
  template <class T, int Rank>
  explicit AnyTensor(const Tensor<T, Rank>& x)
      : AnyTensor(x.storage(), &element_type<T>, x.shape().extents.data(), Rank) {}
  [[gnu::noinline]] AnyTensor(const Storage& m, const ElementType* t, const std::int64_t* extents, int rank)
      : memory(m), type(t), shape(extents, extents + rank) {}

  std::int64_t size() const {
    std::int64_t n = memory ? 1 : 0;
    for (const auto e : shape) n *= e;
    return n;
  }
  double operator[](std::int64_t i) const { return type->get(memory.data(), i); }

  /// The same tensor in the host's memory, where its elements can be read: itself, if it lies there.
  AnyTensor on_host() const {
    AnyTensor x = *this;
    if (memory.device().is_cuda()) x.memory = memory.to(Device::cpu());
    return x;
  }
};

/// A tensor and its place on the tape; -1: a constant.
struct TapeValue {
  AnyTensor tensor;
  int slot = -1;
};

/// The calls come in the order of the pass: `begin`, a `parameter` for each that is watched, `recorded` for each op,
/// and, walking back, `before_backward` and `after_backward` for each op that has a gradient.
class TapeObserver {
 public:
  virtual ~TapeObserver() = default;
  virtual void begin() {}
  /// A frozen parameter has the slot -1.
  virtual void parameter(const std::string& path, const TapeValue& value) { (void)path, (void)value; }
  virtual void recorded(const char* op, const TapeValue& y, const std::vector<TapeValue>& inputs) {
    (void)op, (void)y, (void)inputs;
  }
  /// The whole gradient of the op's result is there: tape.gradient_in(output).
  virtual void before_backward(Tape& tape, int output) { (void)tape, (void)output; }
  /// The op has added its part to the gradients of its inputs.
  virtual void after_backward(Tape& tape, int output) { (void)tape, (void)output; }
};

}  // namespace quern::inline QUERN_ABI
