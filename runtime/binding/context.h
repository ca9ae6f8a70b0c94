// leaf_context for Python: one object, any thread.
#pragma once

#include <nanobind/nanobind.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <vector>

#include "leaf_edge/leaf.h"
#include "log_lines.h"
#include "planes.h"

namespace leaf_binding {

class Context {
 public:
  // Takes the settings as they are, but for the logger. Raises what exception_of makes.
  Context(const nanobind::bytes& path, leaf_settings settings, nanobind::object logger);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  void prepare(nanobind::sequence inputs);
  nanobind::list score(nanobind::sequence inputs);
  uint64_t submit(nanobind::handle input, nanobind::object tag);
  nanobind::object poll(int64_t timeout_ms);
  double self_test();
  nanobind::dict info();
  nanobind::dict timings();
  void reset_timings();
  void close();

  bool closed() const { return closed_; }
  size_t in_flight() const { return flying_.size(); }

  // For the garbage collector: the objects of Python's that may lead back to this one.
  int traverse(visitproc visit, void* arg) const;
  void clear();

 private:
  // A frame in flight: what keeps its memory, and what the caller wants back with its score.
  struct Flying {
    HeldFrame held;
    nanobind::object tag;
  };

  // The parts of a call. Each is entered and left with the interpreter locked, and gives it up
  // while it waits or works: the lock of Python is so never waited for under a lock of this object,
  // but by submit, which nothing waits for that holds Python's.
  template <class Work>
  int alone(Work&& work);  // no other call on the context but those of any thread
  template <class Work>
  int any_time(Work&& work);

  HeldFrame hold(nanobind::handle input) const;
  std::vector<HeldFrame> hold_all(nanobind::sequence inputs) const;
  void check(int code);  // delivers the log, then raises where `code` is an error

  leaf_context* context_ = nullptr;
  LogLines lines_;
  nanobind::object logger_;
  int32_t device_;
  std::intptr_t stream_;
  leaf_info info_ = {};
  std::atomic<bool> closed_{false};
  std::atomic<bool> gone_{false};  // and context_ with it

  // leaf.h allows one thread at a time, but for one in leaf_submit beside one in leaf_poll.
  std::shared_mutex open_;  // shared by every call; leaf_close has it alone
  std::mutex submits_, polls_;
  std::atomic<int> want_alone_{0};  // calls that wait for both; leaf_poll lets them go first

  std::map<uint64_t, Flying> flying_;  // by ticket; with the interpreter locked
};

}  // namespace leaf_binding
