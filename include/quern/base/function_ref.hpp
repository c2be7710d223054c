/// A call to any function object, without allocation; what it refers to outlives it. As a parameter it keeps a long
/// function from being compiled anew for every lambda it is given.
///
///   void each(std::string_view text, FunctionRef<void(std::string_view)> f);
///   each(text, [&](std::string_view token) { count(token); });
#pragma once
#include <type_traits>

#include <quern/base/config.hpp>

namespace quern::inline QUERN_ABI {

template <class Signature>
class FunctionRef;

template <class R, class... A>
class FunctionRef<R(A...)> {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef>) FunctionRef(F&& f)
      : object_((const void*)&f), call_([](const void* object, A... arguments) -> R {
          using Object = std::remove_reference_t<F>;
          return (*(Object*)object)(arguments...);  // this cast takes a function's address as well
        }) {}
  R operator()(A... arguments) const { return call_(object_, arguments...); }

 private:
  const void* object_;
  R (*call_)(const void*, A...);
};

}  // namespace quern::inline QUERN_ABI
