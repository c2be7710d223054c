/// The code and the transcripts of docs/backprop.md. What follows `<!-- transcript: NAME -->` in the page is what the
/// stepper prints here; with QUERN_UPDATE=1 it is written into the page.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <quern/base/file.hpp>
#include <quern/loss/cross_entropy.hpp>
#include <quern/nn/linear.hpp>
#include <quern/train/stepper.hpp>

using namespace quern;

// snippet: backprop-net
template <class T = float>
struct TinyNet {
  nn::Linear<T> hidden{2, 2}, out{2, 2};
  static void visit(auto&& f, auto&... m) { f("hidden", m.hidden...), f("out", m.out...); }
  auto operator()(const auto& x) const { return out(relu(hidden(x))); }  // [B, 2] → [B, 2]
};
// end

namespace {

TinyNet<> tiny_net() {
  TinyNet<> net;
  // snippet: backprop-weights
  net.hidden.weight = Tensor<float, 2>::of({2, 2}, {1, -1, 0.5, 1});
  net.hidden.bias = Tensor<float, 1>::of({2}, {0, -3});
  net.out.weight = Tensor<float, 2>::of({2, 2}, {1, 0, -1, 2});
  net.out.bias = Tensor<float, 1>::of({2}, {0.5, 0});
  const auto x = Tensor<float, 2>::of({1, 2}, {2, 1});  // one point,
  const auto label = Ids::of({1}, {1});                 // of class 1
  // end
  CHECK(cross_entropy(net(x), label).item() == doctest::Approx(std::log(1 + std::exp(2.5))));
  return net;
}

const auto x = Tensor<float, 2>::of({1, 2}, {2, 1});
const auto label = Ids::of({1}, {1});

/// What the stepper of the page prints, with or without a stop.
std::string transcript(const TinyNet<>& net, bool stop, const char* input) {
  char* text = nullptr;
  std::size_t size = 0;
  std::string answers = input;
  std::FILE* const out = open_memstream(&text, &size);
  std::FILE* const in = answers.empty() ? nullptr : fmemopen(answers.data(), answers.size(), "r");
  {
    // snippet: backprop-step
    TinyNet<> grads = zeros_like(net);
    Stepper stepper(in, out);  // Stepper stepper; uses the terminal
    Tape tape;
    tape.observe(&stepper);
    if (stop) stepper.stop_at("hidden");
    tape.backward(cross_entropy(tape.watch(net, grads)(x), label));
    // end
  }
  if (in) std::fclose(in);
  std::fclose(out);
  const std::string result(text, size);
  std::free(text);
  return result.substr(0, result.find_last_not_of(" \n") + 1) + "\n";
}

}  // namespace

TEST_CASE("a tape in a few lines") {
  // snippet: backprop-toy
  std::vector<double> value, gradient;      // of every number that was computed, and of the loss by it
  std::vector<std::function<void()>> tape;  // how each op hands its gradient on

  auto number = [&](double v) {
    value.push_back(v), gradient.push_back(0);
    return value.size() - 1;  // its place
  };
  auto times = [&](std::size_t a, std::size_t b) {
    const auto y = number(value[a] * value[b]);
    tape.push_back([&, a, b, y] {
      gradient[a] += gradient[y] * value[b];  // ∂(ab)/∂a = b
      gradient[b] += gradient[y] * value[a];
    });
    return y;
  };
  auto sine = [&](std::size_t a) {
    const auto y = number(std::sin(value[a]));
    tape.push_back([&, a, y] { gradient[a] += gradient[y] * std::cos(value[a]); });
    return y;
  };

  const auto w = number(0.5), u = number(3);
  const auto loss = times(sine(times(w, u)), w);                   // sin(w u) · w
  gradient[loss] = 1;                                              // the loss by itself
  for (auto op = tape.rbegin(); op != tape.rend(); ++op) (*op)();  // from the end
  std::printf("%g by w, %g by u\n", gradient[w], gradient[u]);     // 1.1036 by w, 0.0176843 by u
  // end
  CHECK(gradient[w] == doctest::Approx(0.5 * 3 * std::cos(1.5) + std::sin(1.5)));
  CHECK(gradient[u] == doctest::Approx(0.25 * std::cos(1.5)));
  CHECK(text_of(gradient[w], " by w, ", gradient[u], " by u") == "1.1036 by w, 0.0176843 by u");
}

TEST_CASE("the transcripts of the page are the stepper's") {
  const TinyNet<> net = tiny_net();
  const std::map<std::string, std::string> printed = {{"all", transcript(net, false, "")},
                                                      {"layer", transcript(net, true, "q\n")}};
  const std::string path = QUERN_SOURCE_DIR "/docs/backprop.md", page = read_file(path);
  std::string made = page;
  for (const auto& [name, text] : printed) {
    const std::string begin = "<!-- transcript: " + name + " -->\n```text\n";
    const auto from = made.find(begin);
    REQUIRE_MESSAGE(from != std::string::npos, begin);
    const auto end = made.find("```\n", from + begin.size());
    REQUIRE(end != std::string::npos);
    made.replace(from + begin.size(), end - from - begin.size(), text);
  }
  if (std::getenv("QUERN_UPDATE") && made != page) return atomic_write(path, made);
  CHECK_MESSAGE(made == page, path, " holds another transcript than the stepper prints; write it anew with ",
                "QUERN_UPDATE=1 test_docs --source-file=*backprop.cpp");
}
