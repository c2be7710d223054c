/// Models are plain structs with one line, `visit`. `walk` goes through several structs of the same form in lock step,
/// so gradients, Adam's moments, a working copy of another number type and the recorded model are all values of the
/// model's own struct, and counting, saving by name, casting, clipping and averaging are one walk each.
///
///   template <class T = float> struct Scale {
///     Tensor<T, 1> weight;                                                               // [C]
///     static void visit(auto&& f, auto&... m) { f("weight", m.weight...); }
///   };
///   walk([](const Path& path, auto& w, auto& g) { … }, model, grads);
///
/// Leaves are tensors and settings (numbers, enumerations, strings); inner nodes are structs with `visit`, vectors,
/// arrays and optionals. A vector or optional that is empty in a later struct takes the first one's size.
#pragma once
#include <string>
#include <type_traits>
#include <vector>

#include <quern/tensor/tensor.hpp>

namespace quern::inline QUERN_ABI {

/// A place in a model, from the leaf up to the root. Text is made only where it is asked for.
struct Path {
  const Path* parent = nullptr;
  const char* name = nullptr;  // null: an index
  std::int64_t index = 0;

  /// "blocks.0.norm.weight"
  [[gnu::cold, gnu::noinline]] std::string text() const {
    if (!parent) return {};
    std::string out = parent->text();
    if (!out.empty()) out += '.';
    return out + (name ? std::string(name) : std::to_string(index));
  }
};
inline void append_text(std::string& out, const Path& p) { out += p.text(); }

template <class M>
constexpr bool is_tensor = false;
template <class T, int Rank>
inline constexpr bool is_tensor<Tensor<T, Rank>> = true;

template <class M>
constexpr bool is_setting = std::is_arithmetic_v<M> || std::is_enum_v<M> || std::is_same_v<M, std::string>;

namespace detail {
struct Probe {
  void operator()(auto&&...) const {}
};
template <class M>
concept Visitable = requires(M& m) {
  std::remove_const_t<M>::visit(Probe{}, m);
};
template <class M>
concept Optional = requires(M& m) {
  m.has_value(), *m;
};
template <class M>
concept Sequence = requires(M& m) {
  m.size(), m[0];
};

[[gnu::noinline]] inline void require_size(const Path& path, std::size_t size, std::size_t other) {
  require(other == size, path, ": the models have different numbers of elements, ", size, " and ", other);
}

/// Gives an empty sequence the size of the first; throws where both have one and they differ.
void match_size(const Path& path, std::size_t size, auto& other) {
  using Other = std::remove_reference_t<decltype(other)>;
  if constexpr (!std::is_const_v<Other> && requires { other.resize(size); }) {
    if (other.empty()) other.resize(size);
  }
  require_size(path, size, other.size());
}
void match_presence(const Path& path, auto& other) {
  if constexpr (!std::is_const_v<std::remove_reference_t<decltype(other)>>) {
    if (!other.has_value()) other.emplace();
  }
  require(other.has_value(), path, ": present in one model, absent in the other");
}
}  // namespace detail

/// Calls f(path, leaf of a, leaf of each b…) for every tensor and setting, in the order of `visit`.
template <class F, class A, class... B>
void walk(F&& f, const Path& path, A& a, B&... b) {
  using M = std::remove_const_t<A>;
  if constexpr (is_tensor<M> || is_setting<M>) {
    f(path, a, b...);
  } else if constexpr (detail::Visitable<A>) {
    M::visit(
        [&](const char* name, auto& child, auto&... others) {
          walk(f, Path{&path, name}, child, others...);
        },
        a, b...);
  } else if constexpr (detail::Optional<A>) {
    if (!a.has_value()) return;
    (detail::match_presence(path, b), ...);
    walk(f, path, *a, *b...);
  } else if constexpr (detail::Sequence<A>) {
    (detail::match_size(path, a.size(), b), ...);
    for (std::size_t i = 0; i < a.size(); ++i) walk(f, Path{&path, nullptr, std::int64_t(i)}, a[i], b[i]...);
  } else {
    static_assert(sizeof(M) == 0, "visit() names a field that is no tensor, setting, module, optional or sequence");
  }
}
template <class F, class A, class... B>
void walk(F&& f, A& a, B&... b) {
  walk(f, Path{}, a, b...);
}

/// The same, for tensors alone.
template <class F, class A, class... B>
void walk_tensors(F&& f, A& a, B&... b) {
  walk(
      [&](const Path& path, auto& x, auto&... y) {
        if constexpr (is_tensor<std::remove_cvref_t<decltype(x)>>) f(path, x, y...);
      },
      a, b...);
}

namespace detail {
/// For one parameter; `seen` are those before it. Out of the template, as all of a walk's work that can be.
[[gnu::cold, gnu::noinline]] inline void name_parameter(const Path& path, const Storage& memory,
                                                        std::vector<Storage>& seen) {
  if (!memory) return;
  for (const auto& other : seen)
    require(!(other == memory), path, ": shares its memory with another parameter (", other->name, ")");
  seen.push_back(memory);
  memory->name = path.text();
}

/// Makes fresh memory the zero gradient of the parameter at `path`.
[[gnu::cold, gnu::noinline]] inline void begin_gradient(const Path& path, const Storage& memory) {
  if (!memory) return;
  memory->name = path.text();
  memory->begin_rows();
}
}  // namespace detail

/// Writes every parameter's path into its memory, so that messages of ops can name it. Throws where two parameters
/// share memory: a weight used twice is one member used twice.
[[gnu::cold]] void name_parameters(auto& model) {
  std::vector<Storage> seen;
  walk_tensors([&](const Path& path, auto& w) { detail::name_parameter(path, w.storage(), seen); }, model);
}

namespace detail {
/// For optimizers: a parameter, its gradient and its moments must be of one form.
[[gnu::noinline]] inline void require_fitting(const char* op, const Path& path, Extents w, Extents g, Extents m,
                                              bool complete) {
  require(g == w && m == w && complete, op, ": ", path, " is ", w, ", its gradient ", g, ", its moments ", m,
          "; make grads with zeros_like(model)");
}
}  // namespace detail

/// The number of elements of all tensors.
std::int64_t count_parameters(const auto& model) {
  std::int64_t n = 0;
  walk_tensors([&](const Path&, const auto& w) { n += w.size(); }, model);
  return n;
}

/// What is done with one parameter; a rule maps a parameter's path to this. The same rule goes to `watch` and `step`.
struct ParameterOptions {
  bool train = true;
  double rate = 1;   // times the learning rate
  double decay = 1;  // times the weight decay
};

/// The rule that trains everything alike.
struct TrainAll {
  ParameterOptions operator()(const std::string&) const { return {}; }
};

/// The options of one parameter. The default rule costs no text.
template <class Rule>
ParameterOptions options_of(const Rule& rule, const Path& path) {
  if constexpr (std::is_same_v<Rule, TrainAll>) {
    return {};
  } else {
    return rule(path.text());
  }
}

/// A zero gradient for every trained parameter; tensors the rule does not train stay empty, settings are copied.
template <class M, class Rule = TrainAll>
[[gnu::cold]] M zeros_like(const M& model, const Rule& rule = {}) {
  M zeros;
  walk(
      [&](const Path& path, const auto& w, auto& z) {
        if constexpr (is_tensor<std::remove_cvref_t<decltype(w)>>) {
          if (!options_of(rule, path).train) return;
          z = std::remove_cvref_t<decltype(w)>(w.shape(), w.device());
          detail::begin_gradient(path, z.storage());
        } else {
          z = w;
        }
      },
      model, zeros);
  return zeros;
}

/// Where a model's parameters are.
template <class M>
Device device_of(const M& model) {
  Device device;
  bool found = false;
  walk_tensors(
      [&](const Path&, const auto& w) {
        if (!found && w.size() > 0) device = w.device(), found = true;
      },
      model);
  return device;
}

/// The same model on another device, names included: `auto on_gpu = to(model, Device::cuda())`.
template <class M>
requires detail::Visitable<const M> M to(const M& model, Device device) {
  M moved;
  walk(
      [&](const Path&, const auto& from, auto& target) {
        if constexpr (is_tensor<std::remove_cvref_t<decltype(from)>>) {
          target = from.to(device);
        } else {
          target = from;
        }
      },
      model, moved);
  return moved;
}

namespace detail {
/// Every element in another number type; on a GPU, where there is no kernel for both, by way of the host.
template <class U, class T, int Rank>
Tensor<U, Rank> converted(const Tensor<T, Rank>& x) {
  if constexpr (has_kernels<T> && has_kernels<U>) {
    if (x.device().is_cuda()) {
      if constexpr (std::is_same_v<T, U>) return x;
      if constexpr (!std::is_same_v<T, U>) {
        auto y = Tensor<U, Rank>::empty(x.shape(), x.device());
        cuda::convert(x.data(), y.data(), x.size());
        return y;
      }
    }
  }
  if (x.device().is_cuda()) return converted<U>(x.to(Device::cpu())).to(x.device());
  auto y = Tensor<U, Rank>::empty(x.shape());
  for (std::int64_t i = 0; i < x.size(); ++i) y.data()[i] = static_cast<U>(x.data()[i]);
  return y;
}
}  // namespace detail

/// The same model over another number type, every element converted: `cast<double>(model)`. It stays on its device.
template <class U, template <class> class M, class T>
M<U> cast(const M<T>& model) {
  M<U> out;
  walk(
      [](const Path&, const auto& from, auto& to) {
        if constexpr (!is_tensor<std::remove_cvref_t<decltype(from)>>) {
          to = from;
        } else {
          to = detail::converted<U>(from);
          to.storage()->name = from.name();
        }
      },
      model, out);
  return out;
}

}  // namespace quern::inline QUERN_ABI
