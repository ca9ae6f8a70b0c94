#include "api/timings.h"

#include <algorithm>

namespace leaf {
namespace {

void add_to(leaf_stage& stage, int64_t ns) {
  stage.min_ns = stage.count ? std::min(stage.min_ns, ns) : ns;
  stage.max_ns = stage.count ? std::max(stage.max_ns, ns) : ns;
  stage.sum_ns += ns;
  ++stage.count;
}

}  // namespace

void Timings::add(const leaf_score* scores, int count, bool queued) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (int i = 0; i < count; ++i) {
    if (queued) add_to(sums_.queue, scores[i].queue_ns);
    add_to(sums_.views, scores[i].views_ns);
    add_to(sums_.mapping, scores[i].mapping_ns);
  }
  add_to(sums_.inference, scores[0].inference_ns);
}

void Timings::get(leaf_timings* timings) {
  const std::lock_guard<std::mutex> lock(mutex_);
  *timings = sums_;
}

void Timings::reset() {
  const std::lock_guard<std::mutex> lock(mutex_);
  sums_ = {};
}

}  // namespace leaf
