// Scoring, and the public functions on an open context.
#include <cerrno>

#include "api/context.h"
#include "api/guard.h"
#include "api/settings.h"
#include "calibration.h"
#include "error.h"

namespace leaf {
namespace {

// Views of each frame one after another, then the network on all of them.
int run_views(leaf_context& context, Tables& tables, const leaf_input* inputs, int count,
              RawOutput* outputs, int64_t* views_ns, int64_t* inference_ns) {
  int64_t begun = now_ns();
  for (int i = 0; i < count; ++i) {
    const int error = tables.run(inputs[i].frame, context.views + i * LEAF_VIEWS_BYTES);
    if (error) return error;
    const int64_t made = now_ns();
    views_ns[i] = made - begun;
    begun = made;
  }
  const int error = context.engine->run_views(context.views, count, outputs);
  *inference_ns = now_ns() - begun;
  return error;
}

int check_open(const leaf_context* context) {
  return context ? 0 : fail(-EINVAL, "context is NULL");
}

int check_idle(leaf_context& context) {
  if (!context.queue || !context.queue->busy()) return 0;
  return fail(-EBUSY, "frames are in flight; take their scores with leaf_poll first");
}

int check_inputs(leaf_context& context, const leaf_input* inputs, int count, bool planes) {
  if (!inputs) return fail(-EINVAL, "inputs are NULL");
  if (count < 1 || count > context.settings.batch) {
    return fail(-EINVAL, "count is %d; expected 1 to %d (settings.batch)", count,
                context.settings.batch);
  }
  const int engine = context.info.engine_code;
  const bool takes_frames = context.engine->takes_frames();
  for (int i = 0; i < count; ++i) {
    if (const int error = check_input(inputs[i], i, planes, engine, takes_frames)) return error;
  }
  return 0;
}

}  // namespace

const EncodingEntry& encoding_of(const leaf_context& context) {
  return context.engine->trt_encoding() ? context.bundle.trt : context.bundle.cpu;
}

void label_score(const leaf_input& input, leaf_score* score) {
  *score = {};
  score->reason = LEAF_FAULT_NONE;
  score->camera = input.camera;
  score->number = input.number;
  score->capture_ns = input.capture_ns;
}

int score_batch(leaf_context& context, Tables* tables, const leaf_input* inputs, int count,
                leaf_score* scores) {
  RawOutput outputs[LEAF_MAX_BATCH];
  int64_t views_ns[LEAF_MAX_BATCH] = {}, inference_ns = 0;
  if (tables) {
    const int error = run_views(context, *tables, inputs, count, outputs, views_ns, &inference_ns);
    if (error) return error;
  } else {
    RunTimes times;
    if (const int error = context.engine->run_frames(inputs, count, outputs, &times)) return error;
    inference_ns = times.inference;
    for (int i = 0; i < count; ++i) views_ns[i] = times.views / count;
  }
  const Calibration& calibration = encoding_of(context).calibration;
  int64_t begun = now_ns();
  for (int i = 0; i < count; ++i) {
    leaf_score& score = scores[i];
    label_score(inputs[i], &score);
    map_outputs(calibration, context.bundle.reason_threshold, outputs[i], &score);
    score.views_ns = views_ns[i];
    score.inference_ns = inference_ns;
    const int64_t mapped = now_ns();
    score.mapping_ns = mapped - begun;
    begun = mapped;
  }
  return 0;
}

int score_batch(leaf_context& context, const leaf_input* inputs, int count, leaf_score* scores) {
  return score_batch(context, context.tables ? &*context.tables : nullptr, inputs, count, scores);
}

}  // namespace leaf

int leaf_prepare(leaf_context* context, const leaf_input* inputs, int count) {
  return leaf::guard([&] {
    if (const int error = leaf::check_open(context)) return error;
    if (const int error = leaf::check_inputs(*context, inputs, count, false)) return error;
    if (const int error = leaf::check_idle(*context)) return error;
    for (int i = 0; context->tables && i < count; ++i) {
      if (const int error = context->tables->prepare(inputs[i].frame)) return error;
    }
    return context->engine->prepare(inputs, count);
  });
}

int leaf_score_frames(leaf_context* context, const leaf_input* inputs, int count,
                      leaf_score* scores) {
  return leaf::guard([&] {
    if (const int error = leaf::check_open(context)) return error;
    if (!scores) return leaf::fail(-EINVAL, "scores are NULL");
    if (const int error = leaf::check_inputs(*context, inputs, count, true)) return error;
    if (const int error = leaf::check_idle(*context)) return error;
    if (const int error = leaf::score_batch(*context, inputs, count, scores)) return error;
    context->timings.add(scores, count, false);
    return 0;
  });
}

int leaf_submit(leaf_context* context, const leaf_input* input, uint64_t* ticket) {
  return leaf::guard([&] {
    if (const int error = leaf::check_open(context)) return error;
    if (!context->queue) {
      return leaf::fail(-EINVAL, "the context was opened with settings.queue 0; nothing may fly");
    }
    if (const int error = leaf::check_inputs(*context, input, 1, true)) return error;
    return context->queue->submit(*input, ticket);
  });
}

int leaf_poll(leaf_context* context, leaf_score* score, int timeout_ms) {
  return leaf::guard([&] {
    if (const int error = leaf::check_open(context)) return error;
    if (!score) return leaf::fail(-EINVAL, "score is NULL");
    if (timeout_ms < -1) {
      return leaf::fail(-EINVAL, "timeout_ms is %d; expected -1 or more", timeout_ms);
    }
    return context->queue ? context->queue->poll(score, timeout_ms) : 0;
  });
}

int leaf_self_test(leaf_context* context, double* worst) {
  return leaf::guard([&] {
    if (const int error = leaf::check_open(context)) return error;
    if (const int error = leaf::check_idle(*context)) return error;
    return leaf::self_test(*context, worst);
  });
}

int leaf_get_info(const leaf_context* context, leaf_info* info) {
  if (const int error = leaf::check_open(context)) return error;
  if (!info) return leaf::fail(-EINVAL, "info is NULL");
  *info = context->info;
  return 0;
}

int leaf_get_timings(leaf_context* context, leaf_timings* timings) {
  return leaf::guard([&] {
    if (const int error = leaf::check_open(context)) return error;
    if (!timings) return leaf::fail(-EINVAL, "timings are NULL");
    context->timings.get(timings);
    return 0;
  });
}

void leaf_reset_timings(leaf_context* context) {
  if (!context) return;
  leaf::guard([&] {
    context->timings.reset();
    return 0;
  });
}
