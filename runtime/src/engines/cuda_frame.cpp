#include "engines/cuda_frame.h"

#include <cstring>
#include <numeric>

#include "views_plan.h"

namespace leaf::cuda {
namespace {

constexpr uint64_t kPlaneAlignment = 256;  // which copies and loads like
constexpr int32_t kRowAlignment = 16;

device::Axis make_axis(int32_t offset, int32_t length) {
  const int32_t common = std::gcd(length, device::kSize);
  device::Axis axis = {offset, length, length / common, device::kSize / common, {}};
  for (uint32_t sub = 1; sub <= 2; ++sub) {
    axis.reciprocal[sub - 1] =
        (1u << device::kReciprocalBits) / (sub * static_cast<uint32_t>(axis.m)) + 1;
  }
  return axis;
}

device::Layout layout_of(const FormatLayout& layout) {
  using device::Layout;
  if (layout.components == 1) return Layout::kGray;
  if (layout.planes == 3) return Layout::kPlanar;
  if (layout.planes == 2) return layout.sample_bytes == 2 ? Layout::kPairsOfTen : Layout::kPairs;
  if (layout.yuv) return Layout::kPacked422;
  return layout.plane[0].unit == 3 ? Layout::kRgb : Layout::kRgba;
}

// The place of a component among the others, as they stand in memory; Y is the first in any case.
int position(const FormatLayout& layout, int k) {
  if (layout.components == 1 || (layout.yuv && k == 0)) return k;
  int at = layout.yuv ? 1 : 0;
  for (int other = at; other < 3; ++other) {
    const ComponentLayout &a = layout.component[other], &b = layout.component[k];
    if (a.plane < b.plane || (a.plane == b.plane && a.offset < b.offset)) ++at;
  }
  return at;
}

}  // namespace

void fill_frame(device::Frame* frame, const leaf_frame& input, const DevicePlanes& planes,
                uint64_t out) {
  device::Frame& f = *frame;
  f = {};
  const FormatLayout& layout = *format_layout(input.format);
  leaf_roi roi = input.roi;
  if (!roi.x && !roi.y && !roi.width && !roi.height) roi = {0, 0, input.width, input.height};
  f.layout = layout_of(layout);
  f.luma_at = f.layout == device::Layout::kPacked422 ? layout.component[0].offset : 0;
  f.surface = planes.surface;
  for (int p = 0; p < layout.planes; ++p) {
    const PlaneLayout& from = layout.plane[p];
    device::Plane& plane = f.plane[p];
    plane.address = planes.address[p];
    plane.pitch = planes.surface ? 0 : planes.pitch[p];
    plane.row_bytes = static_cast<int32_t>(plane_samples(from, input.width) * layout.sample_bytes);
    const uint64_t low = plane.address | static_cast<uint64_t>(plane.pitch);
    plane.access = low % 4 == 0 ? 4 : 1;
  }
  f.out = out;
  f.y = make_axis(roi.y, roi.height);
  f.x = make_axis(roi.x, roi.width);
  const uint64_t area = static_cast<uint64_t>(f.y.n) * static_cast<uint64_t>(f.x.n);
  f.scale = ((uint64_t{1} << device::kScaleBits) + area / 2) / area;
  const Color color = make_color(input.format, input.matrix, input.range);
  for (int k = 0; k < 3; ++k) {
    const int at = position(layout, k);
    f.zero[at] = color.zero[k];
    for (int channel = 0; channel < 3; ++channel) f.coef[channel][at] = color.coef[channel][k];
  }
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
    staging.pitch[p] = (staging.row_bytes[p] + kRowAlignment - 1) / kRowAlignment * kRowAlignment;
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
