#include "api/queue.h"

#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>

#include "api/context.h"
#include "error.h"

namespace leaf {

Queue::Queue(leaf_context& context, int capacity, int batch, std::pmr::memory_resource* memory)
    : context_(context),
      slots_(static_cast<size_t>(capacity), memory),
      inputs_(static_cast<size_t>(std::min(batch, capacity)), memory),
      scores_(inputs_.size(), memory) {}

Queue::~Queue() {
  if (!started_) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  more_.notify_one();
  pthread_join(worker_, nullptr);
}

int Queue::start() {
  // The program's signals are for its own threads. std::thread would allocate on its own.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(
      &worker_, nullptr,
      [](void* queue) -> void* {
        static_cast<Queue*>(queue)->work();
        return nullptr;
      },
      this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error) return fail(-ENOMEM, "cannot start a thread for the queue (error %d)", error);
  started_ = true;
  return 0;
}

int Queue::submit(const leaf_input& input, uint64_t* ticket) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (submitted_ - polled_ == slots_.size()) {
      return fail(-EAGAIN, "%zu frames are in flight, as many as settings.queue allows",
                  slots_.size());
    }
    Slot& s = slot(submitted_);
    s.input = input;
    s.submitted_ns = now_ns();
    ++submitted_;
    if (ticket) *ticket = submitted_;
  }
  more_.notify_one();
  return 0;
}

int Queue::poll(leaf_score* score, int timeout_ms) {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto ready = [this] { return polled_ != scored_; };
  if (timeout_ms < 0) {
    done_.wait(lock, [&] { return ready() || polled_ == submitted_; });
  } else if (timeout_ms > 0) {
    done_.wait_for(lock, std::chrono::milliseconds(timeout_ms), ready);
  }
  if (!ready()) return 0;
  const Slot& s = slot(polled_);
  *score = s.score;
  if (score->error) fail(score->error, "%s", s.message);
  ++polled_;
  return 1;
}

bool Queue::busy() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return submitted_ != polled_;
}

void Queue::work() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    more_.wait(lock, [this] { return stop_ || scored_ != submitted_; });
    if (stop_) return;
    const uint64_t first = scored_, wait = submitted_ - scored_;
    const int count = static_cast<int>(std::min<uint64_t>(wait, inputs_.size()));
    lock.unlock();
    score(first, count);
    lock.lock();
    scored_ += static_cast<uint64_t>(count);
    done_.notify_all();
  }
}

// Scores the frames from `first` on as one batch, or each for itself where that fails, so that a
// frame's error is its own.
void Queue::score(uint64_t first, int count) {
  for (int i = 0; i < count; ++i) {
    inputs_[static_cast<size_t>(i)] = slot(first + static_cast<uint64_t>(i)).input;
  }
  const int64_t begun = now_ns();
  const int error = score_batch(context_, inputs_.data(), count, scores_.data());
  if (error && count > 1) {
    for (int i = 0; i < count; ++i) score(first + static_cast<uint64_t>(i), 1);
    return;
  }
  for (int i = 0; i < count; ++i) {
    const uint64_t number = first + static_cast<uint64_t>(i);
    Slot& s = slot(number);
    leaf_score& score = scores_[static_cast<size_t>(i)];
    if (error) {
      label_score(s.input, &score);
      score.error = error;
      snprintf(s.message, sizeof s.message, "%s", last_message());
    }
    score.ticket = number + 1;
    score.queue_ns = begun - s.submitted_ns;
    s.score = score;
  }
  if (!error) context_.timings.add(scores_.data(), count, true);
}

}  // namespace leaf
