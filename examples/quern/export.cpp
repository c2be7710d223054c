/// quern export: a trained model in a form that other programs run.
#include "commands.hpp"
#include "models.hpp"

using namespace quern;

int run_export(const ExportSettings& s) {
  const auto [predictor, kind] = load_model(s.folder, Device::cpu());
  if (s.to == "onnx") {
    kind.save_onnx(predictor.model(), s.out, predictor.classes());
  } else {
    check(&kind == &bert_kind, s.folder, ": is a ", kind.name, ", which Hugging Face has no form for; expected a bert");
    check(s.force || !is_of_hugging_face(s.out), s.out,
          ": holds a model; give another --out, or replace it with --force");
    save_bert_folder(s.out, predictor, s.folder);
  }
  print(text_of(s.out, ": ", kind.name, ", ", count_parameters(predictor.model()), " weights, ",
                predictor.classes().size(), " classes, ids of ", predictor.ids().size(), " tokens (",
                predictor.ids().name(), ")\n"));
  return 0;
}
