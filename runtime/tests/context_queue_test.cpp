// Frames in flight, and contexts on several threads. Run under ThreadSanitizer too.
#include <cerrno>
#include <chrono>
#include <thread>

#include "context_tools.h"

namespace {

using namespace leaf_test;

int64_t elapsed_ms(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                               since)
      .count();
}

void wait_for(const std::atomic<int>& value, int wanted) {
  for (int i = 0; i < 20000 && value < wanted; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  CHECK(value >= wanted);
}

leaf_settings queue_settings(int queue, int batch) {
  leaf_settings settings = default_settings();
  settings.queue = queue;
  settings.batch = batch;
  return settings;
}

void restart() {
  behaviour.runs = behaviour.largest = 0;
  behaviour.refuse = -1;
  behaviour.hold = false;
}

// The worker holds the first frame meanwhile the ring fills: what waits becomes one batch.
void order_batches_and_a_full_ring() {
  restart();
  const leaf_settings settings = queue_settings(7, 4);
  leaf_context* context = nullptr;
  if (!CHECK(open_level(&context, &settings) == 0)) return;
  std::vector<Grey> frames;
  for (int i = 0; i < 8; ++i) frames.emplace_back(30 + i, 20, 10 + i);
  leaf_score score;
  for (int round = 0; round < 3; ++round) {
    const uint64_t base = static_cast<uint64_t>(round) * 7;
    behaviour.hold = true;
    uint64_t ticket = 0;
    CHECK(leaf_submit(context, &frames[0].input, &ticket) == 0 && ticket == base + 1);
    wait_for(behaviour.inside, 1);
    for (size_t i = 1; i < 7; ++i) {
      CHECK(leaf_submit(context, &frames[i].input, &ticket) == 0 && ticket == base + i + 1);
    }
    ticket = 77;
    CHECK(leaf_submit(context, &frames[7].input, &ticket) == -EAGAIN && ticket == 77);
    CHECK(says("7 frames are in flight"));
    CHECK(leaf_poll(context, &score, 0) == 0);
    leaf_score other;
    CHECK(leaf_score_frames(context, &frames[0].input, 1, &other) == -EBUSY);
    CHECK(leaf_prepare(context, &frames[0].input, 1) == -EBUSY);
    CHECK(leaf_self_test(context, nullptr) == -EBUSY && says("in flight"));
    behaviour.hold = false;
    for (int i = 0; i < 7; ++i) {
      CHECK(leaf_poll(context, &score, i % 2 ? -1 : 20000) == 1);
      CHECK(is_of(score, 10 + i) && score.ticket == base + static_cast<uint64_t>(i) + 1);
      CHECK(score.queue_ns >= 0);
      // A place is free as soon as a score is taken, and not before.
      if (i == 0 && round == 2) CHECK(leaf_submit(context, &frames[7].input, &ticket) == 0);
    }
    if (round == 2) CHECK(leaf_poll(context, &score, -1) == 1 && is_of(score, 17));
    CHECK(leaf_poll(context, &score, -1) == 0);  // nothing in flight
    CHECK(leaf_score_frames(context, &frames[3].input, 1, &score) == 0 && is_of(score, 13));
    CHECK(score.ticket == 0);
  }
  CHECK(behaviour.largest == 4);
  leaf_timings timings;
  CHECK(leaf_get_timings(context, &timings) == 0 && timings.queue.count == 22);
  CHECK(timings.views.count == 25);
  leaf_close(context);
}

// One frame that cannot be scored does not take the others of its batch with it.
void errors_are_of_their_frame() {
  restart();
  const leaf_settings settings = queue_settings(8, 8);
  leaf_context* context = nullptr;
  if (!CHECK(open_level(&context, &settings) == 0)) return;
  std::vector<Grey> frames;
  for (int i = 0; i < 8; ++i) frames.emplace_back(32, 32, 40 + i);
  behaviour.refuse = 45;
  behaviour.hold = true;
  for (Grey& frame : frames) {
    frame.input.camera = 9;
    CHECK(leaf_submit(context, &frame.input, nullptr) == 0);
  }
  behaviour.hold = false;
  for (int i = 0; i < 8; ++i) {
    leaf_score score;
    memset(&score, 0x5a, sizeof score);
    CHECK(leaf_poll(context, &score, -1) == 1 && score.camera == 9 && score.number == 40 + i);
    CHECK(score.ticket == static_cast<uint64_t>(i) + 1);
    if (i == 5) {
      CHECK(score.error == LEAF_E_BUNDLE_MODEL && says("level 45 is refused"));
      CHECK(score.mos < 1e-9 && score.mos > -1e-9 && score.reason == LEAF_FAULT_NONE);
    } else {
      CHECK(is_of(score, 40 + i));
    }
  }
  behaviour.refuse = -1;
  leaf_close(context);
}

void timeouts() {
  restart();
  const leaf_settings settings = queue_settings(2, 1);
  leaf_context* context = nullptr;
  if (!CHECK(open_level(&context, &settings) == 0)) return;
  const Grey grey(32, 32, 90);
  leaf_score score;
  auto begun = std::chrono::steady_clock::now();
  CHECK(leaf_poll(context, &score, 0) == 0 && leaf_poll(context, &score, -1) == 0);
  CHECK(elapsed_ms(begun) < 5000);
  begun = std::chrono::steady_clock::now();
  CHECK(leaf_poll(context, &score, 60) == 0);  // nobody submits
  CHECK(elapsed_ms(begun) >= 60);
  behaviour.hold = true;
  CHECK(leaf_submit(context, &grey.input, nullptr) == 0);
  begun = std::chrono::steady_clock::now();
  CHECK(leaf_poll(context, &score, 60) == 0);  // it is not done
  CHECK(elapsed_ms(begun) >= 60);
  behaviour.hold = false;
  CHECK(leaf_poll(context, &score, 2147483647) == 1 && is_of(score, 90));
  // A frame that another thread submits during the wait.
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    CHECK(leaf_submit(context, &grey.input, nullptr) == 0);
  });
  CHECK(leaf_poll(context, &score, 20000) == 1 && is_of(score, 90));
  later.join();
  leaf_close(context);
}

void close_with_frames_in_flight() {
  restart();
  CountingAllocator allocator;
  for (int waiting = 0; waiting < 4; ++waiting) {
    leaf_settings settings = queue_settings(4, 1);
    settings.allocator = allocator.callbacks();
    leaf_context* context = nullptr;
    if (!CHECK(open_level(&context, &settings) == 0)) return;
    const Grey grey(32, 32, 90);
    const int before = behaviour.runs;
    behaviour.hold = true;
    for (int i = 0; i <= waiting; ++i) CHECK(leaf_submit(context, &grey.input, nullptr) == 0);
    wait_for(behaviour.inside, 1);
    std::thread later([] {
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
      behaviour.hold = false;
    });
    leaf_close(context);  // after the frame in hand; the others are dropped
    later.join();
    CHECK(behaviour.runs == before + 1);
    CHECK(allocator.live() == 0);
  }
}

// One thread submits, another polls.
void submit_and_poll_on_two_threads() {
  restart();
  const leaf_settings settings = queue_settings(16, 5);
  leaf_context* context = nullptr;
  if (!CHECK(open_level(&context, &settings) == 0)) return;
  std::vector<Grey> frames;
  for (int i = 0; i < 20; ++i) frames.emplace_back(30 + i % 3, 20, i);
  constexpr int kFrames = 2000;
  std::thread producer([&] {
    for (int i = 0; i < kFrames;) {
      uint64_t ticket = 0;
      const int error = leaf_submit(context, &frames[static_cast<size_t>(i % 20)].input, &ticket);
      if (error == -EAGAIN) {
        std::this_thread::yield();
        continue;
      }
      CHECK(error == 0 && ticket == static_cast<uint64_t>(++i));
    }
  });
  for (int i = 0; i < kFrames; ++i) {
    leaf_score score;
    if (!CHECK(leaf_poll(context, &score, 20000) == 1)) break;
    CHECK(is_of(score, i % 20) && score.ticket == static_cast<uint64_t>(i) + 1);
    leaf_info info;
    leaf_timings timings;
    if (i % 100 == 0) {
      CHECK(leaf_get_info(context, &info) == 0 && leaf_get_timings(context, &timings) == 0);
    }
  }
  producer.join();
  leaf_close(context);
}

void two_contexts_on_two_threads() {
  restart();
  const auto run = [](int level) {
    for (int round = 0; round < 20; ++round) {
      const Grey grey(40 + level, 30, level);
      leaf_views* views = nullptr;  // beside contexts, the views alone
      CHECK(leaf_views_open(&views, LEAF_ISA_AUTO) == 0);
      leaf_context* context = nullptr;
      leaf_settings settings = default_settings();
      settings.batch = 3;
      settings.queue = level % 2;
      if (!CHECK(open_level(&context, &settings) == 0)) return;
      for (int i = 0; i < 20; ++i) {
        const leaf_input inputs[3] = {grey.input, grey.input, grey.input};
        leaf_score scores[3];
        CHECK(leaf_score_frames(context, inputs, 3, scores) == 0 && is_of(scores[2], level));
        // Messages are of their thread.
        CHECK(leaf_score_frames(context, inputs, level + 4, scores) == -EINVAL);
        CHECK(says(("count is " + std::to_string(level + 4)).c_str()));
      }
      if (settings.queue) {
        leaf_score score;
        CHECK(leaf_submit(context, &grey.input, nullptr) == 0);
        CHECK(leaf_poll(context, &score, -1) == 1 && is_of(score, level));
      }
      leaf_close(context);
      leaf_views_close(views);
    }
  };
  std::thread one(run, 100), other(run, 201);
  one.join();
  other.join();
}

}  // namespace

int main() {
  order_batches_and_a_full_ring();
  errors_are_of_their_frame();
  timeouts();
  close_with_frames_in_flight();
  submit_and_poll_on_two_threads();
  two_contexts_on_two_threads();
  return finish("queue");
}
