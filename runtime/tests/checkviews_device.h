// A CUDA device as checkviews uses it. Every call that fails ends the program with its name.
#pragma once

#include <chrono>
#include <vector>

#include "engines/cuda_driver.h"

namespace leaf_test {

using leaf::cuda::Address;
using leaf::cuda::Handle;

class CheckDevice {
 public:
  explicit CheckDevice(const leaf::cuda::Machine& machine);
  ~CheckDevice();
  CheckDevice(const CheckDevice&) = delete;
  CheckDevice& operator=(const CheckDevice&) = delete;

  Address allocate(size_t size);
  void upload(Address to, const void* from, size_t size);
  void download(void* to, Address from, size_t size);
  // A kernel of an image; NULL where the image has none of that name.
  Handle kernel(const void* image, const char* name);
  void launch(Handle kernel, unsigned blocks, unsigned rows, unsigned threads, void** parameters);
  void wait();

  // Nanoseconds of one call of `work(n)` on the device, n counting up: of many, back to back.
  template <class Work>
  double back_to_back(const Work& work) {
    double best = 1e300;
    int count = 1;
    for (int round = 0; round < 12; ++round) {
      check("cuEventRecord", driver_.EventRecord(begin_, stream_));
      for (int n = 0; n < count; ++n) work(n);
      check("cuEventRecord", driver_.EventRecord(end_, stream_));
      check("cuEventSynchronize", driver_.EventSynchronize(end_));
      float ms = 0;
      check("cuEventElapsedTime", driver_.EventElapsedTime(&ms, begin_, end_));
      const double ns = static_cast<double>(ms) * 1e6 / count;
      if (round > 1 && ns < best) best = ns;
      if (ms > 200) {  // a slow one: one round tells
        if (ns < best) best = ns;
        break;
      }
      if (ms < 10) count *= 4;
    }
    return best;
  }

  // Nanoseconds from a launch to its end as the caller sees them: the median of many.
  template <class Work>
  double launch_and_wait(const Work& work) {
    std::vector<double> times;
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
    for (int n = 0; n < 300 && (n < 3 || std::chrono::steady_clock::now() < end); ++n) {
      const auto begun = std::chrono::steady_clock::now();
      work(n);
      wait();
      times.push_back(
          std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begun)
              .count());
    }
    return median(times);
  }

 private:
  static double median(std::vector<double>& times);
  void check(const char* call, int status) const;
  void copy(Address device, void* host, size_t size, bool up);

  const leaf::cuda::Driver& driver_;
  Handle context_ = nullptr, stream_ = nullptr, begin_ = nullptr, end_ = nullptr;
  void* pinned_ = nullptr;
  std::vector<Handle> modules_;
  std::vector<Address> memory_;
};

}  // namespace leaf_test
