#include "score/gates.h"

#include <algorithm>

#include "common/errors.h"
#include "common/text.h"

namespace leaf_tools {

leaf_gate_settings gate_settings(const Arguments& arguments) {
  leaf_gate_settings settings;
  leaf_gate_defaults(&settings);
  const double band = settings.accept - settings.reject;
  settings.accept = arguments.number("--accept", settings.accept);
  settings.reject = arguments.number("--reject", settings.accept - band);
  settings.pool = arguments.choice("--pool", {"none", "mean", "low", "ema"}, settings.pool);
  const auto whole = [&](const char* name, int32_t otherwise) {
    return static_cast<int32_t>(arguments.whole(name, 0, INT32_MAX, otherwise));
  };
  settings.window = whole("--window", settings.window);
  settings.percentile = whole("--percentile", settings.percentile);
  settings.dwell = whole("--dwell", settings.dwell);
  settings.initial = LEAF_GATE_ACCEPT + arguments.choice("--initial", {"accept", "reject"},
                                                         settings.initial - LEAF_GATE_ACCEPT);
  settings.best_window = arguments.has("--best") ? settings.window : 0;
  char message[LEAF_GATE_MESSAGE_SIZE];
  if (leaf_gate_check(&settings, message, sizeof message) < 0) {
    throw UsageError(std::string("the gate's ") + message);
  }
  return settings;
}

Gates::Gates(const leaf_gate_settings& settings) {
  stream_ = open(settings);
  leaf_gate_settings alone = settings;  // no pooling, no dwell, a block of its own
  alone.pool = LEAF_POOL_NONE;
  alone.window = 1;
  alone.dwell = 0;
  alone.best_window = std::min(1, settings.best_window);
  still_ = open(alone);
}

Gates::Gate Gates::open(const leaf_gate_settings& settings) {
  leaf_gate* gate = nullptr;
  const int error = leaf_gate_open(&gate, &settings);
  if (error < 0) throw LibraryError(error);
  return Gate(gate);
}

void Gates::decide(Row* row) {
  const bool follows = running_ == stream_.get() && !row->still && row->source == source_ &&
                       row->score.number > frame_;
  if (!follows) {
    finish();
    running_ = row->still ? still_.get() : stream_.get();
    leaf_gate_reset(running_);
  }
  source_ = row->source;
  frame_ = row->score.number;
  row->gated = true;
  if (leaf_gate_push(running_, frame_, row->score.mos, &row->decision) < 0) {
    throw InputError(source_ + ": " + leaf_gate_message(running_));
  }
}

void Gates::finish() {
  int64_t frame = 0;
  double score = 0;
  if (running_ && leaf_gate_flush(running_, &frame, &score) == 1) {
    say(printable(source_) + ": best of the frames at the end: frame " + std::to_string(frame) +
        ", MOS " + number_text(score));
  }
}

}  // namespace leaf_tools
