#include "engines/cuda_buffer.h"

namespace leaf::cuda {

int Buffer::allocate(const Driver& driver, std::size_t size, bool mapped) {
  free(driver);
  void* host = nullptr;
  if (const int error = check(driver, driver.MemHostAlloc(&host, size, mapped ? kHostMapped : 0),
                              "cuMemHostAlloc")) {
    return error;
  }
  host_ = static_cast<uint8_t*>(host);
  mapped_ = mapped;
  const int error = mapped ? check(driver, driver.MemHostGetDevicePointer(&device_, host, 0),
                                   "cuMemHostGetDevicePointer")
                           : check(driver, driver.MemAlloc(&device_, size), "cuMemAlloc");
  if (error) {
    device_ = 0;
    free(driver);
    return error;
  }
  size_ = size;
  return 0;
}

void Buffer::free(const Driver& driver) {
  if (device_ && !mapped_) driver.MemFree(device_);
  if (host_) driver.MemFreeHost(host_);
  host_ = nullptr;
  device_ = 0;
  size_ = 0;
}

int Buffer::upload(const Driver& driver, std::size_t offset, std::size_t size,
                   Handle stream) const {
  if (mapped_) return 0;
  return check(driver, driver.MemcpyHtoDAsync(device_ + offset, host_ + offset, size, stream),
               "cuMemcpyHtoDAsync");
}

int Buffer::download(const Driver& driver, std::size_t size, Handle stream) const {
  if (mapped_) return 0;
  return check(driver, driver.MemcpyDtoHAsync(host_, device_, size, stream), "cuMemcpyDtoHAsync");
}

}  // namespace leaf::cuda
