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
#include <quern/tensor/packed.hpp>
#include <quern/tensor/random.hpp>
#include <quern/tensor/tensor.hpp>
#include <quern/tensor/walk.hpp>

#include <quern/autograd/gradcheck.hpp>
#include <quern/autograd/recorded.hpp>
#include <quern/autograd/tape.hpp>

#include <quern/ops/add.hpp>
#include <quern/ops/concat.hpp>
#include <quern/ops/conv1d.hpp>
#include <quern/ops/conv1d_relu_max_over_time.hpp>
#include <quern/ops/dropout.hpp>
#include <quern/ops/embedding.hpp>
#include <quern/ops/linear.hpp>
#include <quern/ops/matmul.hpp>
#include <quern/ops/max_over_time.hpp>
#include <quern/ops/relu.hpp>
#include <quern/ops/softmax.hpp>

#include <quern/nn/conv1d.hpp>
#include <quern/nn/embedding.hpp>
#include <quern/nn/initialise.hpp>
#include <quern/nn/linear.hpp>

#include <quern/loss/cross_entropy.hpp>

#include <quern/optim/adam.hpp>
#include <quern/optim/clip.hpp>
#include <quern/optim/schedule.hpp>
#include <quern/optim/sgd.hpp>

#include <quern/models/text_cnn.hpp>

#include <quern/text/tokenizer.hpp>
#include <quern/text/vocabulary.hpp>

#include <quern/data/batches.hpp>
#include <quern/data/encode.hpp>
#include <quern/data/read.hpp>
#include <quern/data/split.hpp>
