// Compiled where nvcc is: LEAF_BENCH_FATBIN is the file of runtime/cuda/bench.cu's kernels.
#include "checkviews_bench.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>

#include "engines/cuda_frame.h"
#include "views_frames.h"

__asm__(
    ".pushsection .rodata\n"
    ".balign 64\n"
    "leaf_bench_fatbin:\n"
    ".incbin \"" LEAF_BENCH_FATBIN
    "\"\n"
    ".popsection\n");
extern "C" const unsigned char leaf_bench_fatbin[];

namespace leaf_test {
namespace {

using leaf::device::Frame;

// One line of the table.
struct Measured {
  const char* name;
  int32_t width, height, format;
  int cameras;
  double ns = 0, bytes = 0;
  double copy_ns = 0;  // of a copy of as many bytes
};

constexpr size_t kRotate = size_t{320} << 20;  // more than any L2 cache: frames come from DRAM

double gigabytes(const Measured& m) { return m.bytes / m.ns; }

// Frames of random bytes in turns, so many that none is in a cache when its turn comes (`cold`), or
// always the same: as it is after a camera or a copy wrote it.
class Turns {
 public:
  Turns(CheckDevice& device, Handle kernel, Measured* m, int scale, bool cold)
      : device_(device), kernel_(kernel), cameras_(static_cast<size_t>(m->cameras)) {
    leaf_frame frame = {};
    frame.width = m->width / scale;
    frame.height = m->height / scale;
    frame.format = m->format;
    frame.matrix = m->format == LEAF_RGB ? LEAF_NO_MATRIX : LEAF_BT709;
    frame.range = m->format == LEAF_RGB ? LEAF_FULL : LEAF_LIMITED;
    const leaf::cuda::Staging layout = leaf::cuda::stage_layout(frame);
    const size_t budget = kRotate / static_cast<size_t>(scale) / static_cast<size_t>(scale);
    sets_ = cold ? budget / (cameras_ * layout.size) + 2 : 1;
    const Address pixels = device.allocate(sets_ * cameras_ * layout.size);
    const Address out = device.allocate(cameras_ * LEAF_VIEWS_BYTES);
    described_ = device.allocate(sets_ * cameras_ * sizeof(Frame));
    std::vector<uint8_t> random(layout.size);
    Random numbers(1);
    for (uint8_t& byte : random) byte = static_cast<uint8_t>(numbers.next() >> 56);
    std::vector<Frame> frames(sets_ * cameras_);
    for (size_t n = 0; n < frames.size(); ++n) {
      device.upload(pixels + n * layout.size, random.data(), layout.size);
      leaf::cuda::DevicePlanes planes;
      for (int p = 0; p < layout.planes; ++p) {
        planes.address[p] = pixels + n * layout.size + layout.offset[p];
        planes.pitch[p] = layout.pitch[p];
        if (n < cameras_) m->bytes += static_cast<double>(layout.rows[p]) * layout.row_bytes[p];
      }
      leaf::cuda::fill_frame(&frames[n], frame, planes, out + n % cameras_ * LEAF_VIEWS_BYTES);
    }
    m->bytes += static_cast<double>(cameras_ * LEAF_VIEWS_BYTES);
    device.upload(described_, frames.data(), frames.size() * sizeof(Frame));
  }
  void operator()(int n) const {
    Address at = described_ + static_cast<size_t>(n) % sets_ * cameras_ * sizeof(Frame);
    void* parameters[] = {&at};
    device_.launch(kernel_, leaf::device::kBlocks, static_cast<unsigned>(cameras_),
                   leaf::device::kThreads, parameters);
  }

 private:
  CheckDevice& device_;
  Handle kernel_;
  size_t cameras_, sets_;
  Address described_;
};

// The kernel `leaf_copy` over memory that is larger than any cache.
class Copies {
 public:
  Copies(CheckDevice& device, Handle copy, int scale)
      : device_(device),
        copy_(copy),
        size_(kRotate / 2 / static_cast<size_t>(scale) / static_cast<size_t>(scale) / 16 * 16),
        to_(device.allocate(size_)),
        from_(device.allocate(size_)) {
    std::vector<uint8_t> random(size_t{1} << 22);
    Random numbers(2);
    for (uint8_t& byte : random) byte = static_cast<uint8_t>(numbers.next() >> 56);
    for (size_t at = 0; at < size_; at += random.size()) {
      device.upload(from_ + at, random.data(), std::min(random.size(), size_ - at));
    }
  }

  // Nanoseconds of a copy that reads and writes `bytes` in all, each from and to another place.
  double measure(size_t bytes) const {
    const size_t part = std::min(bytes / 2, size_) / 16 * 16, parts = size_ / part;
    // Four times 16 bytes for each thread, as many threads as the widest device runs at once.
    const auto blocks = static_cast<unsigned>(
        std::clamp<size_t>((part / 16 + 4 * 256 - 1) / (4 * 256), 1, 8 * 256));
    return device_.back_to_back([&](int n) {
      const Address at = static_cast<size_t>(n) % parts * part;
      Address to = to_ + at, from = from_ + at;
      uint64_t count = part / 16;
      void* parameters[] = {&to, &from, &count};
      device_.launch(copy_, blocks, 1, 256, parameters);
    });
  }
  double largest() const { return 2.0 * static_cast<double>(size_); }

 private:
  CheckDevice& device_;
  Handle copy_;
  size_t size_;
  Address to_, from_;
};

void report(const leaf::cuda::Machine& machine, double copy, double empty_ns, double empty_wait_ns,
            const std::vector<Measured>& rows, const Measured& single, double single_wait_ns,
            int scale, const char* json) {
  printf("%-24s %10s %10s %8s %18s\n", machine.device[0].name, "us", "GB/s", "of copy",
         "of as large a copy");
  std::string text;
  char line[512];
  for (const Measured& m : rows) {
    printf("%-24s %10.2f %10.1f %7.0f%% %17.0f%%\n", m.name, m.ns / 1e3, gigabytes(m),
           100 * gigabytes(m) / copy, 100 * m.copy_ns / m.ns);
    snprintf(line, sizeof line,
             "%s{\"name\": \"%s\", \"ns\": %.1f, \"bytes\": %.0f, \"gb_s\": %.3f, "
             "\"of_copy\": %.4f, \"copy_ns\": %.1f, \"of_same_copy\": %.4f}",
             text.empty() ? "" : ", ", m.name, m.ns, m.bytes, gigabytes(m), gigabytes(m) / copy,
             m.copy_ns, m.copy_ns / m.ns);
    text += line;
  }
  printf("%-24s %10s %10.1f\n", "copy", "", copy);
  printf("%-24s %10.2f (launch and wait %.2f)\n", "empty launch", empty_ns / 1e3,
         empty_wait_ns / 1e3);
  printf("%-24s %10.2f (launch and wait %.2f, %.2f times the empty one's)\n", single.name,
         single.ns / 1e3, single_wait_ns / 1e3, single_wait_ns / empty_wait_ns);
  if (!json) return;
  FILE* file = fopen(json, "w");
  if (!file) {
    printf("cannot write %s\n", json);
    return;
  }
  fprintf(file,
          "{\"device\": \"%s\", \"sm\": \"%d.%d\", \"scale\": %d, \"copy_gb_s\": %.3f, \"rows\": "
          "[%s], \"empty_ns\": %.1f, \"empty_wait_ns\": %.1f, \"single_ns\": %.1f, "
          "\"single_wait_ns\": %.1f, \"single_over_empty\": %.3f}\n",
          machine.device[0].name, machine.device[0].major, machine.device[0].minor, scale, copy,
          text.c_str(), empty_ns, empty_wait_ns, single.ns, single_wait_ns,
          single_wait_ns / empty_wait_ns);
  fclose(file);
}

}  // namespace

void bench_cuda(CheckDevice& device, const leaf::cuda::Machine& machine, Handle kernel, int scale,
                const char* json) {
  const Handle copy = device.kernel(leaf_bench_fatbin, "leaf_copy");
  const Handle empty = device.kernel(leaf_bench_fatbin, "leaf_empty");
  std::vector<Measured> rows = {
      {"1080p nv12 x 8", 1920, 1080, LEAF_NV12, 8}, {"2160p nv12", 3840, 2160, LEAF_NV12, 1},
      {"2160p nv12 x 4", 3840, 2160, LEAF_NV12, 4}, {"1080p p010 x 8", 1920, 1080, LEAF_P010, 8},
      {"1080p rgb x 8", 1920, 1080, LEAF_RGB, 8},   {"1080p nv12", 1920, 1080, LEAF_NV12, 1}};
  const Copies copies(device, copy, scale);
  const double largest = copies.largest();
  const double copied = largest / copies.measure(static_cast<size_t>(largest));
  for (Measured& row : rows) {
    row.ns = device.back_to_back(Turns(device, kernel, &row, scale, true));
    row.copy_ns = copies.measure(static_cast<size_t>(row.bytes));
  }
  // One frame that was just written, as a camera's is: out of the cache.
  Measured single = {"1080p nv12, cached", 1920, 1080, LEAF_NV12, 1};
  const Turns one(device, kernel, &single, scale, false);
  single.ns = device.back_to_back(one);
  const double single_wait_ns = device.launch_and_wait(one);
  const auto nothing = [&](int) { device.launch(empty, 1, 1, 32, nullptr); };
  const double empty_ns = device.back_to_back(nothing);
  const double empty_wait_ns = device.launch_and_wait(nothing);
  report(machine, copied, empty_ns, empty_wait_ns, rows, single, single_wait_ns, scale, json);
}

}  // namespace leaf_test
