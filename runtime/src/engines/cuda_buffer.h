// Memory that host and device both use.
#pragma once

#include "engines/cuda_driver.h"

namespace leaf::cuda {

// Pinned memory of the host with as many bytes on the device; where `mapped`, one memory that both
// read and write, which is what a device that shares the processor's memory can do. The context
// must be current in every call.
class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  // 0 or a code with its message kept. What was there before is gone.
  int allocate(const Driver& driver, std::size_t size, bool mapped);
  void free(const Driver& driver);

  // Enqueues a copy of the first `size` bytes from `offset`; nothing where mapped.
  int upload(const Driver& driver, std::size_t offset, std::size_t size, Handle stream) const;
  int download(const Driver& driver, std::size_t size, Handle stream) const;

  uint8_t* host() const { return host_; }
  Address device() const { return device_; }
  std::size_t size() const { return size_; }

 private:
  uint8_t* host_ = nullptr;
  Address device_ = 0;
  std::size_t size_ = 0;
  bool mapped_ = false;
};

}  // namespace leaf::cuda
