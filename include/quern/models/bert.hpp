/// BERT (Devlin et al. 2018): word, position and token-type embeddings, post-norm encoder blocks, and on top of them a
/// classifier, the masked language model, or one vector for a sentence.
///
///   auto model = make_bert_classifier({.vocabulary = 30522, .layers = 6, .classes = 2}, seed);   // or from a folder:
///   auto model = load_bert_classifier("folder").model;       // io/hugging_face.hpp
///   auto logits = model(batch);                              // [B, 2]; batch.types: which text of a pair
///
/// A text begins with [CLS] and ends with [SEP], as BERT's tokenizers write it: of its last layer a classifier sees the
/// first row alone, so there the other rows are computed only as far as the first needs them.
#pragma once
#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <vector>

#include <quern/autograd/checkpoint.hpp>
#include <quern/nn/embedding.hpp>
#include <quern/nn/encoder_block.hpp>
#include <quern/ops/mean_over_time.hpp>
#include <quern/ops/positions.hpp>
#include <quern/ops/tanh.hpp>

namespace quern::inline QUERN_ABI {

/// Sizes and settings; the defaults are those of BERT base. `classes` is a classifier's.
struct BertConfig {
  std::int64_t vocabulary = 0, hidden = 768, layers = 12, heads = 12, intermediate = 3072;
  std::int64_t positions = 512, types = 2, pad_token = 0, classes = 2;
  double dropout = 0.1, attention_dropout = 0.1, classifier_dropout = 0.1, norm_eps = 1e-12, initial_deviation = 0.02;

  /// The numbers of the encoder without pooler or head; counted in double, so that nothing overflows.
  double parameters() const {
    const double c = double(hidden), f = double(intermediate);
    return c * (double(vocabulary) + double(positions) + double(types) + 2) +
           double(layers) * (4 * c * (c + 1) + 2 * c * f + f + 5 * c);
  }
};

/// words(ids) + types(types) + positions, normalised.
template <class T = float>
struct BertEmbeddings {
  nn::Embedding<T> words, positions, types;  // [V, C], [most tokens of a text, C], [2, C]
  nn::LayerNorm<T> norm;
  double dropout = 0.1;

  static void visit(auto&& f, auto&... m) {
    f("words", m.words...), f("positions", m.positions...), f("types", m.types...);
    f("norm", m.norm...), f("dropout", m.dropout...);
  }

  /// ids [N], types [N] or [0] → rows [N, C]: words and types, without positions
  auto words_and_types(const Batch& batch) const {
    const bool given = batch.types.size() > 0 || batch.tokens() == 0;
    const auto of_types = types(given ? batch.types.share() : Ids(batch.ids.shape(), batch.ids.device()));
    return Packed{add(words(batch.ids), of_types), batch.offsets};
  }

  /// Rows [N, C] of words and types → rows [N, C] that go into the first block
  template <class X>
  Packed<X> operator()(const Packed<X>& x) const {
    check_places("bert", x.offsets, positions.weight.extent(0));
    const auto places = positions(token_positions(x.offsets, x.rows.extent(0)));
    const auto normed = layer_norm_residual(x.rows, places, norm.weight, norm.bias, norm.eps, 0);
    return {quern::dropout(normed, dropout), x.offsets};
  }
};

/// The encoder, and its pooler where it has one.
template <class T = float>
struct Bert {
  BertEmbeddings<T> embeddings;
  std::vector<nn::EncoderBlock<T>> blocks;
  std::optional<nn::Linear<T>> pooler;  // [C, C]
  bool recompute = false;  // compute every block again in backward instead of keeping what that needs: less memory

  static void visit(auto&& f, auto&... m) {
    f("embeddings", m.embeddings...), f("blocks", m.blocks...), f("pooler", m.pooler...);
    f("recompute", m.recompute...);
  }

  /// ids [N] of B texts → rows [N, C] that an attack may move: words and types
  auto embedded(const Batch& batch) const { return embeddings.words_and_types(batch); }

  /// … → the last layer's rows [N, C]
  template <class X>
  Packed<X> hidden(const Packed<X>& vectors) const {
    return through(embeddings(vectors), blocks.size());
  }
  /// … → of the last layer the rows `rows` [R] alone: [R, C]
  template <class X>
  Tensor<X, 2> hidden(const Packed<X>& vectors, const Ids& rows) const {
    if (blocks.empty()) return embedding(rows, embeddings(vectors).rows);
    const auto x = through(embeddings(vectors), blocks.size() - 1);
    if (!recompute) return blocks.back().of_rows(x, rows);
    return checkpoint([](const auto& last, const auto& h, const Ids& r) { return last.of_rows(h, r); }, blocks.back(),
                      x, rows);
  }

  /// … → tanh of the pooler of each text's first row [B, C]
  template <class X>
  Tensor<X, 2> pooled(const Packed<X>& vectors) const {
    require(pooler.has_value(), "bert: this encoder has no pooler");
    return tanh((*pooler)(hidden(vectors, first_rows(vectors.offsets, vectors.rows.extent(0)))));
  }

  /// ids [N] of B texts → the last layer's rows [N, C]
  auto operator()(const Batch& batch) const { return hidden(embedded(batch)); }

 private:
  template <class X>
  Packed<X> through(Packed<X> x, std::size_t layers) const {
    for (std::size_t i = 0; i < layers; ++i) x = recompute ? checkpoint(blocks[i], x) : blocks[i](x);
    return x;
  }
};

/// One rate for all dropout of an encoder, that of its attention included.
template <class T>
void use_dropout(Bert<T>& model, double rate) {
  model.embeddings.dropout = rate;
  for (auto& block : model.blocks) block.dropout = block.attention.dropout = rate;
}

/// Classes of texts, or of pairs of texts.
template <class T = float>
struct BertClassifier {
  Bert<T> bert;              // with a pooler
  nn::Linear<T> classifier;  // [classes, C]
  double dropout = 0.1;      // of what the pooler gives

  static void visit(auto&& f, auto&... m) {
    f("bert", m.bert...), f("classifier", m.classifier...), f("dropout", m.dropout...);
  }

  /// In two parts, so that an attack can stand between them.
  auto embedded(const Batch& batch) const { return bert.embedded(batch); }
  auto logits(const auto& vectors) const { return classifier(quern::dropout(bert.pooled(vectors), dropout)); }

  /// ids [N] of B texts → logits [B, classes]
  auto operator()(const Batch& batch) const { return logits(embedded(batch)); }
};

/// What a program around classifiers of any kind asks a model for.
template <class T>
std::int64_t vocabulary_of(const BertClassifier<T>& model) {
  return model.bert.embeddings.words.weight.extent(0);
}
template <class T>
std::int64_t classes_of(const BertClassifier<T>& model) {
  return model.classifier.weight.extent(0);
}

/// The masked language model: which word stood where [MASK] stands now. The words' own table scores them.
template <class T = float>
struct BertMaskedLm {
  Bert<T> bert;
  nn::Linear<T> transform;  // [C, C]
  nn::LayerNorm<T> norm;
  Tensor<T, 1> bias;  // [V]

  static void visit(auto&& f, auto&... m) {
    f("bert", m.bert...), f("transform", m.transform...), f("norm", m.norm...), f("bias", m.bias...);
  }

  /// ids [N] → logits [R, V] for the tokens `rows` [R]: the masked ones, which is all that a loss asks for
  auto operator()(const Batch& batch, const Ids& rows) const {
    const auto h = norm(gelu(transform(bert.hidden(bert.embedded(batch), rows))));
    return linear(h, bert.embeddings.words.weight, bias);
  }
};

/// One vector for a text: the mean of its last layer's rows, of length 1 (Reimers & Gurevych 2019).
template <class T = float>
struct BertSentence {
  Bert<T> bert;

  static void visit(auto&& f, auto&... m) { f("bert", m.bert...); }

  /// ids [N] of B texts → the mean of each text's rows [B, C]; contrastive losses normalise by themselves
  auto mean(const Batch& batch) const { return mean_over_time(bert(batch)); }

  /// ids [N] of B texts → [B, C], each row of length 1. Not for a tape.
  Tensor<T, 2> operator()(const Batch& batch) const requires Number<T> { return normalised(mean(batch)); }

 private:
  static Tensor<T, 2> normalised(const Tensor<T, 2>& mean) {
    auto y = mean.to(Device::cpu());
    for (std::int64_t b = 0; b < y.extent(0); ++b) {
      double squares = 0;
      for (std::int64_t c = 0; c < y.extent(1); ++c) squares += double(y(b, c)) * double(y(b, c));
      const double scale = 1 / std::max(std::sqrt(squares), 1e-12);
      for (std::int64_t c = 0; c < y.extent(1); ++c) y(b, c) = T(double(y(b, c)) * scale);
    }
    return mean.device().is_cpu() ? std::move(y) : y.to(mean.device());
  }
};

namespace detail {
inline void check_bert_config(const BertConfig& c) {
  require(c.vocabulary > 0 && c.hidden > 0 && c.layers >= 0 && c.heads > 0 && c.intermediate > 0 && c.positions > 0 &&
              c.types > 0 && c.classes > 0,
          "bert: vocabulary ", c.vocabulary, ", hidden ", c.hidden, ", layers ", c.layers, ", heads ", c.heads,
          ", intermediate ", c.intermediate, ", positions ", c.positions, ", types ", c.types, ", classes ", c.classes,
          "; layers must be at least 0, all others at least 1");
  require(c.hidden % c.heads == 0, "bert: hidden ", c.hidden, " must be a multiple of heads, ", c.heads);
}

template <class T>
Bert<T> bert_of_zeros(const BertConfig& c, bool with_pooler) {
  check_bert_config(c);
  Bert<T> m;
  m.embeddings.words = {c.vocabulary, c.hidden};
  m.embeddings.positions = {c.positions, c.hidden};
  m.embeddings.types = {c.types, c.hidden};
  m.embeddings.norm = nn::LayerNorm<T>(c.hidden, c.norm_eps);
  m.embeddings.dropout = c.dropout;
  for (std::int64_t i = 0; i < c.layers; ++i)
    m.blocks.emplace_back(c.hidden, c.heads, c.intermediate,
                          nn::EncoderBlockOptions{
                              .dropout = c.dropout, .attention_dropout = c.attention_dropout, .norm_eps = c.norm_eps});
  if (with_pooler) m.pooler.emplace(c.hidden, c.hidden);
  return m;
}
}  // namespace detail

/// BERT's initial values: matrices normal with a small deviation, cut at two of them; norms 1, biases 0. They depend on
/// the seed and on the parameter's place alone. `choose(name)`: the parameters to be given such values.
template <class M, class Choose>
void initialise_bert(M& model, std::uint64_t seed, double deviation, Choose&& choose) {
  const Random random(seed, Purpose::initial);
  std::uint32_t op = 0;
  walk_tensors(
      [&](const Path& path, auto& w) {
        const auto own = op++;
        if (!choose(path.text())) return;
        using W = std::remove_cvref_t<decltype(w)>;
        if constexpr (W::rank >= 2) truncated_normal(w, deviation, random, own);
        if constexpr (W::rank == 1) w.fill(typename W::Element(path.text().ends_with("norm.weight") ? 1.0f : 0.0f));
      },
      model);
  name_parameters(model);
}
template <class M>
void initialise_bert(M& model, std::uint64_t seed, double deviation = 0.02) {
  initialise_bert(model, seed, deviation, [](const std::string&) { return true; });
}

template <class T = float>
BertClassifier<T> make_bert_classifier(const BertConfig& config, std::uint64_t seed) {
  BertClassifier<T> m{
      detail::bert_of_zeros<T>(config, true), {config.hidden, config.classes}, config.classifier_dropout};
  initialise_bert(m, seed, config.initial_deviation);
  return m;
}
template <class T = float>
BertMaskedLm<T> make_bert_masked_lm(const BertConfig& config, std::uint64_t seed) {
  BertMaskedLm<T> m{detail::bert_of_zeros<T>(config, false),
                    {config.hidden, config.hidden},
                    nn::LayerNorm<T>(config.hidden, config.norm_eps),
                    Tensor<T, 1>(config.vocabulary)};
  initialise_bert(m, seed, config.initial_deviation);
  return m;
}
/// Gives the new model's bias the logarithm of how often each token stands in `ids`, counts from 1: what is to be known
/// before any context is, and takes a thousand steps to learn otherwise.
template <class T>
void guess_by_frequency(BertMaskedLm<T>& model, std::span<const std::int32_t> ids) {
  std::vector<double> counts(std::size_t(model.bias.size()), 1);
  for (const auto id : ids) {
    require(id >= 0 && id < model.bias.size(), "guess_by_frequency: token ", id, ", but the vocabulary has ",
            model.bias.size());
    ++counts[std::size_t(id)];
  }
  Tensor<T, 1> bias(model.bias.size());
  for (std::int64_t i = 0; i < bias.size(); ++i)
    bias(i) = T(float(std::log(counts[std::size_t(i)] / double(ids.size() + counts.size()))));
  model.bias = bias.to(model.bias.device());
}
template <class T = float>
BertSentence<T> make_bert_sentence(const BertConfig& config, std::uint64_t seed) {
  BertSentence<T> m{detail::bert_of_zeros<T>(config, false)};
  initialise_bert(m, seed, config.initial_deviation);
  return m;
}
template <class T = float>
Bert<T> make_bert(const BertConfig& config, std::uint64_t seed, bool with_pooler = true) {
  auto m = detail::bert_of_zeros<T>(config, with_pooler);
  initialise_bert(m, seed, config.initial_deviation);
  return m;
}

}  // namespace quern::inline QUERN_ABI
