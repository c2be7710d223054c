/// What a person sees while training runs: a bar on a terminal; elsewhere a plain line for each epoch, and within long
/// epochs one a minute. It writes to stderr alone, so that results on stdout can be read by programs.
///
///   Progress progress;                                    // a bar if stderr is a terminal
///   progress.update({.epoch = 1, .epochs = 20, .batch = 7, .batches = 192, .loss = 0.61, .texts = 350});
///   progress.line("epoch 1/20  train loss 0.6121");
#pragma once
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include <quern/base/config.hpp>

namespace quern::inline QUERN_ABI {

/// Where a training is. `texts`: trained on in this epoch since this process began; they give the speed.
struct ProgressState {
  std::int64_t epoch = 0, epochs = 0, batch = 0, batches = 0;  // epoch and batch from 1
  double loss = 0;                                             // mean of the epoch so far
  std::int64_t texts = 0;
};

/// "1:23:45" or "3:05".
inline std::string clock_text(double seconds) {
  const auto s = static_cast<long long>(std::max(0.0, seconds) + 0.5);
  char text[40];
  if (s >= 3600) {
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
  } else {
    std::snprintf(text, sizeof text, "%lld:%02lld", s / 60, s % 60);
  }
  return text;
}

class Progress {
 public:
  enum class Form { silent, lines, bar };

  explicit Progress(Form form = ::isatty(2) ? Form::bar : Form::lines) : form_(form) {}

  /// Redraws the bar, at most ten times a second; or prints a line, at most once a minute.
  void update(const ProgressState& s) {
    const auto now = std::chrono::steady_clock::now();
    const bool bar = form_ == Form::bar;
    if (s.epoch != epoch_) {
      epoch_ = s.epoch, began_ = now, first_batch_ = s.batch - 1;
      drawn_ = bar ? std::chrono::steady_clock::time_point{} : now;
    }
    const std::chrono::milliseconds pause = bar ? std::chrono::milliseconds(100) : std::chrono::minutes(1);
    const bool last = s.batch == s.batches;  // the bar shows it at once; a line would say what the epoch's line says
    if (form_ == Form::silent || (last ? !bar : now - drawn_ < pause)) return;
    drawn_ = now;
    const double seconds = std::chrono::duration<double>(now - began_).count();
    const auto done = s.batch - first_batch_;
    const double left = done > 0 ? seconds / double(done) * double(s.batches - s.batch) : 0;
    const std::string text = bar_text(s, seconds > 0 ? double(s.texts) / seconds : 0, left);
    if (!bar) return line(text);
    std::fputs(("\r" + text + "\x1b[K").c_str(), stderr);
    std::fflush(stderr);
    shown_ = true;
  }

  /// A line of its own, the bar removed.
  void line(std::string_view text) {
    if (form_ == Form::silent) return;
    clear();
    std::fprintf(stderr, "%.*s\n", int(text.size()), text.data());
    std::fflush(stderr);
  }

  /// Removes the bar.
  void clear() {
    if (shown_) std::fputs("\r\x1b[K", stderr);
    shown_ = false;
  }

  /// The bar of one moment: "epoch 2/20 [########------------] 77/192  loss 0.4312  5210 texts/s  0:12 left"
  static std::string bar_text(const ProgressState& s, double texts_per_second, double seconds_left) {
    constexpr std::int64_t width = 20;
    const auto filled = s.batches > 0 ? std::min(width, s.batch * width / s.batches) : 0;
    char text[200];
    std::snprintf(text, sizeof text, "epoch %lld/%lld [%s%s] %lld/%lld  loss %.4f  %.0f texts/s  %s left",
                  static_cast<long long>(s.epoch), static_cast<long long>(s.epochs),
                  std::string(std::size_t(filled), '#').c_str(), std::string(std::size_t(width - filled), '-').c_str(),
                  static_cast<long long>(s.batch), static_cast<long long>(s.batches), s.loss, texts_per_second,
                  clock_text(seconds_left).c_str());
    return text;
  }

 private:
  Form form_;
  bool shown_ = false;
  std::int64_t epoch_ = 0, first_batch_ = 0;
  std::chrono::steady_clock::time_point began_{}, drawn_{};
};

}  // namespace quern::inline QUERN_ABI
