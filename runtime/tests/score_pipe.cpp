// Scores of frames from standard input, by the C interface, for tests/runtime_c to compare with
// Python's.
//   score_pipe BUNDLE BATCH <frames >scores
//   score_pipe --codes
// A frame is as in piped_frame.h. BATCH frames are scored at once, the last ones as many as are
// left; with a BATCH below 0 they fly, up to that many. A line of output is the frame's mos,
// mos_lo, mos_hi, raw and faults to 17 digits, and the reason's name. With --codes a line is a
// code, its name and its remedy, separated by tabs.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <vector>

#include "leaf_edge/leaf.h"
#include "piped_frame.h"

namespace {

int fail(const char* what) {
  fprintf(stderr, "score_pipe: %s; %s\n", what, leaf_last_message());
  return 1;
}

struct Frame {
  leaf_input input;
  std::vector<uint8_t> plane[3];
};

int read_frame(Frame& f) {
  leaf_default_input(&f.input);
  return leaf_test::read_frame(f.input.frame, f.plane);
}

void print(const leaf_score& score) {
  printf("%.17g %.17g %.17g %.17g", score.mos, score.mos_lo, score.mos_hi, score.raw);
  for (const double fault : score.faults) printf(" %.17g", fault);
  printf(" %s\n", leaf_fault_name(score.reason));
}

int print_codes() {
  for (int code = 0; code > -3000; --code) {
    if (strcmp(leaf_error_name(code), "LEAF_E_UNKNOWN") != 0) {
      printf("%d\t%s\t%s\n", code, leaf_error_name(code), leaf_error_remedy(code));
    }
  }
  return 0;
}

int score_together(leaf_context* context, const std::deque<Frame>& frames, size_t batch) {
  for (size_t begin = 0; begin < frames.size(); begin += batch) {
    std::vector<leaf_input> inputs;
    for (size_t i = begin; i < frames.size() && i < begin + batch; ++i) {
      inputs.push_back(frames[i].input);
    }
    std::vector<leaf_score> scores(inputs.size());
    const int count = static_cast<int>(inputs.size());
    if (leaf_score_frames(context, inputs.data(), count, scores.data())) return fail("not scored");
    for (const leaf_score& score : scores) print(score);
  }
  return 0;
}

int score_in_flight(leaf_context* context, const std::deque<Frame>& frames, size_t queue) {
  for (size_t i = 0; i < frames.size() + queue; ++i) {
    leaf_score score;
    if (i >= queue && (leaf_poll(context, &score, -1) != 1 || score.error)) return fail("no score");
    if (i >= queue) print(score);
    if (i < frames.size() && leaf_submit(context, &frames[i].input, nullptr))
      return fail("refused");
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "--codes") == 0) return print_codes();
  if (argc != 3) return fail("expected a bundle and a batch");
  std::deque<Frame> frames(1);
  int more;
  while ((more = read_frame(frames.back())) > 0) frames.emplace_back();
  frames.pop_back();
  if (more < 0) return fail("a frame is wrong or cut short");

  const int batch = atoi(argv[2]);
  leaf_settings settings;
  leaf_default_settings(&settings);
  settings.batch = batch < 0 ? 3 : batch;
  settings.queue = batch < 0 ? -batch : 0;
  leaf_context* context = nullptr;
  if (leaf_open(&context, argv[1], &settings)) return fail("the bundle does not open");
  const int error = batch < 0 ? score_in_flight(context, frames, static_cast<size_t>(-batch))
                              : score_together(context, frames, static_cast<size_t>(batch));
  leaf_close(context);
  return error;
}
