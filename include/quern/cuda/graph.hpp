/// A CUDA graph: kernels recorded once and launched as one, without the time that a processor needs for each launch.
///
///   cuda::Graph graph;                                           // inference of one shape
///   const auto logits = graph.record([&] { return model(batch); });     // recorded, not computed
///   graph.launch();                                              // computes logits; again after batch was written
///   anew
///
///   for (…) {                                                    // training: numbers of the step are baked in
///     graph.record([&] { step(); });                             // so record again; the graph is updated, not made
///     anew graph.launch();
///   }
///
/// While f is recorded nothing runs, so it must not look at results (`item()`, `to(Device::cpu())`: an Error) nor copy
/// from the host. Memory that f takes belongs to the graph until it is destroyed; tensors from outside that f uses must
/// live as long. Results may be kept.
#pragma once
#include <utility>

#include <quern/cuda/runtime.hpp>
#include <quern/tensor/pool.hpp>

namespace quern::inline QUERN_ABI::cuda {

// The CUDA runtime's graph, or the emulator's list of launches.
struct GraphHandle;
GraphHandle* make_graph();
void destroy_graph(GraphHandle* graph) noexcept;
void begin_recording(GraphHandle* graph);
/// Ends the recording; with `keep` what was recorded replaces what the graph held.
void end_recording(GraphHandle* graph, bool keep);
void launch_graph(GraphHandle* graph);

class Graph {
 public:
  Graph() : graph_(make_graph()), side_(Pool::instance().make_side()), device_(Device::cuda(current_device())) {}
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  ~Graph() {
    destroy_graph(graph_);
    Pool::instance().dissolve(side_, device_);
  }

  /// Calls f and keeps the kernels that it launches; gives what f gives, which holds no numbers before launch().
  template <class F>
  auto record(F&& f) {
    const Recording recording(*this);
    if constexpr (std::is_void_v<decltype(f())>) {
      f();
      recording.keep();
    } else {
      auto result = f();
      recording.keep();
      return result;
    }
  }

  void launch() { launch_graph(graph_); }

 private:
  struct Recording {
    Graph& graph;
    PoolSide* before;
    mutable bool open = true;
    explicit Recording(Graph& g) : graph(g), before(Pool::instance().use_side(g.side_)) {
      try {
        begin_recording(g.graph_);
      } catch (...) {
        Pool::instance().use_side(before);
        throw;
      }
    }
    void keep() const {
      open = false;
      end_recording(graph.graph_, true);
    }
    ~Recording() {
      Pool::instance().use_side(before);
      if (open) end_recording(graph.graph_, false);  // f threw
    }
  };

  GraphHandle* graph_;
  PoolSide* side_;
  Device device_;
};

}  // namespace quern::inline QUERN_ABI::cuda
