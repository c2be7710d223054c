/// A classifier of any kind behind one small interface, so that what surrounds a model (a Predictor, the folder of a
/// run, a program) is compiled once and not once for every kind.
///
///   const auto any = classifier(std::move(model));         // of a TextCnn<float>, an LstmClassifier<float>, …
///   Tensor<float, 2> z = any->logits(texts);               // [texts, C]
///   const TextCnn<float>* cnn = model_in<TextCnn>(*any);   // null where it is of another kind
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <quern/autograd/observer.hpp>
#include <quern/base/function_ref.hpp>
#include <quern/train/evaluate.hpp>

namespace quern::inline QUERN_ABI {

/// How many ids a model knows, and how many classes. Here for those that begin with a table `words` and end with a
/// layer `out`; other models bring overloads of their own.
std::int64_t vocabulary_of(const auto& model) { return model.words.weight.extent(0); }
std::int64_t classes_of(const auto& model) { return model.out.weight.extent(0); }

/// Does not change once made: any number of threads may use it at a time.
class Classifier {
 public:
  using TakeTensor = FunctionRef<void(const std::string& name, const AnyTensor& x)>;

  virtual ~Classifier() = default;
  /// [indices, C], on the host.
  virtual Tensor<float, 2> logits(const Encoded& texts, std::span<const std::int64_t> indices) const = 0;
  /// [texts, C], of all texts.
  Tensor<float, 2> logits(const Encoded& texts) const { return logits(texts, detail::all_of(texts)); }
  virtual std::int64_t vocabulary() const = 0;
  virtual std::int64_t classes() const = 0;
  /// The same, computing on another device.
  virtual std::shared_ptr<const Classifier> to(Device device) const = 0;
  /// Every tensor under the name that save_safetensors() gives it.
  virtual void each_tensor(TakeTensor take) const = 0;
};

template <template <class> class M>
class ClassifierOf final : public Classifier {
 public:
  explicit ClassifierOf(M<float> model) : model_(std::move(model)) {}

  using Classifier::logits;
  Tensor<float, 2> logits(const Encoded& texts, std::span<const std::int64_t> indices) const override {
    return logits_of(model_, texts, indices, classes());
  }
  std::int64_t vocabulary() const override { return vocabulary_of(model_); }
  std::int64_t classes() const override { return classes_of(model_); }
  std::shared_ptr<const Classifier> to(Device device) const override {
    return std::make_shared<const ClassifierOf>(quern::to(model_, device));
  }
  void each_tensor(TakeTensor take) const override {
    walk_tensors([&](const Path& path, const auto& x) { take(path.text(), AnyTensor(x)); }, model_);
  }

  const M<float>& model() const { return model_; }

 private:
  M<float> model_;
};

template <template <class> class M>
std::shared_ptr<const Classifier> classifier(M<float> model) {
  return std::make_shared<const ClassifierOf<M>>(std::move(model));
}

/// The model itself where it is an M, else null.
template <template <class> class M>
const M<float>* model_in(const Classifier& any) {
  const auto* of = dynamic_cast<const ClassifierOf<M>*>(&any);
  return of ? &of->model() : nullptr;
}

/// The weights of a model of any kind.
inline std::int64_t count_parameters(const Classifier& model) {
  std::int64_t n = 0;
  model.each_tensor([&](const std::string&, const AnyTensor& x) { n += x.size(); });
  return n;
}

/// How well the model finds the labels of the examples `indices`.
inline Metrics evaluate(const Classifier& model, const Encoded& texts, std::span<const std::int64_t> indices) {
  require(std::int64_t(texts.labels.size()) == texts.size(), "evaluate: ", texts.size(), " texts, ",
          texts.labels.size(), " labels");
  std::vector<std::int32_t> labels;
  labels.reserve(indices.size());
  for (const auto i : indices) labels.push_back(std::int32_t(texts.labels[std::size_t(i)]));
  MetricsCounter counter(model.classes());
  counter.add<float>(labels, softmax(model.logits(texts, indices)));
  return counter.result();
}
inline Metrics evaluate(const Classifier& model, const Encoded& texts) {
  return evaluate(model, texts, detail::all_of(texts));
}

}  // namespace quern::inline QUERN_ABI
