#include "readers/byte_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "readers/source.h"

namespace leaf_tools {
namespace {

constexpr size_t kChunk = 1 << 20;

std::atomic<bool> signalled{false}, stopped{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler writes it");
int wake[2] = {-1, -1};  // a byte comes through this pipe with a signal

void on_signal(int) {
  signalled = true;
  const int before = errno;
  const ssize_t written = write(wake[1], "", 1);
  (void)written;  // a full pipe wakes as well
  errno = before;
}

[[noreturn]] void unreadable(const std::string& name) {
  throw SourceError(name, std::string("cannot be read: ") + strerror(errno));
}

}  // namespace

void catch_signals() {
  if (pipe2(wake, O_CLOEXEC | O_NONBLOCK) != 0) return;
  struct sigaction action = {};
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  struct sigaction before = {};  // nohup has it ignored, and it stays so
  if (sigaction(SIGHUP, nullptr, &before) == 0 && before.sa_handler == SIG_DFL) {
    sigaction(SIGHUP, &action, nullptr);
  }
  // Errors of write() instead: a reader that went away, a file at its limit (ulimit -f).
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
}

bool interrupted() { return signalled; }

void stop_reads() {
  stopped = true;
  const ssize_t written = wake[1] < 0 ? 0 : write(wake[1], "", 1);
  (void)written;
}

// Not blocking: a named pipe without a writer would hold open() up, where Ctrl-C does not end it.
ByteStream::ByteStream(std::string name, const std::string& path)
    : name_(std::move(name)),
      descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)),
      owned_(true) {
  if (descriptor_ < 0) unreadable(name_);
  struct stat status;
  seekable_ = fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode);
}

ByteStream::ByteStream(std::string name, int descriptor)
    : name_(std::move(name)), descriptor_(descriptor) {
  struct stat status;
  if (fstat(descriptor_, &status) != 0) unreadable(name_);
  seekable_ = S_ISREG(status.st_mode) && lseek(descriptor_, 0, SEEK_CUR) >= 0;
}

ByteStream::ByteStream(std::string name, const uint8_t* data, size_t size)
    : name_(std::move(name)), memory_(data), memory_left_(size) {}

ByteStream::~ByteStream() {
  if (owned_ && descriptor_ >= 0) close(descriptor_);
}

size_t ByteStream::read_some(uint8_t* out, size_t count) {
  if (ended_ || !count) return 0;
  if (descriptor_ < 0) {
    const size_t got = std::min(count, memory_left_);
    if (got) memcpy(out, memory_, got);
    if (got) memory_ += got;
    memory_left_ -= got;
    return got;
  }
  for (;;) {
    if (interrupted() || stopped) throw Interrupted();
    if (!seekable_) {
      pollfd files[2] = {{descriptor_, POLLIN, 0}, {wake[0], POLLIN, 0}};  // one below 0 is ignored
      if (poll(files, 2, -1) < 0 && errno != EINTR) unreadable(name_);
      if (interrupted() || stopped) throw Interrupted();
      if (!files[0].revents) continue;
    }
    const ssize_t got = ::read(descriptor_, out, std::min(count, kChunk));
    if (got > 0) return static_cast<size_t>(got);
    if (got == 0) {
      ended_ = true;
      return 0;
    }
    if (errno != EINTR && errno != EAGAIN) unreadable(name_);
  }
}

void ByteStream::fill() {
  if (ahead_at_) {
    ahead_.erase(ahead_.begin(), ahead_.begin() + static_cast<std::ptrdiff_t>(ahead_at_));
    ahead_at_ = 0;
  }
  const size_t before = ahead_.size();
  ahead_.resize(before + 4096);
  ahead_.resize(before + read_some(ahead_.data() + before, 4096));
}

std::string ByteStream::peek(size_t count) {
  for (size_t before = ~size_t{0}; ahead_.size() - ahead_at_ < count;) {
    const size_t now = ahead_.size() - ahead_at_;
    if (now == before) break;
    before = now;
    fill();
  }
  const size_t there = std::min(count, ahead_.size() - ahead_at_);
  return std::string(reinterpret_cast<const char*>(ahead_.data()) + ahead_at_, there);
}

std::string ByteStream::read_line(size_t limit) {
  for (size_t before = ~size_t{0};;) {
    const size_t there = std::min(limit, ahead_.size() - ahead_at_);
    const uint8_t* start = ahead_.data() + ahead_at_;
    const void* end = there ? memchr(start, '\n', there) : nullptr;
    if (end || there == limit || there == before) {
      const size_t length =
          end ? static_cast<size_t>(static_cast<const uint8_t*>(end) - start) + 1 : there;
      std::string line(reinterpret_cast<const char*>(start), length);
      ahead_at_ += length;
      return line;
    }
    before = there;
    fill();
  }
}

size_t ByteStream::take(uint8_t* out, size_t count) {
  const size_t ready = std::min(count, ahead_.size() - ahead_at_);
  if (ready) memcpy(out, ahead_.data() + ahead_at_, ready);
  ahead_at_ += ready;
  return ready;
}

size_t ByteStream::read(std::vector<uint8_t>* bytes, size_t count) {
  size_t there = 0;
  while (there < count) {
    const size_t room = std::min(count, std::max(bytes->size(), there + std::max(kChunk, there)));
    if (bytes->size() < room) bytes->resize(room);
    size_t got = take(bytes->data() + there, room - there);
    if (!got) got = read_some(bytes->data() + there, room - there);
    if (!got) break;
    there += got;
  }
  return there;
}

uint64_t ByteStream::skip(uint64_t count) {
  uint64_t left = count;
  const uint64_t ready = std::min<uint64_t>(left, ahead_.size() - ahead_at_);
  ahead_at_ += static_cast<size_t>(ready);
  left -= ready;
  if (left && seekable_) {
    struct stat status;
    const off_t here = lseek(descriptor_, 0, SEEK_CUR);
    if (here >= 0 && fstat(descriptor_, &status) == 0) {
      const uint64_t rest =
          status.st_size > here ? static_cast<uint64_t>(status.st_size - here) : 0;
      const uint64_t step = std::min(left, rest);
      if (lseek(descriptor_, static_cast<off_t>(step), SEEK_CUR) < 0) unreadable(name_);
      return count - left + step;
    }
  }
  std::vector<uint8_t> passed;
  while (left) {
    const size_t got = read(&passed, static_cast<size_t>(std::min<uint64_t>(left, kChunk)));
    if (!got) break;
    left -= got;
  }
  return count - left;
}

}  // namespace leaf_tools
