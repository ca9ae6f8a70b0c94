/* The gate: turns a stream of scores into accept / reject decisions (contract: docs/gate.md).
 *
 *   leaf_gate_settings settings;
 *   leaf_gate_defaults(&settings);
 *   settings.accept = 3.4;
 *   leaf_gate *gate;
 *   if (leaf_gate_open(&gate, &settings) < 0) ...   leaf_gate_check says why
 *   leaf_gate_decision decision;
 *   if (leaf_gate_push(gate, frame_number, mos, &decision) < 0) puts(leaf_gate_message(gate));
 *   if (decision.accepted) ...
 *   leaf_gate_close(gate);
 *
 * Functions that can fail return 0 or a negative errno code, and never throw. A gate serves one
 * stream and one thread at a time; gates are independent. Memory is allocated by leaf_gate_open
 * only.
 *
 * Deterministic: scores and thresholds are rounded to millionths once, and all else is integer
 * arithmetic, so that the same scores give the same decisions on every machine.
 */
#ifndef LEAF_EDGE_GATE_H
#define LEAF_EDGE_GATE_H

#include <stddef.h>
#include <stdint.h>

#include "leaf_edge/api.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LEAF_GATE_VERSION 1        /* of the contract */
#define LEAF_GATE_UNIT 1000000     /* steps of a score: it is rounded to 1 / LEAF_GATE_UNIT */
#define LEAF_GATE_MAX_SCORE 1.0e6  /* largest magnitude of a score or threshold */
#define LEAF_GATE_MAX_WINDOW 4096  /* scores */
#define LEAF_GATE_MESSAGE_SIZE 160 /* bytes that hold every message of leaf_gate_check */

enum leaf_gate_pool {
  LEAF_POOL_NONE = 0, /* the last score; the window counts as 1 */
  LEAF_POOL_MEAN = 1, /* arithmetic mean of the last `window` scores */
  LEAF_POOL_LOW = 2,  /* `percentile` of the last `window` scores, by nearest rank */
  LEAF_POOL_EMA = 3,  /* exponential moving average, weight of a new score 2 / (window + 1) */
  LEAF_POOLS = 4
};

enum leaf_gate_state {
  LEAF_GATE_INITIAL = 0, /* nothing decided yet: the verdict is `initial` */
  LEAF_GATE_ACCEPT = 1,
  LEAF_GATE_REJECT = 2
};

/* What becomes of a frame that has no score. */
enum leaf_gate_missing {
  LEAF_MISSING_PASS = 0, /* accepted */
  LEAF_MISSING_DROP = 1, /* rejected */
  LEAF_MISSING_LAST = 2, /* the verdict of the state that holds */
  LEAF_MISSINGS = 3
};

/* Thresholds are in the unit of the scores that are pushed, by default MOS 1 to 5. */
typedef struct leaf_gate_settings {
  double accept;       /* accept where the pooled score is at or above this; 3.0 */
  double reject;       /* reject where it is below this, at most `accept`; 2.5 */
  int32_t pool;        /* enum leaf_gate_pool; LEAF_POOL_MEAN */
  int32_t window;      /* scores pooled, 1 to LEAF_GATE_MAX_WINDOW; 8 */
  int32_t percentile;  /* of LEAF_POOL_LOW, 0 (the minimum) to 100 (the maximum); 10 */
  int32_t dwell;       /* frames that a state holds at least, 0 or more; 8 */
  int32_t initial;     /* verdict before the first decision: LEAF_GATE_ACCEPT or LEAF_GATE_REJECT;
                          LEAF_GATE_REJECT */
  int32_t missing;     /* enum leaf_gate_missing; LEAF_MISSING_LAST */
  int32_t best_window; /* frames in a block of which the best is named, 0 for none: the accepted
                          frame with the highest score, unless that is below `reject`; the earlier
                          one of equals; 0 */
} leaf_gate_settings;

/* What the gate says of one frame. */
typedef struct leaf_gate_decision {
  int64_t frame;       /* the number that was pushed */
  int32_t accepted;    /* 1: use this frame; 0: do not */
  int32_t state;       /* enum leaf_gate_state after this frame */
  int32_t changed;     /* 1 where the state's verdict differs from that before this frame */
  int32_t missing;     /* 1 for a frame of leaf_gate_push_missing */
  int32_t warmup_left; /* scores still to come before the window is filled */
  int32_t dwell_left;  /* frames still to come that cannot change the state */
  double pooled;       /* pooled score, of fewer scores while the window fills; NaN before any */
  int32_t candidate;   /* 1: the best of its block so far; hold on to this frame */
  int32_t best;        /* 1: the block ends with this frame, and best_* name its best frame */
  int64_t best_frame;  /* number of that frame; 0 where best is 0 */
  double best_score;   /* its score; 0 where best is 0 */
} leaf_gate_decision;

typedef struct leaf_gate leaf_gate;

/* Fills in the defaults that stand beside each field above. NULL is ignored. */
LEAF_API void leaf_gate_defaults(leaf_gate_settings* settings);

/* 0 where `settings` are usable, else -EINVAL with the reason in `message` (at most `size` bytes
 * with the final 0; may be NULL). */
LEAF_API int leaf_gate_check(const leaf_gate_settings* settings, char* message, size_t size);

/* Opens a gate; `settings` are copied. -EINVAL: see leaf_gate_check; -ENOMEM. */
LEAF_API int leaf_gate_open(leaf_gate** gate, const leaf_gate_settings* settings);

/* Decides on frame `frame`, a number that only labels it, with its score.
 * -EINVAL: the score is not finite or exceeds LEAF_GATE_MAX_SCORE, or a pointer is NULL. The gate
 * and `decision` are untouched on error. */
LEAF_API int leaf_gate_push(leaf_gate* gate, int64_t frame, double score,
                            leaf_gate_decision* decision);

/* Decides on a frame that has no score, by `missing`. It never changes the state and enters
 * neither the window nor the choice of the best, but counts as a frame of the dwell and the block.
 */
LEAF_API int leaf_gate_push_missing(leaf_gate* gate, int64_t frame, leaf_gate_decision* decision);

/* Ends the block of best-frame selection early, as at the end of a stream. Returns 1 with the best
 * frame so far in `frame` and `score`, 0 where there is none, or -EINVAL for a NULL pointer. */
LEAF_API int leaf_gate_flush(leaf_gate* gate, int64_t* frame, double* score);

/* Back to the state just after leaf_gate_open, for another stream. NULL is ignored. */
LEAF_API void leaf_gate_reset(leaf_gate* gate);

/* Why the last call that returned an error did; empty after success. */
LEAF_API const char* leaf_gate_message(const leaf_gate* gate);

/* Closes a gate; NULL is allowed. */
LEAF_API void leaf_gate_close(leaf_gate* gate);

#ifdef __cplusplus
}
#endif

#endif /* LEAF_EDGE_GATE_H */
