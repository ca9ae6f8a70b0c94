#include "score/pipeline.h"

#include <cerrno>
#include <chrono>

#include "common/errors.h"
#include "readers/byte_stream.h"
#include "readers/opening.h"

namespace leaf_tools {
namespace {

constexpr int kPatienceMs = 100;  // how often a waiting thread looks for Ctrl-C

}  // namespace

ContextPtr open_context(const std::string& bundle, const leaf_settings& settings) {
  leaf_context* context = nullptr;
  const int error = leaf_open(&context, bundle.c_str(), &settings);
  if (error < 0) throw LibraryError(error);
  return ContextPtr(context);
}

Pipeline::Pipeline(ContextPtr context, std::vector<std::string> names, const SourceOptions& options,
                   const leaf_roi& roi, int queue, Notices* notices)
    : pictures_(queue ? static_cast<size_t>(queue) : 1),
      stills_(pictures_.size()),
      context_(std::move(context)),
      names_(std::move(names)),
      options_(options),
      roi_(roi),
      notices_(notices),
      free_(pictures_.size()) {
  if (queue) reader_ = std::thread([this] { read_all(); });
}

Pipeline::~Pipeline() {
  if (!reader_.joinable()) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  if (!ended_) stop_reads();
  changed_.notify_all();
  reader_.join();
}

// The next frame of all sources. true with an empty `problem`: a frame; with one: why a source
// ended; false: the end of all.
bool Pipeline::read(Picture* picture, bool* still, std::string* problem) {
  problem->clear();
  while (source_ || name_ < names_.size()) {
    try {
      if (!source_) source_ = open_source(names_[name_++], options_, notices_);
      const auto start = std::chrono::steady_clock::now();
      if (source_->next(picture)) {
        const auto taken = std::chrono::steady_clock::now() - start;
        picture->acquire_ms = std::chrono::duration<double, std::milli>(taken).count();
        picture->frame.roi = roi_;
        *still = source_->still();
        return true;
      }
      source_.reset();
    } catch (const SourceError& error) {
      source_.reset();
      *problem = error.what();
      return true;
    }
  }
  return false;
}

leaf_input Pipeline::describe(const Picture& picture) const {
  leaf_input input;
  leaf_default_input(&input);
  input.frame = picture.frame;
  input.number = picture.index;
  return input;
}

void Pipeline::push(Event event) {
  const std::lock_guard<std::mutex> lock(mutex_);
  events_.push_back(std::move(event));
  changed_.notify_all();
}

// Waits for a picture that is not in flight; false: the rest is not wanted.
bool Pipeline::take_slot(size_t* slot) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return free_ > 0 || stop_; });
  if (stop_) return false;
  --free_;
  *slot = slot_;
  slot_ = (slot_ + 1) % pictures_.size();
  return true;
}

void Pipeline::read_all() {
  Event end;
  try {
    size_t slot = 0;
    bool held = false;  // a slot that holds no frame
    while (held || take_slot(&slot)) {
      held = true;
      bool still = false;
      std::string problem;
      Picture& picture = pictures_[slot];
      if (!read(&picture, &still, &problem)) break;
      if (problem.empty()) {
        const leaf_input input = describe(picture);
        stills_[slot] = still;
        const int error = leaf_submit(context_.get(), &input, nullptr);
        if (error != -EINVAL && error < 0) throw LibraryError(error);
        if (error < 0) {
          problem = picture.source + ": " + leaf_last_message();
          source_.reset();
        }
      }
      Event event;
      event.kind = problem.empty() ? Event::kFrame : Event::kProblem;
      event.slot = slot;
      event.text = problem;
      held = !problem.empty();
      push(std::move(event));
    }
  } catch (...) {
    end.error = std::current_exception();
  }
  push(std::move(end));
}

Pipeline::Event Pipeline::wait_event() {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto patience = std::chrono::milliseconds(kPatienceMs);
  while (!changed_.wait_for(lock, patience, [this] { return !events_.empty(); })) {
    if (interrupted()) throw Interrupted();
  }
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

void Pipeline::fill(Row* row, const Picture& picture, bool still, const leaf_score& score) {
  row->source = picture.source;
  row->time_s = picture.time_s;
  row->acquire_ms = picture.acquire_ms;
  row->still = still;
  row->score = score;
}

// Waits for the score of the picture in `slot`, the oldest in flight.
void Pipeline::collect(Item* item, size_t slot) {
  leaf_score score;
  int got = 0;
  while ((got = leaf_poll(context_.get(), &score, kPatienceMs)) == 0) {
    if (interrupted()) throw Interrupted();
  }
  if (got < 0) throw LibraryError(got);
  if (score.error) throw LibraryError(score.error);
  fill(&item->row, pictures_[slot], stills_[slot], score);
  const std::lock_guard<std::mutex> lock(mutex_);
  ++free_;
  changed_.notify_all();
}

// Without a reading thread: reads a frame, then scores it.
bool Pipeline::score_next(Item* item) {
  bool still = false;
  Picture& picture = pictures_[0];
  if (interrupted()) throw Interrupted();
  if (!read(&picture, &still, &item->text)) return false;
  item->problem = !item->text.empty();
  if (item->problem) return true;
  const leaf_input input = describe(picture);
  leaf_score score;
  const int error = leaf_score_frames(context_.get(), &input, 1, &score);
  if (error == -EINVAL) {
    item->problem = true;
    item->text = picture.source + ": " + leaf_last_message();
    source_.reset();
  } else if (error < 0) {
    throw LibraryError(error);
  } else {
    fill(&item->row, picture, still, score);
  }
  return true;
}

bool Pipeline::next(Item* item) {
  item->problem = false;
  if (ended_) return false;
  if (!reader_.joinable()) return score_next(item);
  const Event event = wait_event();
  if (event.kind == Event::kEnd) {
    ended_ = true;
    if (event.error) std::rethrow_exception(event.error);
    return false;
  }
  item->problem = event.kind == Event::kProblem;
  item->text = event.text;
  if (!item->problem) collect(item, event.slot);
  return true;
}

}  // namespace leaf_tools
