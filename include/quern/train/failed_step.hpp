/// Needs nlohmann-json. A training step that broke: which op it was, and a file from which it can be run again.
///
///   std::string found = find_failure(model, batch, {.step = 12, .seed = 1}, "failed_step.safetensors");
///   // "linear 1 (out), forward: its result [50, 2] has 3 of 100 elements not finite …"
///   rerun_failed_step("failed_step.safetensors", model);         // the same, anywhere: throws FiniteCheck::Failure
///
/// The file holds the weights before the step (model.*), the batch (batch.*), what went into the op (op.input.0 …,
/// op.gradient) and, as JSON under "step", op, layer, step, seed and settings.
#pragma once
#include <string>
#include <vector>

#include <quern/autograd/finite_check.hpp>
#include <quern/io/safetensors.hpp>
#include <quern/loss/cross_entropy.hpp>

namespace quern::inline QUERN_ABI {

/// What a step is made from besides model and batch.
struct StepRecipe {
  std::int64_t step = 0;  // of the training, from 0
  std::uint64_t seed = 1;
  double label_smoothing = 0;
  std::vector<double> class_weights{};
};

/// One pass of forward and backward over `batch`, which is on the model's device, under `check`; the model stays as it
/// is. Gives the loss.
template <template <class> class M, class T, class Rule = TrainAll>
T checked_pass(const M<T>& model, const Batch& batch, const StepRecipe& recipe, FiniteCheck& check,
               const Rule& rule = {}) {
  CrossEntropyOptions<T> options;
  options.label_smoothing = recipe.label_smoothing;
  options.class_weights = Tensor<T, 1>(recipe.class_weights.size());
  for (std::size_t c = 0; c < recipe.class_weights.size(); ++c) options.class_weights(c) = T(recipe.class_weights[c]);
  options.class_weights = options.class_weights.to(batch.ids.device());
  auto grads = zeros_like(model, rule);
  Tape tape(Random(recipe.seed, Purpose::dropout, std::uint32_t(recipe.step)));
  tape.observe(&check);
  const auto loss = cross_entropy(tape.watch(model, grads, rule)(batch), batch.labels, options);
  tape.backward(loss);
  return loss.item();
}

namespace detail {
template <template <class> class M, class T, class Rule>
void save_failed_step(const std::string& path, const M<T>& model, const Batch& batch, const StepRecipe& recipe,
                      const FiniteCheck& check, const FiniteCheck::Failure& failure, const Rule& rule) {
  nlohmann::json step = {{"op", failure.op},
                         {"layer", failure.layer},
                         {"pass", failure.where == FiniteCheck::in_forward ? "forward" : "backward"},
                         {"message", failure.what()},
                         {"step", recipe.step},
                         {"seed", recipe.seed},
                         {"label_smoothing", recipe.label_smoothing},
                         {"class_weights", recipe.class_weights},
                         {"frozen", nlohmann::json::array()},
                         {"settings", nlohmann::json::object()}};
  walk(
      [&](const Path& at, const auto& x) {
        using X = std::remove_cvref_t<decltype(x)>;
        if constexpr (is_tensor<X>) {
          if (!options_of(rule, at).train) step["frozen"].push_back(at.text());
        } else if constexpr (!std::is_enum_v<X>) {
          step["settings"][at.text()] = x;
        }
      },
      model);
  SafetensorsWriter writer;
  writer.note("format", "quern failed step 1");
  writer.note("step", step.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  const M<T> weights = to(model, Device::cpu());  // the writer reads them when it saves
  const Batch texts = to(batch, Device::cpu());
  writer.add_model(weights, "model.");
  writer.add("batch.ids", texts.ids), writer.add("batch.offsets", texts.offsets);
  writer.add("batch.labels", texts.labels);
  if (texts.types.size() > 0) writer.add("batch.types", texts.types);
  const auto add = [&](const std::string& name, const AnyTensor& x) {
    if (x.memory && x.type == &element_type<T>) writer.add(name, x);
  };
  const auto& inputs = check.current().inputs;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    add("op.input." + std::to_string(i), check.value(inputs[i]).at.tensor);
  add("op.gradient", check.gradient());
  writer.save(path);
}
}  // namespace detail

/// Runs the step again under a FiniteCheck. Says what broke first, "" where nothing did; where `path` is given, leaves
/// the file there. A weight that is broken before the step leaves none: then an earlier step is the one to look at.
template <template <class> class M, class T, class Rule = TrainAll>
std::string find_failure(const M<T>& model, const Batch& batch, const StepRecipe& recipe, const std::string& path = "",
                         const Rule& rule = {}) {
  FiniteCheck check;
  try {
    checked_pass(model, batch, recipe, check, rule);
    return "";
  } catch (const FiniteCheck::Failure& failure) {
    if (path.empty() || failure.where == FiniteCheck::in_parameter) return failure.what();
    detail::save_failed_step(path, model, batch, recipe, check, failure, rule);
    return text_of(failure.what(), "; ", path, " holds the step, to be run again");
  }
}

/// Fills `model` (of the right shapes) from the file and runs its step again, on the model's device. Gives the loss,
/// where nothing breaks now; else throws FiniteCheck::Failure.
template <template <class> class M, class T>
T rerun_failed_step(const std::string& path, M<T>& model) {
  const Device device = device_of(model);
  const SafetensorsFile file(path);
  const nlohmann::json step = parse_json(file.note("step"), path + ": step");
  load_safetensors(model, file, "model.");
  const auto settings = json_value<nlohmann::json>(step, "settings", path);
  walk(
      [&](const Path& at, auto& x) {
        using X = std::remove_cvref_t<decltype(x)>;
        if constexpr (!is_tensor<X> && !std::is_enum_v<X>) x = json_value<X>(settings, at.text(), path);
      },
      model);
  const auto read = [&](const char* name, auto x) {
    check(file.tensors().contains(name) && file.tensors().at(name).shape.size() == 1, path, ": has no list ", name);
    x = decltype(x)(file.tensors().at(name).shape[0]);
    file.read(name, x);
    return x;
  };
  Batch texts{read("batch.ids", Ids()), read("batch.offsets", Offsets()), read("batch.labels", Ids())};
  if (file.tensors().contains("batch.types")) texts.types = read("batch.types", Ids());
  const Batch batch = to(texts, device);
  const auto frozen = json_value<std::vector<std::string>>(step, "frozen", path);
  FiniteCheck finite;
  return checked_pass(
      model, batch,
      {json_value<std::int64_t>(step, "step", path), json_value<std::uint64_t>(step, "seed", path),
       json_value<double>(step, "label_smoothing", path), json_value<std::vector<double>>(step, "class_weights", path)},
      finite, [&](const std::string& name) {
        return ParameterOptions{.train = std::find(frozen.begin(), frozen.end(), name) == frozen.end()};
      });
}

}  // namespace quern::inline QUERN_ABI
