/// Quern in the order of its levels: from memory to a trained classifier. Eigen is the only dependency. Headers that
/// need more (io/, train/) are included by name.
///
///   auto model = make_text_cnn({.vocabulary = 20000, .classes = 2}, seed);
///   auto verdict = softmax(model(batch));
#pragma once

#include <quern/base/version.hpp>

#include <quern/base/activation.hpp>
#include <quern/base/cpu_features.hpp>
#include <quern/base/error.hpp>
#include <quern/base/parallel_for.hpp>

#include <quern/tensor/accumulate.hpp>
#include <quern/tensor/borrow.hpp>
#include <quern/tensor/packed.hpp>
#include <quern/tensor/print.hpp>
#include <quern/tensor/random.hpp>
#include <quern/tensor/tensor.hpp>
#include <quern/tensor/walk.hpp>

#include <quern/autograd/checkpoint.hpp>
#include <quern/autograd/custom_op.hpp>
#include <quern/autograd/gradcheck.hpp>
#include <quern/autograd/recorded.hpp>
#include <quern/autograd/tape.hpp>

#include <quern/ops/add.hpp>
#include <quern/ops/attention.hpp>
#include <quern/ops/concat.hpp>
#include <quern/ops/conv1d.hpp>
#include <quern/ops/conv1d_relu_max_over_time.hpp>
#include <quern/ops/dropout.hpp>
#include <quern/ops/embedding.hpp>
#include <quern/ops/gelu.hpp>
#include <quern/ops/gru.hpp>
#include <quern/ops/layer_norm.hpp>
#include <quern/ops/layer_norm_residual.hpp>
#include <quern/ops/linear.hpp>
#include <quern/ops/log_softmax.hpp>
#include <quern/ops/lstm.hpp>
#include <quern/ops/matmul.hpp>
#include <quern/ops/max_over_time.hpp>
#include <quern/ops/mean.hpp>
#include <quern/ops/mean_over_time.hpp>
#include <quern/ops/mul.hpp>
#include <quern/ops/positions.hpp>
#include <quern/ops/relu.hpp>
#include <quern/ops/reshape.hpp>
#include <quern/ops/scale.hpp>
#include <quern/ops/sigmoid.hpp>
#include <quern/ops/slice.hpp>
#include <quern/ops/softmax.hpp>
#include <quern/ops/softplus.hpp>
#include <quern/ops/split.hpp>
#include <quern/ops/sum.hpp>
#include <quern/ops/tanh.hpp>
#include <quern/ops/transpose.hpp>

#include <quern/nn/conv1d.hpp>
#include <quern/nn/embedding.hpp>
#include <quern/nn/encoder_block.hpp>
#include <quern/nn/gru.hpp>
#include <quern/nn/initialise.hpp>
#include <quern/nn/layer_norm.hpp>
#include <quern/nn/linear.hpp>
#include <quern/nn/lstm.hpp>
#include <quern/nn/multi_head_attention.hpp>

#include <quern/loss/binary_cross_entropy_with_logits.hpp>
#include <quern/loss/cross_entropy.hpp>
#include <quern/loss/focal_loss.hpp>
#include <quern/loss/info_nce.hpp>
#include <quern/loss/kl_divergence.hpp>
#include <quern/loss/mse_loss.hpp>
#include <quern/loss/triplet_margin_loss.hpp>

#include <quern/optim/adam.hpp>
#include <quern/optim/average.hpp>
#include <quern/optim/clip.hpp>
#include <quern/optim/lamb.hpp>
#include <quern/optim/layerwise_decay.hpp>
#include <quern/optim/mixed_precision.hpp>
#include <quern/optim/schedule.hpp>
#include <quern/optim/sgd.hpp>

#include <quern/models/bert.hpp>
#include <quern/models/gru_classifier.hpp>
#include <quern/models/lstm_classifier.hpp>
#include <quern/models/text_cnn.hpp>
#include <quern/models/transformer_classifier.hpp>

#include <quern/text/tokenizer.hpp>
#include <quern/text/vocabulary.hpp>

#include <quern/data/batches.hpp>
#include <quern/data/encode.hpp>
#include <quern/data/read.hpp>
#include <quern/data/split.hpp>
