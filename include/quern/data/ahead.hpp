/// Values prepared by another thread, a few ahead of the one who takes them.
///
///   Ahead ahead(0, 100, [&](std::int64_t k) { return prepare(k); });
///   for (Prepared value; ahead.next(value);) use(value);
///
/// The values come in order whatever the timing; an exception in `make` is thrown by the next() that would have given
/// its value; destroying an Ahead that is not used up waits for the one value in preparation.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>

#include <quern/base/config.hpp>

namespace quern::inline QUERN_ABI {

template <class Make>
class Ahead {
 public:
  using Value = std::invoke_result_t<Make&, std::int64_t>;
  static constexpr std::size_t depth = 2;  // values that wait at most

  /// Will give make(first) … make(end-1).
  Ahead(std::int64_t first, std::int64_t end, Make make)
      : make_(std::move(make)), worker_([this, first, end] { work(first, end); }) {}
  Ahead(const Ahead&) = delete;
  Ahead& operator=(const Ahead&) = delete;
  ~Ahead() {
    {
      std::lock_guard lock(mutex_);
      abandoned_ = true;
    }
    room_.notify_one();
    worker_.join();
  }

  /// Moves the next value into `value`, waiting for it; false after the last.
  bool next(Value& value) {
    std::unique_lock lock(mutex_);
    while (taken_ == made_ && !finished_) filled_.wait(lock);
    if (taken_ == made_) {
      if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
      return false;
    }
    value = std::move(ready_[taken_++ % depth]);
    lock.unlock();
    room_.notify_one();
    return true;
  }

 private:
  void work(std::int64_t first, std::int64_t end) {
    std::exception_ptr error;
    try {
      for (auto k = first; k < end; ++k) {
        Value value = make_(k);
        std::unique_lock lock(mutex_);
        while (made_ - taken_ == depth && !abandoned_) room_.wait(lock);
        if (abandoned_) return;
        ready_[made_++ % depth] = std::move(value);
        lock.unlock();
        filled_.notify_one();
      }
    } catch (...) { error = std::current_exception(); }
    {
      std::lock_guard lock(mutex_);
      finished_ = true;
      error_ = std::move(error);  // so that the one who takes it is its only owner
    }
    filled_.notify_one();
  }

  Make make_;
  std::mutex mutex_;
  std::condition_variable filled_, room_;
  Value ready_[depth];
  std::size_t made_ = 0, taken_ = 0;
  std::exception_ptr error_;
  bool finished_ = false, abandoned_ = false;
  std::thread worker_;  // last: it uses all of the above
};

}  // namespace quern::inline QUERN_ABI
