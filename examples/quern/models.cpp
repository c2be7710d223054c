#include "models.hpp"

#include "reading.hpp"

using namespace quern;

namespace {
const ModelKind* const kinds[] = {&text_cnn_kind, &lstm_kind, &gru_kind, &transformer_kind, &bert_kind};
}  // namespace

const ModelKind& kind_named(std::string_view name) {
  for (const ModelKind* kind : kinds)
    if (name == kind->name) return *kind;
  throw_error(text_of("model '", name, "' is not known"));
}

LoadedModel load_model(const std::string& path, Device device) {
  if (is_of_hugging_face(path)) return {load_bert_folder(path).to(device), bert_kind};
  std::vector<ModelReader> readers;
  for (const ModelKind* kind : kinds)
    if (kind->read) readers.push_back({kind->name, kind->read});
  Predictor predictor = load_run(path, cleaning_function(), readers).to(device);
  const std::string config = RunFolder{path}.config();
  return {std::move(predictor), kind_named(json_value<std::string>(read_json(config), "model", config))};
}
