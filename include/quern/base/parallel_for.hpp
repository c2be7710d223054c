/// Threads that never change a result. Work is cut into chunks whose borders depend on the problem alone; which thread
/// takes a chunk, and how many threads there are, decides only the time.
///
///   set_threads(2);
///   parallel_for(rows, 96, [&](std::int64_t begin, std::int64_t end) { … });   // chunks of 96 rows
///
/// A call from inside a chunk, or while another thread's call runs, runs in line. An exception leaves parallel_for
/// after the chunks that were begun have ended. A child made by fork has no workers: call set_threads in it first.
#pragma once
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

#include <quern/base/error.hpp>

namespace quern::inline QUERN_ABI {
namespace detail {

/// What a job runs: `body(begin, end)` for chunk after chunk of [0, n). The body outlives the job.
struct Chunks {
  std::int64_t n = 0, grain = 1;
  void* object = nullptr;
  void (*body)(void*, std::int64_t, std::int64_t) = nullptr;
  std::int64_t count() const { return (n + grain - 1) / grain; }
  void operator()(std::int64_t c) const { body(object, c * grain, std::min(n, (c + 1) * grain)); }
};

class ThreadPool {
 public:
  [[gnu::noinline]] static ThreadPool& instance() {
    static ThreadPool pool;
    return pool;
  }

  int threads() const { return threads_.load(std::memory_order_relaxed); }

  [[gnu::cold, gnu::noinline]] void resize(int threads) {
    require(!inside_, "set_threads: called from inside parallel_for");
    std::lock_guard one_job(job_mutex_);
    stop_workers();
    threads_ = threads;
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this, seen = generation_] { work(seen); });
  }

  /// Runs call(0) … call(call.count()-1) on the pool and the calling thread.
  void run(const Chunks& call) {
    const std::int64_t chunks = call.count();
    if (chunks <= 1 || inside_ || threads() == 1 || !job_mutex_.try_lock()) {  // nested or busy: in line, same results
      for (std::int64_t c = 0; c < chunks; ++c) call(c);
      return;
    }
    std::lock_guard one_job(job_mutex_, std::adopt_lock);
    std::unique_lock lock(mutex_);
    call_ = call, chunks_ = chunks, next_ = 0, error_ = nullptr;
    busy_ = int(workers_.size());
    ++generation_;
    lock.unlock();
    wake_.notify_all();
    take_chunks();
    lock.lock();
    done_.wait(lock, [this] { return busy_ == 0; });
    if (error_) std::rethrow_exception(error_);
  }

 private:
  ThreadPool() { resize(int(std::max(1u, std::thread::hardware_concurrency()))); }
  ~ThreadPool() { stop_workers(); }

  void stop_workers() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (auto& w : workers_) w.join();
    workers_.clear();
    stopping_ = false;
  }

  void take_chunks() {
    inside_ = true;
    for (std::int64_t c; (c = next_.fetch_add(1)) < chunks_;) {
      try {
        call_(c);
      } catch (...) {
        std::lock_guard lock(mutex_);
        if (!error_) error_ = std::current_exception();
      }
    }
    inside_ = false;
  }

  /// `seen` is the job number when the worker was made: one that starts late still takes part in the next job.
  void work(std::uint64_t seen) {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return stopping_ || generation_ != seen; });
      if (stopping_) return;
      seen = generation_;
      lock.unlock();
      take_chunks();
      lock.lock();
      if (--busy_ == 0) done_.notify_one();
    }
  }

  inline static thread_local bool inside_ = false;
  std::mutex job_mutex_, mutex_;
  std::condition_variable wake_, done_;
  std::vector<std::thread> workers_;
  std::atomic<int> threads_ = 1;
  Chunks call_;
  std::int64_t chunks_ = 0;
  std::atomic<std::int64_t> next_ = 0;
  std::exception_ptr error_;
  std::uint64_t generation_ = 0;
  int busy_ = 0;
  bool stopping_ = false;
};

/// The whole of parallel_for but its body: compiled once, not anew in every op.
[[gnu::noinline]] inline void run_chunks(const Chunks& chunks) {
  if (chunks.n > 0) ThreadPool::instance().run(chunks);
}
}  // namespace detail

/// How many threads parallel_for uses (by default one for each core).
inline int threads() { return detail::ThreadPool::instance().threads(); }

/// Sets the number of threads; not to be called while parallel_for runs. Results do not depend on it.
inline void set_threads(int n) {
  require(n >= 1 && n <= 1024, "set_threads: expected 1 to 1024 threads, got ", n);
  if (n != threads()) detail::ThreadPool::instance().resize(n);
}

/// Calls f(begin, end) for [0, n) in chunks of `grain`.
template <class F>
void parallel_for(std::int64_t n, std::int64_t grain, F&& f) {
  using Body = std::remove_reference_t<F>;
  const auto body = [](void* object, std::int64_t begin, std::int64_t end) {
    (*static_cast<Body*>(object))(begin, end);
  };
  detail::run_chunks({n, grain, const_cast<void*>(static_cast<const void*>(&f)), body});
}

}  // namespace quern::inline QUERN_ABI
