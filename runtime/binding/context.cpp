#include "context.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "errors.h"
#include "unlocked.h"

namespace nb = nanobind;

namespace leaf_binding {
namespace {

// How long leaf_poll waits at a time: Ctrl-C, leaf_close and calls that want to be alone come
// between.
constexpr int64_t kSliceMs = 50;
constexpr std::chrono::milliseconds kMillisecond(1);
constexpr int kClosed = 1;  // no code of the library's

leaf_input input_of(const HeldFrame& held) {
  leaf_input input;
  leaf_default_input(&input);
  input.frame = held.frame;
  input.memory = held.memory;
  return input;
}

std::vector<leaf_input> inputs_of(const std::vector<HeldFrame>& all) {
  std::vector<leaf_input> inputs;
  inputs.reserve(all.size() + 1);  // no inputs are not NULL
  for (const HeldFrame& held : all) inputs.push_back(input_of(held));
  return inputs;
}

nb::tuple fields(const leaf_score& s) {
  nb::list faults;
  for (const double severity : s.faults) faults.append(severity);
  return nb::make_tuple(s.mos, s.mos_lo, s.mos_hi, s.raw, nb::tuple(faults), s.reason, s.queue_ns,
                        s.views_ns, s.inference_ns, s.mapping_ns);
}

nb::tuple fields(const leaf_stage& stage) {
  return nb::make_tuple(stage.count, stage.sum_ns, stage.min_ns, stage.max_ns);
}

}  // namespace

template <class Work>
int Context::alone(Work&& work) {
  const Unlocked unlocked;
  const std::shared_lock<std::shared_mutex> open(open_);
  if (closed_) return kClosed;
  ++want_alone_;
  const std::scoped_lock<std::mutex, std::mutex> turn(submits_, polls_);
  --want_alone_;
  return work();
}

template <class Work>
int Context::any_time(Work&& work) {
  const Unlocked unlocked;
  const std::shared_lock<std::shared_mutex> open(open_);
  return closed_ ? kClosed : work();
}

Context::Context(const nb::bytes& path, leaf_settings settings, nb::object logger)
    : logger_(std::move(logger)), device_(settings.device) {
  stream_ = reinterpret_cast<std::intptr_t>(settings.cuda_stream);
  settings.logger = lines_.logger();
  int error;
  {
    const Unlocked unlocked;
    error = leaf_open(&context_, path.c_str(), &settings);
    if (!error) leaf_get_info(context_, &info_);
  }
  closed_ = error != 0;
  check(error);
}

Context::~Context() { close(); }

void Context::check(int code) {
  if (code < 0) {
    const nb::object error = exception_of(code, leaf_last_message());  // before the logger's calls
    lines_.deliver(logger_);
    raise(error);
  }
  lines_.deliver(logger_);
  if (code == kClosed) throw nb::value_error("the context is closed");
}

HeldFrame Context::hold(nb::handle input) const {
  constexpr const char* kInput =
      "an input is (planes, width, height, format, matrix, range, x, y, roi_width, roi_height), "
      "planes a sequence and the rest whole numbers of 32 bits";
  nb::sequence all, planes;
  int32_t number[9];
  if (!nb::try_cast(input, all) || nb::len(all) != 10 ||
      !nb::try_cast(nb::object(all[0]), planes)) {
    throw nb::value_error(kInput);
  }
  for (size_t n = 0; n < 9; ++n) {
    if (!nb::try_cast(nb::object(all[n + 1]), number[n])) throw nb::value_error(kInput);
  }
  const FrameShape shape = {number[0], number[1], number[2],
                            number[3], number[4], {number[5], number[6], number[7], number[8]}};
  HeldFrame held = hold_frame(planes, shape, stream_);
  if (held.memory == LEAF_MEMORY_CUDA && held.device != device_) {
    throw nb::value_error(("the planes are in memory of CUDA device " +
                           std::to_string(held.device) + "; the context is on device " +
                           std::to_string(device_))
                              .c_str());
  }
  return held;
}

std::vector<HeldFrame> Context::hold_all(nb::sequence inputs) const {
  std::vector<HeldFrame> all;
  for (nb::handle input : inputs) all.push_back(hold(input));
  return all;
}

void Context::prepare(nb::sequence frames) {
  const std::vector<HeldFrame> held = hold_all(frames);
  const std::vector<leaf_input> inputs = inputs_of(held);
  check(alone(
      [&] { return leaf_prepare(context_, inputs.data(), static_cast<int>(inputs.size())); }));
}

nb::list Context::score(nb::sequence frames) {
  const std::vector<HeldFrame> held = hold_all(frames);
  const std::vector<leaf_input> inputs = inputs_of(held);
  std::vector<leaf_score> scores(std::max<size_t>(inputs.size(), 1));
  // More than int holds is more than a batch too.
  const int count = static_cast<int>(std::min<size_t>(inputs.size(), LEAF_MAX_BATCH + 1));
  check(alone([&] { return leaf_score_frames(context_, inputs.data(), count, scores.data()); }));
  nb::list out;
  for (int n = 0; n < count; ++n) out.append(fields(scores[static_cast<size_t>(n)]));
  return out;
}

uint64_t Context::submit(nb::handle frame, nb::object tag) {
  std::map<uint64_t, Flying> made;  // so that nothing is allocated once the frame flies
  Flying& flying = made[0];
  flying.held = hold(frame);
  flying.tag = std::move(tag);
  const leaf_input input = input_of(flying.held);
  uint64_t ticket = 0;
  int code = kClosed;
  {
    std::shared_lock<std::shared_mutex> open(open_, std::defer_lock);
    std::unique_lock<std::mutex> turn(submits_, std::defer_lock);
    {
      const Unlocked unlocked;
      open.lock();
      turn.lock();
    }
    // With the interpreter locked: a thread in poll() that gets this frame's score finds it in
    // flying_. leaf_submit does not wait.
    if (!closed_) code = leaf_submit(context_, &input, &ticket);
    if (!code) {
      auto node = made.extract(made.begin());
      node.key() = ticket;
      flying_.insert(std::move(node));
    }
  }
  check(code);
  return ticket;
}

nb::object Context::poll(int64_t timeout_ms) {
  using Clock = std::chrono::steady_clock;
  const bool forever = timeout_ms < 0;
  const Clock::time_point begun = Clock::now();
  for (;;) {
    if (forever && flying_.empty() && !closed_) return nb::none();
    const int64_t spent =
        std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun).count();
    const int64_t left = forever ? kSliceMs : std::max<int64_t>(timeout_ms - spent, 0);
    leaf_score score;
    bool has_score = false;
    const int code = any_time([&] {
      // A mutex may go to the same thread over and over; whoever waits for both would starve.
      for (int n = 0; n < kSliceMs && want_alone_; ++n) std::this_thread::sleep_for(kMillisecond);
      const std::lock_guard<std::mutex> turn(polls_);
      const int polled = leaf_poll(context_, &score, static_cast<int>(std::min(left, kSliceMs)));
      has_score = polled == 1;
      return has_score ? 0 : polled;
    });
    nb::object error = nb::none();
    if (has_score && score.error) error = exception_of(score.error, leaf_last_message());
    check(code);
    if (has_score) {
      auto flown = flying_.extract(score.ticket);
      if (!flown) check(kClosed);  // by another thread, meanwhile
      return nb::make_tuple(score.ticket, flown.mapped().tag, fields(score), error);
    }
    if (PyErr_CheckSignals()) throw nb::python_error();
    if (!forever && left <= kSliceMs) return nb::none();
  }
}

double Context::self_test() {
  double worst = 0;
  check(alone([&] { return leaf_self_test(context_, &worst); }));
  return worst;
}

nb::dict Context::info() {
  check(closed_ ? kClosed : 0);
  const leaf_info& i = info_;
  nb::dict out;
  out["model"] = text_of(i.model);
  out["version"] = text_of(i.version);
  out["scale"] = text_of(i.scale);
  out["encoding"] = text_of(i.encoding);
  out["engine"] = leaf_engine_name(i.engine_code);
  out["engine_description"] = text_of(i.engine);
  out["key_id"] = text_of(i.key_id);
  out["schema"] = i.schema;
  out["scale_version"] = i.scale_version;
  out["isa"] = i.isa == LEAF_ISA_AUTO ? "" : leaf_isa_name(i.isa);
  out["golden"] = i.golden;
  out["not_accepted"] = i.not_accepted != 0;
  out["coverage"] = i.coverage;
  out["reason_threshold"] = i.reason_threshold;
  return out;
}

nb::dict Context::timings() {
  leaf_timings t;
  check(any_time([&] { return leaf_get_timings(context_, &t); }));
  nb::dict out;
  out["queue"] = fields(t.queue);
  out["views"] = fields(t.views);
  out["inference"] = fields(t.inference);
  out["mapping"] = fields(t.mapping);
  return out;
}

void Context::reset_timings() {
  check(any_time([&] {
    leaf_reset_timings(context_);
    return 0;
  }));
}

int Context::traverse(visitproc visit, void* arg) const {
  Py_VISIT(logger_.ptr());
  for (const auto& flying : flying_) Py_VISIT(flying.second.tag.ptr());
  return 0;
}

void Context::clear() {
  logger_.reset();
  for (auto& flying : flying_) flying.second.tag.reset();
}

void Context::close() {
  if (gone_) return;  // also where a thread sleeps for ever with a lock (unlocked.h)
  closed_ = true;     // calls that wait for their turn are refused
  {
    const Unlocked unlocked;
    const std::unique_lock<std::shared_mutex> open(open_);
    leaf_close(std::exchange(context_, nullptr));
    gone_ = true;
  }
  std::exchange(flying_, {}).clear();  // no worker reads the frames any more
  lines_.deliver(logger_);
}

}  // namespace leaf_binding
