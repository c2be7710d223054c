/// Needs protozero and nlohmann-json. Models as ONNX files, which ONNX Runtime and others run without Quern.
///
///   save_onnx(model, "model.onnx", {"negative", "positive"});
///
/// Inputs: input_ids and attention_mask, of BERT also token_type_ids, int64 [batch_size, sequence_length], both axes
/// open; mask 1 for a token, 0 for padding, which stands at the end of a row and changes no logit. Output: logits,
/// float [batch_size, classes]. Every text needs a token. docs/onnx.md shows how to run one.
#pragma once
#include <quern/io/onnx_recurrent.hpp>
#include <quern/io/onnx_save.hpp>
#include <quern/io/onnx_text_cnn.hpp>
#include <quern/io/onnx_transformer.hpp>
