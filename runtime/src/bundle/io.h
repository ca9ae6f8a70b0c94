// Reading files by handles.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace leaf {

// Closes what open() gave.
class Handle {
 public:
  explicit Handle(int handle) : handle_(handle) {}
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { reset(-1); }

  int get() const { return handle_; }
  void reset(int handle) {
    if (handle_ >= 0) close(handle_);
    handle_ = handle;
  }
  int release() {
    const int handle = handle_;
    handle_ = -1;
    return handle;
  }

 private:
  int handle_;
};

// Reads until `size` bytes or the end of the file. The bytes read, or -1 with errno.
inline int64_t read_up_to(int handle, uint8_t* to, size_t size) {
  constexpr size_t kMost = 1U << 30;
  size_t done = 0;
  while (done < size) {
    const ssize_t got = read(handle, to + done, size - done < kMost ? size - done : kMost);
    if (got == 0) break;
    if (got < 0 && errno != EINTR) return -1;
    if (got > 0) done += static_cast<size_t>(got);
  }
  return static_cast<int64_t>(done);
}

}  // namespace leaf
