// What the library logs, kept until a thread that has the interpreter takes it on. The library's
// worker so never waits for the interpreter, which may be ending, or be held by who waits for it.
#pragma once

#include <nanobind/nanobind.h>

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "errors.h"
#include "leaf_edge/leaf.h"

namespace leaf_binding {

class LogLines {
 public:
  leaf_logger logger() { return {&LogLines::log, this}; }

  // Calls `receiver(level, line)` for each line so far. What it raises is shown as unraisable: the
  // call that it comes with has its own result.
  void deliver(const nanobind::object& receiver) {
    if (!waiting_.load(std::memory_order_relaxed)) return;
    std::vector<Line> lines;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      lines.swap(lines_);
      waiting_ = false;
    }
    if (!receiver.is_valid() || receiver.is_none()) return;
    for (const Line& line : lines) {
      try {
        receiver(line.level, text_of(line.text.c_str()));
      } catch (nanobind::python_error& error) {
        error.discard_as_unraisable("logger of leaf_edge._native.Context");
      }
    }
  }

 private:
  static constexpr size_t kMost = 1000;  // a caller that never calls again must not fill the memory

  struct Line {
    int level;
    std::string text;
  };

  static void log(void* cookie, int level, const char* text) noexcept {
    auto& self = *static_cast<LogLines*>(cookie);
    try {
      const std::lock_guard<std::mutex> lock(self.mutex_);
      if (self.lines_.size() < kMost) self.lines_.push_back({level, text});
      self.waiting_ = true;
    } catch (...) {  // no memory for it: one line less
    }
  }

  std::atomic<bool> waiting_{false};
  std::mutex mutex_;
  std::vector<Line> lines_;
};

}  // namespace leaf_binding
