#include "checkviews_arrays.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "engines/cuda_frame.h"
#include "views_frames.h"

namespace leaf_test {
namespace {

using leaf::device::Frame;

// CUDA_ARRAY3D_DESCRIPTOR and CUDA_MEMCPY2D of cuda.h.
struct ArrayDescription {
  size_t width, height, depth;
  unsigned format, channels, flags;
};

struct Copy2D {
  size_t from_x, from_y;
  unsigned from_type;
  const void* from_host;
  uint64_t from_device;
  Handle from_array;
  size_t from_pitch, to_x, to_y;
  unsigned to_type;
  void* to_host;
  uint64_t to_device;
  Handle to_array;
  size_t to_pitch, bytes, rows;
};

constexpr unsigned kUint8 = 1, kUint16 = 2;  // CU_AD_FORMAT_*
constexpr unsigned kHost = 1, kArray = 3;    // CU_MEMORYTYPE_*
constexpr unsigned kSurfaceLoadStore = 2;    // CUDA_ARRAY3D_SURFACE_LDST
constexpr int kFormats[] = {LEAF_NV12, LEAF_NV21, LEAF_I420, LEAF_YUYV, LEAF_UYVY,
                            LEAF_RGBA, LEAF_BGRA, LEAF_P010, LEAF_GRAY8};

// What the library itself does not call.
struct ArrayCalls {
  int (*create)(Handle*, const ArrayDescription*) = nullptr;
  int (*destroy)(Handle) = nullptr;
  int (*copy)(const Copy2D*) = nullptr;

  bool load() {
    void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) return false;
    const auto find = [&](auto* function, const char* name) {
      *function = reinterpret_cast<std::decay_t<decltype(*function)>>(dlsym(library, name));
    };
    find(&create, "cuArray3DCreate_v2");
    find(&destroy, "cuArrayDestroy");
    find(&copy, "cuMemcpy2D_v2");
    return create && destroy && copy;
  }
};

// Arrays with a frame's planes, and surfaces of them.
class Arrays {
 public:
  Arrays(const ArrayCalls& calls, const leaf::cuda::Driver& driver)
      : calls_(calls), driver_(driver) {}
  ~Arrays() {
    for (const uint64_t surface : surfaces_) driver_.SurfObjectDestroy(surface);
    for (const Handle array : arrays_) calls_.destroy(array);
  }
  Arrays(const Arrays&) = delete;
  Arrays& operator=(const Arrays&) = delete;

  // 0, or the error of a call.
  int add(const leaf_frame& frame, leaf::cuda::DevicePlanes* planes) {
    planes->surface = 1;
    for (int p = 0; p < leaf_plane_count(frame.format); ++p) {
      int32_t rows, row_bytes;
      leaf_plane_size(frame.format, p, frame.width, frame.height, &rows, &row_bytes);
      const bool ten = frame.format == LEAF_P010;
      const bool packed = leaf_plane_count(frame.format) == 1 && frame.format != LEAF_GRAY8;
      const bool pairs = leaf_plane_count(frame.format) == 2 && p == 1;
      const unsigned channels = packed ? 4 : pairs ? 2 : 1;
      const size_t texel = channels * (ten ? 2 : 1);
      const ArrayDescription description = {static_cast<size_t>(row_bytes) / texel,
                                            static_cast<size_t>(rows),
                                            0,
                                            ten ? kUint16 : kUint8,
                                            channels,
                                            kSurfaceLoadStore};
      Handle array = nullptr;
      if (const int error = calls_.create(&array, &description)) return error;
      arrays_.push_back(array);
      Copy2D copy = {};
      copy.from_type = kHost;
      copy.from_host = frame.plane[p];
      copy.from_pitch = static_cast<size_t>(frame.pitch[p]);
      copy.to_type = kArray;
      copy.to_array = array;
      copy.bytes = static_cast<size_t>(row_bytes);
      copy.rows = static_cast<size_t>(rows);
      if (const int error = calls_.copy(&copy)) return error;
      leaf::cuda::ArrayResource resource;
      resource.array = array;
      uint64_t surface = 0;
      if (const int error = driver_.SurfObjectCreate(&surface, &resource)) return error;
      surfaces_.push_back(surface);
      planes->address[p] = surface;
    }
    return 0;
  }

 private:
  const ArrayCalls& calls_;
  const leaf::cuda::Driver& driver_;
  std::vector<Handle> arrays_;
  std::vector<uint64_t> surfaces_;
};

}  // namespace

int check_arrays(CheckDevice& device, const leaf::cuda::Driver& driver, Handle mixed, int seed) {
  ArrayCalls calls;
  if (!calls.load() || !driver.SurfObjectCreate) {
    printf("arrays are skipped: the driver has no calls for them\n");
    return 0;
  }
  leaf_views* plain = nullptr;
  leaf_views_open(&plain, LEAF_ISA_SCALAR);
  const Address out = device.allocate(LEAF_VIEWS_BYTES), described = device.allocate(sizeof(Frame));
  int failures = 0, frames = 0;
  for (const int format : kFormats) {
    for (int n = 0; n < 4; ++n, ++frames) {
      Random random(static_cast<uint64_t>(seed) * 31 + static_cast<uint64_t>(format * 8 + n));
      const int32_t padding[3] = {n, n, n};
      // An array's rows are whole texels: those of two luma pixels are.
      const int32_t width = 2 * (1 + random.below(n == 3 ? 1000 : 160));
      const int32_t height = 2 * (1 + random.below(160));
      TestFrame test(format, width, height, padding, Fill::kRandom, false, random);
      leaf_frame& frame = test.frame;
      if (n % 2) frame.roi = {1, 1, width - 1, height - 1};
      Arrays arrays(calls, driver);
      leaf::cuda::DevicePlanes planes;
      if (const int error = arrays.add(frame, &planes)) {
        printf("FAILED: an array of format %d: %s\n", format,
               leaf::cuda::error_name(driver, error));
        ++failures;
        break;
      }
      Frame parameter;
      leaf::cuda::fill_frame(&parameter, frame, planes, out);
      std::vector<uint8_t> views(LEAF_VIEWS_BYTES, 0xa5), want(LEAF_VIEWS_BYTES);
      device.upload(out, views.data(), views.size());
      device.upload(described, &parameter, sizeof parameter);
      Address at = described;
      void* parameters[] = {&at};
      device.launch(mixed, leaf::device::kBlocks, 1, leaf::device::kThreads, parameters);
      device.wait();
      device.download(views.data(), out, views.size());
      leaf_views_run(plain, &frame, want.data());
      if (memcmp(views.data(), want.data(), want.size()) == 0) continue;
      printf("FAILED: cuda differs on arrays: format %d, %dx%d\n", format, width, height);
      ++failures;
    }
  }
  leaf_views_close(plain);
  printf("%d frames in arrays, cuda, %d failures\n", frames, failures);
  return failures;
}

}  // namespace leaf_test
