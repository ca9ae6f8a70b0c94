// Sources through a context: frames are read on one thread while others are scored.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "readers/source.h"
#include "score/rows.h"

namespace leaf_tools {

struct CloseContext {
  void operator()(leaf_context* context) const { leaf_close(context); }
};
using ContextPtr = std::unique_ptr<leaf_context, CloseContext>;

// Opens a context, or throws LibraryError.
ContextPtr open_context(const std::string& bundle, const leaf_settings& settings);

// What comes out of a pipeline, in order: a scored frame, or why a source ended early.
struct Item {
  bool problem = false;
  std::string text;  // of the problem
  Row row;           // without the gate's part
};

class Pipeline {
 public:
  // queue: as the context was opened with; 0: each frame is read, then scored. At most max(queue,
  // 1) frames are in memory. `notices` is used on the reading thread.
  Pipeline(ContextPtr context, std::vector<std::string> names, const SourceOptions& options,
           const leaf_roi& roi, int queue, Notices* notices);
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // The next item; false at the end. Throws LibraryError, Interrupted.
  bool next(Item* item);

  leaf_context* context() { return context_.get(); }

 private:
  // What the reading thread has done: submitted a frame, met a problem, or ended.
  struct Event {
    enum Kind { kFrame, kProblem, kEnd } kind = kEnd;
    size_t slot = 0;
    std::string text;
    std::exception_ptr error;  // of kEnd
  };

  bool read(Picture* picture, bool* still, std::string* problem);
  leaf_input describe(const Picture& picture) const;
  void read_all();
  void push(Event event);
  bool take_slot(size_t* slot);
  Event wait_event();
  void collect(Item* item, size_t slot);
  bool score_next(Item* item);
  static void fill(Row* row, const Picture& picture, bool still, const leaf_score& score);

  // Pictures go after the context, which reads them until it is closed.
  std::vector<Picture> pictures_;
  std::vector<char> stills_;
  ContextPtr context_;

  const std::vector<std::string> names_;
  const SourceOptions options_;
  const leaf_roi roi_;
  Notices* const notices_;
  size_t name_ = 0;  // that comes next
  std::unique_ptr<Source> source_;

  std::mutex mutex_;  // of the three below
  std::condition_variable changed_;
  std::deque<Event> events_;
  size_t free_ = 0;
  bool stop_ = false;

  size_t slot_ = 0;  // that is read into next
  bool ended_ = false;
  std::thread reader_;
};

}  // namespace leaf_tools
