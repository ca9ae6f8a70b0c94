// The state machine behind runtime/include/leaf_edge/gate.h. Its plain restatement, which the tests
// compare with it, is tests/gate/reference.py.
#include "leaf_edge/gate.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <limits>
#include <memory>
#include <new>

namespace leaf {
namespace {

// Steps of the moving average within one step of a score: the average of a constant score comes to
// rest within a step of it for every window.
constexpr int64_t kFine = 1000;

// A pooled score as the exact fraction numerator / denominator, in steps of a score.
struct Pooled {
  int64_t numerator = 0;
  int64_t denominator = 1;

  bool below(int64_t threshold) const { return numerator < threshold * denominator; }
  double value() const {
    return static_cast<double>(numerator) / static_cast<double>(denominator * LEAF_GATE_UNIT);
  }
};

// |score| <= LEAF_GATE_MAX_SCORE, so that steps fit 41 bits and a window's sum 53.
int64_t to_steps(double score) { return std::llround(score * LEAF_GATE_UNIT); }
double from_steps(int64_t steps) { return static_cast<double>(steps) / LEAF_GATE_UNIT; }

bool usable(double score) { return std::fabs(score) <= LEAF_GATE_MAX_SCORE; }  // not for NaN

// To the nearest integer, halves away from zero; denominator > 0.
int64_t rounded_quotient(int64_t numerator, int64_t denominator) {
  const int64_t half = numerator < 0 ? -(denominator / 2) : denominator / 2;
  return (numerator + half) / denominator;
}

#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
int invalid(char* message, size_t size, const char* format, ...) {
  if (message && size) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, size, format, arguments);
    va_end(arguments);
  }
  return -EINVAL;
}

}  // namespace
}  // namespace leaf

struct leaf_gate {
  leaf_gate_settings settings;
  int64_t accept;  // thresholds in steps
  int64_t reject;
  int32_t window;                      // scores to wait for before the first decision
  std::unique_ptr<int64_t[]> ring;     // the last `window` scores, in steps
  std::unique_ptr<int64_t[]> scratch;  // room to sort them
  char message[LEAF_GATE_MESSAGE_SIZE] = "";

  // Everything that a stream changes.
  struct Stream {
    int32_t filled = 0;   // scores in the ring
    int32_t next = 0;     // where the next one goes
    int64_t sum = 0;      // of the ring; exact, being of integers
    int64_t average = 0;  // moving average, in steps / kFine
    leaf::Pooled pooled;
    int32_t state = LEAF_GATE_INITIAL;
    int64_t held = 0;  // frames in this state
    int32_t in_block = 0;
    bool has_best = false;
    int64_t best_frame = 0;
    int64_t best_score = 0;
  } stream;
};

namespace leaf {
namespace {

bool verdict(const leaf_gate& gate) {
  const int32_t state = gate.stream.state;
  return (state == LEAF_GATE_INITIAL ? gate.settings.initial : state) == LEAF_GATE_ACCEPT;
}

Pooled low(leaf_gate& gate) {
  const int32_t count = gate.stream.filled;
  int64_t* const first = gate.scratch.get();
  std::copy_n(gate.ring.get(), count, first);
  const int32_t rank = std::max(1, (gate.settings.percentile * count + 99) / 100);
  std::nth_element(first, first + rank - 1, first + count);
  return {first[rank - 1], 1};
}

// Takes a score into the window and pools it.
void pool(leaf_gate& gate, int64_t steps) {
  leaf_gate::Stream& s = gate.stream;
  const bool first = s.filled == 0;
  if (s.filled == gate.window) {
    s.sum -= gate.ring[s.next];
  } else {
    ++s.filled;
  }
  gate.ring[s.next] = steps;
  s.sum += steps;
  s.next = s.next + 1 == gate.window ? 0 : s.next + 1;
  switch (gate.settings.pool) {
    case LEAF_POOL_MEAN:
      s.pooled = {s.sum, s.filled};
      break;
    case LEAF_POOL_LOW:
      s.pooled = low(gate);
      break;
    case LEAF_POOL_EMA: {
      const int64_t target = steps * kFine;
      s.average =
          first ? target : s.average + rounded_quotient(2 * (target - s.average), gate.window + 1);
      s.pooled = {s.average, kFine};
      break;
    }
    default:
      s.pooled = {steps, 1};
  }
}

// The state after a frame whose pooled score is known.
void decide(leaf_gate& gate) {
  leaf_gate::Stream& s = gate.stream;
  int32_t wanted = s.state;
  if (s.filled == gate.window) {
    if (!s.pooled.below(gate.accept)) wanted = LEAF_GATE_ACCEPT;
    if (s.pooled.below(gate.reject)) wanted = LEAF_GATE_REJECT;
  }
  // The initial state is an assumption, no decision, and has no dwell.
  if (wanted != s.state && (s.state == LEAF_GATE_INITIAL || s.held >= gate.settings.dwell)) {
    s.state = wanted;
    s.held = 0;
  }
}

void take_best(leaf_gate::Stream& s, leaf_gate_decision& decision) {
  decision.best = s.has_best;
  decision.best_frame = s.has_best ? s.best_frame : 0;
  decision.best_score = s.has_best ? from_steps(s.best_score) : 0;
  s.has_best = false;
  s.in_block = 0;
}

void push(leaf_gate& gate, int64_t frame, const double* score, leaf_gate_decision& decision) {
  leaf_gate::Stream& s = gate.stream;
  const bool before = verdict(gate);
  const int64_t steps = score ? to_steps(*score) : 0;
  if (score) {
    pool(gate, steps);
    decide(gate);
  }
  ++s.held;

  decision = {};
  decision.frame = frame;
  decision.state = s.state;
  decision.accepted = verdict(gate);
  decision.changed = verdict(gate) != before;
  decision.missing = !score;
  if (!score && gate.settings.missing != LEAF_MISSING_LAST) {
    decision.accepted = gate.settings.missing == LEAF_MISSING_PASS;
  }
  decision.warmup_left = gate.window - s.filled;
  if (s.state != LEAF_GATE_INITIAL && s.held < gate.settings.dwell) {
    decision.dwell_left = static_cast<int32_t>(gate.settings.dwell - s.held);
  }
  decision.pooled = s.filled ? s.pooled.value() : std::numeric_limits<double>::quiet_NaN();

  if (gate.settings.best_window == 0) return;
  const bool fit = score && decision.accepted && steps >= gate.reject;
  if (fit && (!s.has_best || steps > s.best_score)) {
    s.has_best = true;
    s.best_frame = frame;
    s.best_score = steps;
    decision.candidate = 1;
  }
  if (++s.in_block == gate.settings.best_window) take_best(s, decision);
}

}  // namespace
}  // namespace leaf

void leaf_gate_defaults(leaf_gate_settings* settings) {
  if (!settings) return;
  *settings = {};
  settings->accept = 3.0;
  settings->reject = 2.5;
  settings->pool = LEAF_POOL_MEAN;
  settings->window = 8;
  settings->percentile = 10;
  settings->dwell = 8;
  settings->initial = LEAF_GATE_REJECT;
  settings->missing = LEAF_MISSING_LAST;
  settings->best_window = 0;
}

int leaf_gate_check(const leaf_gate_settings* settings, char* message, size_t size) {
  using leaf::invalid;
  if (message && size) message[0] = '\0';
  if (!settings) return invalid(message, size, "settings are NULL");
  const leaf_gate_settings& s = *settings;
  if (!leaf::usable(s.accept) || !leaf::usable(s.reject)) {
    return invalid(message, size,
                   "thresholds are accept %g, reject %g; expected finite numbers, at most %g",
                   s.accept, s.reject, LEAF_GATE_MAX_SCORE);
  }
  if (s.reject > s.accept) {
    return invalid(message, size, "reject is %g, above accept %g; expected reject <= accept",
                   s.reject, s.accept);
  }
  if (s.pool < 0 || s.pool >= LEAF_POOLS) {
    return invalid(message, size, "pool code is %d; expected 0 to %d", s.pool, LEAF_POOLS - 1);
  }
  if (s.window < 1 || s.window > LEAF_GATE_MAX_WINDOW) {
    return invalid(message, size, "window is %d; expected 1 to %d scores", s.window,
                   LEAF_GATE_MAX_WINDOW);
  }
  if (s.percentile < 0 || s.percentile > 100) {
    return invalid(message, size, "percentile is %d; expected 0 to 100", s.percentile);
  }
  if (s.dwell < 0) return invalid(message, size, "dwell is %d; expected 0 frames or more", s.dwell);
  if (s.initial != LEAF_GATE_ACCEPT && s.initial != LEAF_GATE_REJECT) {
    return invalid(message, size, "initial verdict code is %d; expected 1 (accept) or 2 (reject)",
                   s.initial);
  }
  if (s.missing < 0 || s.missing >= LEAF_MISSINGS) {
    return invalid(message, size, "missing code is %d; expected 0 to %d", s.missing,
                   LEAF_MISSINGS - 1);
  }
  if (s.best_window < 0) {
    return invalid(message, size, "best_window is %d; expected 0 (off) or a number of frames",
                   s.best_window);
  }
  return 0;
}

int leaf_gate_open(leaf_gate** gate, const leaf_gate_settings* settings) {
  if (!gate) return -EINVAL;
  if (const int error = leaf_gate_check(settings, nullptr, 0)) return error;
  std::unique_ptr<leaf_gate> g(new (std::nothrow) leaf_gate);
  if (!g) return -ENOMEM;
  g->settings = *settings;
  g->accept = leaf::to_steps(settings->accept);
  g->reject = leaf::to_steps(settings->reject);
  g->window = settings->pool == LEAF_POOL_NONE ? 1 : settings->window;
  const size_t size = static_cast<size_t>(g->window);
  g->ring.reset(new (std::nothrow) int64_t[size]);
  g->scratch.reset(new (std::nothrow) int64_t[size]);
  if (!g->ring || !g->scratch) return -ENOMEM;
  *gate = g.release();
  return 0;
}

int leaf_gate_push(leaf_gate* gate, int64_t frame, double score, leaf_gate_decision* decision) {
  if (!gate) return -EINVAL;
  gate->message[0] = '\0';
  if (!decision) return leaf::invalid(gate->message, sizeof gate->message, "decision is NULL");
  if (!leaf::usable(score)) {
    return leaf::invalid(gate->message, sizeof gate->message,
                         "score of frame %lld is %g; expected a finite number, at most %g",
                         static_cast<long long>(frame), score, LEAF_GATE_MAX_SCORE);
  }
  leaf::push(*gate, frame, &score, *decision);
  return 0;
}

int leaf_gate_push_missing(leaf_gate* gate, int64_t frame, leaf_gate_decision* decision) {
  if (!gate) return -EINVAL;
  gate->message[0] = '\0';
  if (!decision) return leaf::invalid(gate->message, sizeof gate->message, "decision is NULL");
  leaf::push(*gate, frame, nullptr, *decision);
  return 0;
}

int leaf_gate_flush(leaf_gate* gate, int64_t* frame, double* score) {
  if (!gate) return -EINVAL;
  gate->message[0] = '\0';
  if (!frame || !score) {
    return leaf::invalid(gate->message, sizeof gate->message, "frame or score is NULL");
  }
  leaf_gate_decision decision = {};
  leaf::take_best(gate->stream, decision);
  if (!decision.best) return 0;
  *frame = decision.best_frame;
  *score = decision.best_score;
  return 1;
}

void leaf_gate_reset(leaf_gate* gate) {
  if (!gate) return;
  gate->stream = {};
  gate->message[0] = '\0';
}

const char* leaf_gate_message(const leaf_gate* gate) { return gate ? gate->message : ""; }

void leaf_gate_close(leaf_gate* gate) { delete gate; }
