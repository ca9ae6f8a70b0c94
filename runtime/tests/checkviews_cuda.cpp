#include "checkviews_cuda.h"

#include <cstdio>
#include <cstring>
#include <memory>
#include <memory_resource>
#include <string>

#include "checkviews_arrays.h"
#include "checkviews_bench.h"
#include "checkviews_device.h"
#include "engines/cuda_fatbin.h"
#include "engines/cuda_frame.h"
#include "views_frames.h"

namespace leaf_test {
namespace {

using leaf::device::Frame;

constexpr int kBatch = 8;
constexpr size_t kGuard = 512;  // bytes around what the kernel may touch
constexpr uint8_t kGuardByte = 0xa5;

struct Size {
  int32_t width, height;
};

// Few and many columns, 16- and 32-bit column sums, one tile of columns and many.
constexpr Size kSizes[] = {{1, 1},       {2, 1},      {31, 33},    {224, 224}, {448, 448},
                           {1920, 1080}, {1280, 3},   {225, 33},   {3840, 16}, {16384, 2},
                           {300, 2058},  {4096, 257}, {9, 4099},   {64, 64},   {641, 363},
                           {2111, 211},  {1081, 771}, {16384, 263}};

// The frames of one launch, on the device with guard bytes around each plane and the views.
class Batch {
 public:
  explicit Batch(CheckDevice& device)
      : device_(device), out_(device.allocate(kBatch * LEAF_VIEWS_BYTES + 2 * kGuard)) {
    frames_ = device.allocate(kBatch * sizeof(Frame));
    leaf_views_open(&plain_, LEAF_ISA_SCALAR);
  }
  ~Batch() { leaf_views_close(plain_); }

  // Takes a frame's planes along, `shift` bytes beyond an aligned place.
  void add(const leaf_frame& frame, size_t shift) {
    leaf::cuda::DevicePlanes planes;
    for (int p = 0; p < leaf_plane_count(frame.format); ++p) {
      int32_t rows, row_bytes;
      leaf_plane_size(frame.format, p, frame.width, frame.height, &rows, &row_bytes);
      const auto size = static_cast<size_t>(frame.pitch[p] * (rows - 1) + row_bytes);
      bytes_.resize((bytes_.size() + kGuard + 255) / 256 * 256 + shift, kGuardByte);
      planes.address[p] = bytes_.size();
      planes.pitch[p] = frame.pitch[p];
      const auto* from = static_cast<const uint8_t*>(frame.plane[p]);
      bytes_.insert(bytes_.end(), from, from + size);
    }
    inputs_.push_back(frame);
    planes_.push_back(planes);
  }

  // Failures of one launch over all of them; they are forgotten after it.
  int check(Handle kernel) {
    bytes_.resize(bytes_.size() + kGuard, kGuardByte);
    if (bytes_.size() > room_) {
      room_ = bytes_.size() * 2;
      memory_ = device_.allocate(room_);
    }
    device_.upload(memory_, bytes_.data(), bytes_.size());
    std::vector<uint8_t> views(kBatch * LEAF_VIEWS_BYTES + 2 * kGuard, kGuardByte);
    device_.upload(out_, views.data(), views.size());
    std::vector<Frame> frames(kBatch);
    for (size_t i = 0; i < inputs_.size(); ++i) {
      for (uint64_t& address : planes_[i].address) address += memory_;
      leaf::cuda::fill_frame(&frames[i], inputs_[i], planes_[i],
                             out_ + kGuard + i * LEAF_VIEWS_BYTES);
    }
    device_.upload(frames_, frames.data(), kBatch * sizeof(Frame));
    void* parameters[] = {&frames_};
    device_.launch(kernel, leaf::device::kBlocks, kBatch, leaf::device::kThreads, parameters);
    device_.wait();
    device_.download(views.data(), out_, views.size());
    const int failures = compare(views);
    inputs_.clear();
    planes_.clear();
    bytes_.clear();
    return failures;
  }

 private:
  int compare(const std::vector<uint8_t>& views) {
    std::vector<uint8_t> want(views.size(), kGuardByte);
    for (size_t i = 0; i < inputs_.size(); ++i) {
      leaf_views_run(plain_, &inputs_[i], want.data() + kGuard + i * LEAF_VIEWS_BYTES);
    }
    for (size_t at = 0; at < views.size(); ++at) {
      if (views[at] == want[at]) continue;
      const size_t place = at < kGuard ? 0 : at - kGuard, i = place / LEAF_VIEWS_BYTES;
      if (i >= inputs_.size()) {
        printf("FAILED: cuda writes beyond the views, byte %zu\n", place);
        return 1;
      }
      const leaf_frame& f = inputs_[i];
      printf(
          "FAILED: cuda is %d, not %d, at byte %zu of frame %zu of a launch: format %d, %dx%d, "
          "pitch %lld, region %dx%d at (%d, %d)\n",
          views[at], want[at], place % LEAF_VIEWS_BYTES, i, f.format, f.width, f.height,
          static_cast<long long>(f.pitch[0]), f.roi.width, f.roi.height, f.roi.x, f.roi.y);
      return 1;
    }
    return 0;
  }

  CheckDevice& device_;
  Address memory_ = 0, out_, frames_;
  size_t room_ = 0;
  leaf_views* plain_ = nullptr;
  std::vector<uint8_t> bytes_;
  std::vector<leaf_frame> inputs_;
  std::vector<leaf::cuda::DevicePlanes> planes_;
};

int check_bytes(CheckDevice& device, const std::vector<Handle>& kernels, int frames, int seed) {
  Batch batch(device);
  std::vector<std::unique_ptr<TestFrame>> kept;
  int failures = 0;
  for (int n = 0; n < frames && failures < 10; ++n) {
    Random random(static_cast<uint64_t>(seed) * 7919 + static_cast<uint64_t>(n));
    const bool listed = n % 3 == 0;
    const Size& size = kSizes[random.below(static_cast<int32_t>(sizeof kSizes / sizeof *kSizes))];
    const int32_t width = listed ? size.width : 1 + random.below(400);
    const int32_t height = listed ? size.height : 1 + random.below(300);
    int32_t padding[3] = {};
    const bool pad = random.below(2);
    for (int32_t& bytes : padding) bytes = pad ? random.below(70) : 0;
    const Fill fill = random.below(2) ? Fill::kRandom : static_cast<Fill>(random.below(5));
    kept.push_back(std::make_unique<TestFrame>(n % LEAF_PIXEL_FORMATS, width, height, padding, fill,
                                               false, random));
    leaf_frame& frame = kept.back()->frame;
    if (random.below(2)) {
      leaf_roi& roi = frame.roi;
      roi.x = random.below(width);
      roi.y = random.below(height);
      roi.width = 1 + random.below(width - roi.x);
      roi.height = 1 + random.below(height - roi.y);
    }
    const int32_t shift = random.below(3);
    batch.add(frame, static_cast<size_t>(shift == 0 ? 0 : shift == 1 ? 4 : random.below(64)));
    if (kept.size() == kBatch || n + 1 == frames) {
      failures += batch.check(kernels[static_cast<size_t>(n / kBatch) % kernels.size()]);
      kept.clear();
    }
  }
  return failures;
}

void skip(const char* reason, const char* json) {
  printf("cuda is skipped: %s\n", reason);
  if (!json) return;
  if (FILE* file = fopen(json, "w")) {
    std::string quoted;
    for (const char* c = reason; *c; ++c) {
      if (*c == '"' || *c == '\\') quoted += '\\';
      quoted += *c;
    }
    fprintf(file, "{\"skipped\": \"%s\"}\n", quoted.c_str());
    fclose(file);
  }
}

}  // namespace

int check_cuda(int frames, int seed, int scale, const char* json) {
  const auto machine = std::make_unique<leaf::cuda::Machine>();
  leaf::cuda::probe(machine.get());
  const char* reason = machine->reason;
  std::pmr::vector<unsigned char> file;
  const void* image = machine->driver ? leaf::cuda::views_image(&file, &reason) : nullptr;
  if (!image) {
    skip(reason, json);
    return 0;
  }
  CheckDevice device(*machine);
  const Handle kernel = device.kernel(image, "leaf_views_batch");
  const Handle mixed = device.kernel(image, "leaf_views_mixed");
  printf("checking cuda on %s\n", machine->device[0].name);
  int failures = check_bytes(device, {kernel, mixed}, frames, seed);
  printf("%d frames, cuda, %d failures\n", frames, failures);
  failures += check_arrays(device, *machine->driver, mixed, seed);
#ifdef LEAF_BENCH_FATBIN
  if (!failures) bench_cuda(device, *machine, kernel, scale, json);
#else
  (void)scale;
#endif
  return failures;
}

}  // namespace leaf_test
