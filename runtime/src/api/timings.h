// Time, and the sums of what stages took.
#pragma once

#include <chrono>
#include <mutex>

#include "leaf_edge/leaf.h"

namespace leaf {

// Nanoseconds of a clock that only goes forward.
inline int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Any thread.
class Timings {
 public:
  // Of a batch that was scored; `queued` where it came through the queue.
  void add(const leaf_score* scores, int count, bool queued);
  void get(leaf_timings* timings);
  void reset();

 private:
  std::mutex mutex_;
  leaf_timings sums_ = {};
};

}  // namespace leaf
