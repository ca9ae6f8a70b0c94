#include "engines/cuda_frame.h"

#include <cstring>
#include <numeric>

#include "views_plan.h"

namespace leaf::cuda {
namespace {

constexpr uint64_t kPlaneAlignment = 256;  // which copies and loads like

device::Axis make_axis(int32_t offset, int32_t length) {
  const int32_t common = std::gcd(length, device::kSize);
  device::Axis axis = {offset, length, length / common, device::kSize / common, {}};
  for (uint32_t sub = 1; sub <= 2; ++sub) {
    axis.reciprocal[sub - 1] =
        (1u << device::kReciprocalBits) / (sub * static_cast<uint32_t>(axis.m)) + 1;
  }
  return axis;
}

// Output columns whose column sums fit in shared memory, in as few equal parts as do.
int32_t tile_of(const device::Frame& f) {
  const int32_t words = f.wide && f.sample_bytes == 1 ? 16 : 8;  // of a chunk
  for (int32_t parts = 1; parts < device::kSize; ++parts) {
    const int32_t tile = (device::kSize + parts - 1) / parts;
    const int32_t pixels = tile * f.x.n / f.x.m + 2;  // those that two ends cut count whole
    int32_t chunks = 0;
    for (int p = 0; p < f.planes; ++p) {
      const device::Plane& plane = f.plane[p];
      chunks +=
          ((pixels / plane.pixels + 2) * plane.unit + 2 * device::kChunk - 2) / device::kChunk;
    }
    if (chunks * words <= device::kSharedWords) return tile;
  }
  return 1;  // at most 77 pixels of 4 bytes
}

}  // namespace

void fill_frame(device::Frame* frame, const leaf_frame& input, const DevicePlanes& planes,
                uint64_t out) {
  device::Frame& f = *frame;
  f = {};
  const FormatLayout& layout = *format_layout(input.format);
  leaf_roi roi = input.roi;
  if (!roi.x && !roi.y && !roi.width && !roi.height) roi = {0, 0, input.width, input.height};
  f.planes = layout.planes;
  f.components = layout.components;
  f.sample_bytes = layout.sample_bytes;
  f.surface = planes.surface;
  for (int k = 0; k < layout.components; ++k) {
    const ComponentLayout& c = layout.component[k];
    f.component[k] = {c.plane, c.offset, c.stride, c.sub_x};
  }
  for (int p = 0; p < layout.planes; ++p) {
    const PlaneLayout& from = layout.plane[p];
    device::Plane& plane = f.plane[p];
    plane.address = planes.address[p];
    plane.pitch = planes.surface ? 0 : planes.pitch[p];
    plane.row_bytes = static_cast<int32_t>(plane_samples(from, input.width) * layout.sample_bytes);
    plane.unit = from.unit * layout.sample_bytes;
    plane.pixels = from.pixels;
    plane.sub_y = from.sub_y;
    const uint64_t low = plane.address | static_cast<uint64_t>(plane.pitch);
    plane.access = low % 16 == 0 ? 16 : low % 4 == 0 ? 4 : 1;
  }
  f.out = out;
  f.y = make_axis(roi.y, roi.height);
  f.x = make_axis(roi.x, roi.width);
  const uint64_t area = static_cast<uint64_t>(f.y.n) * static_cast<uint64_t>(f.x.n);
  f.scale = ((uint64_t{1} << device::kScaleBits) + area / 2) / area;
  f.wide = layout.sample_bytes == 2 || f.y.n * 255 > 0xffff;
  f.tile = tile_of(f);
  const Color color = make_color(input.format, input.matrix, input.range);
  memcpy(f.coef, color.coef, sizeof f.coef);
  memcpy(f.zero, color.zero, sizeof f.zero);
}

Staging stage_layout(const leaf_frame& frame) {
  const FormatLayout& layout = *format_layout(frame.format);
  Staging staging;
  staging.planes = layout.planes;
  for (int p = 0; p < layout.planes; ++p) {
    const PlaneLayout& plane = layout.plane[p];
    staging.rows[p] = static_cast<int32_t>(plane_rows(plane, frame.height));
    staging.row_bytes[p] =
        static_cast<int32_t>(plane_samples(plane, frame.width) * layout.sample_bytes);
    staging.pitch[p] =
        (staging.row_bytes[p] + device::kChunk - 1) / device::kChunk * device::kChunk;
    staging.offset[p] = staging.size;
    const uint64_t bytes =
        static_cast<uint64_t>(staging.pitch[p]) * static_cast<uint64_t>(staging.rows[p]);
    staging.size += (bytes + kPlaneAlignment - 1) / kPlaneAlignment * kPlaneAlignment;
  }
  return staging;
}

void stage(const leaf_frame& frame, const Staging& layout, uint8_t* to) {
  for (int p = 0; p < layout.planes; ++p) {
    const auto* from = static_cast<const uint8_t*>(frame.plane[p]);
    uint8_t* plane = to + layout.offset[p];
    const auto bytes = static_cast<size_t>(layout.row_bytes[p]);
    if (frame.pitch[p] == layout.pitch[p] && layout.pitch[p] == layout.row_bytes[p]) {
      memcpy(plane, from, bytes * static_cast<size_t>(layout.rows[p]));
      continue;
    }
    for (int32_t row = 0; row < layout.rows[p]; ++row) {
      memcpy(plane + row * layout.pitch[p], from + row * frame.pitch[p], bytes);
    }
  }
}

}  // namespace leaf::cuda
