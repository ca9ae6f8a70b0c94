// Frames in flight: a ring between the threads that submit and poll, and the worker that scores.
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <cstdint>
#include <memory_resource>
#include <mutex>
#include <vector>

#include "leaf_edge/leaf.h"

namespace leaf {

// All memory is allocated by the constructor. Any thread may submit, any poll.
class Queue {
 public:
  Queue(leaf_context& context, int capacity, int batch, std::pmr::memory_resource* memory);
  ~Queue();  // waits for the batch being scored, and drops the rest
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // Starts the worker. 0, or -ENOMEM with its message kept: the system has no thread to give.
  int start();

  int submit(const leaf_input& input, uint64_t* ticket);  // as leaf_submit, of a checked input
  int poll(leaf_score* score, int timeout_ms);            // as leaf_poll
  bool busy();                                            // whether frames are in flight

 private:
  struct Slot {
    leaf_input input;
    leaf_score score;  // its error is 0 or why there is none
    int64_t submitted_ns;
    char message[256];  // of the error
  };

  Slot& slot(uint64_t number) { return slots_[number % slots_.size()]; }
  void work();
  void score(uint64_t first, int count);

  leaf_context& context_;
  // The worker has the slots of frames that are not scored yet to itself, pollers those that are.
  std::pmr::vector<Slot> slots_;
  // The worker's own: the batch in hand.
  std::pmr::vector<leaf_input> inputs_;
  std::pmr::vector<leaf_score> scores_;

  std::mutex mutex_;  // of all below
  std::condition_variable more_, done_;
  uint64_t submitted_ = 0, scored_ = 0, polled_ = 0;  // frames so far
  bool stop_ = false;

  bool started_ = false;
  pthread_t worker_ = {};
};

}  // namespace leaf
