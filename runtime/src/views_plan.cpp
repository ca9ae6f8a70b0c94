#include "views_plan.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

namespace leaf {
namespace {

constexpr PlaneLayout kLuma = {1, 1, 1};
constexpr PlaneLayout kChroma420 = {1, 2, 2};
constexpr PlaneLayout kChromaPairs420 = {2, 2, 2};
constexpr PlaneLayout kPacked422 = {4, 2, 1};
constexpr PlaneLayout kPacked3 = {3, 1, 1};
constexpr PlaneLayout kPacked4 = {4, 1, 1};

// Components in the order Y, Cb, Cr or R, G, B.
constexpr FormatLayout kLayouts[LEAF_PIXEL_FORMATS] = {
    /* NV12 */ {
        2, {kLuma, kChromaPairs420}, 3, {{0, 0, 1, 1}, {1, 0, 2, 2}, {1, 1, 2, 2}}, 1, true},
    /* NV21 */
    {2, {kLuma, kChromaPairs420}, 3, {{0, 0, 1, 1}, {1, 1, 2, 2}, {1, 0, 2, 2}}, 1, true},
    /* I420 */
    {3, {kLuma, kChroma420, kChroma420}, 3, {{0, 0, 1, 1}, {1, 0, 1, 2}, {2, 0, 1, 2}}, 1, true},
    /* YUYV */ {1, {kPacked422}, 3, {{0, 0, 2, 1}, {0, 1, 4, 2}, {0, 3, 4, 2}}, 1, true},
    /* UYVY */ {1, {kPacked422}, 3, {{0, 1, 2, 1}, {0, 0, 4, 2}, {0, 2, 4, 2}}, 1, true},
    /* RGB */ {1, {kPacked3}, 3, {{0, 0, 3, 1}, {0, 1, 3, 1}, {0, 2, 3, 1}}, 1, false},
    /* BGR */ {1, {kPacked3}, 3, {{0, 2, 3, 1}, {0, 1, 3, 1}, {0, 0, 3, 1}}, 1, false},
    /* RGBA */ {1, {kPacked4}, 3, {{0, 0, 4, 1}, {0, 1, 4, 1}, {0, 2, 4, 1}}, 1, false},
    /* BGRA */ {1, {kPacked4}, 3, {{0, 2, 4, 1}, {0, 1, 4, 1}, {0, 0, 4, 1}}, 1, false},
    /* GRAY8 */ {1, {kLuma}, 1, {{0, 0, 1, 1}}, 1, false},
    /* P010 */
    {2, {kLuma, kChromaPairs420}, 3, {{0, 0, 1, 1}, {1, 0, 2, 2}, {1, 1, 2, 2}}, 2, true},
};

// First native pixel of each cell's patch, as `fragment_starts` of the reference, clamped to
// pixels.
void fragment_pixels(int32_t offset, int32_t length, std::array<int32_t, kSize>& pixels) {
  for (int cell = 0; cell < kGrid; ++cell) {
    int32_t start;
    if (length < kPatch) {
      start = -((kPatch - length + 1) / 2);  // floor((length - kPatch) / 2)
    } else {
      start = (2 * cell + 1) * length / (2 * kGrid) - kPatch / 2;
      start = std::clamp(start, 0, length - kPatch);
    }
    for (int k = 0; k < kPatch; ++k) {
      pixels[cell * kPatch + k] = offset + std::clamp(start + k, 0, length - 1);
    }
  }
}

// Taps come as the kernels like them: kChunk, or a multiple of twice as many.
int32_t round_taps(int32_t taps) {
  return taps <= kChunk ? kChunk : (taps + 2 * kChunk - 1) / (2 * kChunk) * (2 * kChunk);
}

void make_row_filter(ComponentPlan& c, const ComponentLayout& layout, const PlanePlan& plane,
                     int32_t half) {
  const int32_t stride = plane.split ? layout.stride / 2 : layout.stride;
  for (int i = 0; i < kSize; ++i) {
    const int64_t position = int64_t{c.x.first[i]} * layout.stride + layout.offset - plane.begin;
    c.position[i] =
        static_cast<int32_t>(plane.split ? position / 2 + position % 2 * half : position);
  }
  const int32_t longest = *std::max_element(c.x.count.begin(), c.x.count.end());
  const int32_t taps = round_taps((longest - 1) * stride + 1);
  c.weights.assign(static_cast<size_t>(kSize) * taps, 0);
  for (int i = 0; i < kSize; ++i) {
    int16_t* w = c.weights.data() + static_cast<size_t>(i) * taps;
    const int32_t last = c.x.count[i] - 1;
    for (int32_t k = 1; k < last; ++k) w[k * stride] = static_cast<int16_t>(c.x.w_inner);
    if (last > 0) w[last * stride] = static_cast<int16_t>(c.x.w_last[i]);
    w[0] = static_cast<int16_t>(c.x.w_first[i]);
  }
  c.filter = {c.position.data(),
              c.x.count.data(),
              c.x.w_first.data(),
              c.x.w_last.data(),
              c.x.w_inner,
              c.x.total,
              stride,
              taps,
              c.weights.data()};
}

void make_fragments(Fragments& f, const ComponentLayout& layout, int sample_bytes,
                    int64_t row_bytes, const std::array<int32_t, kSize>& pixels) {
  const auto first_byte = [&](int j) {
    return (int64_t{pixels[j]} / layout.sub_x * layout.stride + layout.offset) * sample_bytes;
  };
  const auto fill = [&](uint8_t* index, int j, int64_t origin) {
    const auto byte = static_cast<uint8_t>(first_byte(j) - origin);
    index[2 * j] = byte;
    index[2 * j + 1] = sample_bytes == 2 ? static_cast<uint8_t>(byte + 1) : kNoByte;
  };
  for (int cell = 0; cell < kGrid; ++cell) {
    const int begin = cell * kPatch, last = begin + kPatch - 1;
    f.window[cell] = first_byte(begin);
    f.window_bytes[cell] = static_cast<int32_t>(first_byte(last) - f.window[cell]) + sample_bytes;
  }
  for (int j = 0; j < kSize; ++j) {
    const int64_t group = first_byte(j / 8 * 8);
    fill(f.index, j, f.window[j / kPatch]);
    fill(f.group_index, j, group);
    f.group[j / 8] = static_cast<uint8_t>(group - f.window[j / kPatch]);
  }
  f.near = std::all_of(std::begin(f.group_index), std::end(f.group_index),
                       [](uint8_t index) { return index < 16 || index == kNoByte; });
  f.row_bytes = row_bytes;
  f.shift = sample_bytes == 2 ? 6 : 0;
}

}  // namespace

const FormatLayout* format_layout(int format) {
  return format >= 0 && format < LEAF_PIXEL_FORMATS ? &kLayouts[format] : nullptr;
}

int64_t plane_samples(const PlaneLayout& plane, int32_t width) {
  return int64_t{width + plane.pixels - 1} / plane.pixels * plane.unit;
}

int64_t plane_rows(const PlaneLayout& plane, int32_t height) {
  return (int64_t{height} + plane.sub_y - 1) / plane.sub_y;
}

Axis box_axis(int32_t offset, int32_t length, int sub) {
  const int32_t g = std::gcd(length, kSize);
  const int64_t n = length / g, m = kSize / g;  // a luma pixel is m units long, an output n units
  const int64_t span = sub * m;
  Axis axis;
  for (int64_t i = 0; i < kSize; ++i) {
    const int64_t lo = i * n + offset * m, hi = lo + n;
    const int64_t first = lo / span, last = (hi - 1) / span;
    axis.first[i] = static_cast<int32_t>(first);
    axis.count[i] = static_cast<int32_t>(last - first + 1);
    axis.w_first[i] = static_cast<int32_t>(std::min((first + 1) * span, hi) - lo);
    axis.w_last[i] = static_cast<int32_t>(last > first ? hi - last * span : 0);
  }
  axis.w_inner = static_cast<uint32_t>(span);
  axis.total = static_cast<uint32_t>(n);
  return axis;
}

void make_plan(Plan& plan, const leaf_frame& frame, const leaf_roi& roi) {
  const FormatLayout& layout = *format_layout(frame.format);
  const uint64_t max_sample = layout.sample_bytes == 1 ? 255 : 1023;
  plan.format = frame.format;
  plan.width = frame.width;
  plan.height = frame.height;
  plan.roi = roi;
  plan.layout = &layout;

  plan.half = 0;
  for (int p = 0; p < layout.planes; ++p) {
    const PlaneLayout& pl = layout.plane[p];
    PlanePlan& plane = plan.plane[p];
    plane.y = box_axis(roi.y, roi.height, pl.sub_y);
    const int32_t first = roi.x / pl.pixels, last = (roi.x + roi.width - 1) / pl.pixels;
    plane.begin = int64_t{first} * pl.unit;
    plane.samples = (last - first + 1) * pl.unit;
    plane.wide = layout.sample_bytes == 2 || plane.y.total * max_sample > 65535;
    plane.split = !plane.wide && pl.unit % 2 == 0;
    if (plane.split) plan.half = std::max(plan.half, (plane.samples / 2 + 127) / 64 * 64);
  }

  fragment_pixels(roi.y, roi.height, plan.fragment_y);
  std::array<int32_t, kSize> fragment_x;
  fragment_pixels(roi.x, roi.width, fragment_x);

  plan.row_elements = 0;
  for (int k = 0; k < layout.components; ++k) {
    const ComponentLayout& cl = layout.component[k];
    ComponentPlan& c = plan.component[k];
    const PlanePlan& plane = plan.plane[cl.plane];
    c.x = box_axis(roi.x, roi.width, cl.sub_x);
    make_row_filter(c, cl, plane, plan.half);
    make_fragments(c.fragments, cl, layout.sample_bytes,
                   plane_samples(layout.plane[cl.plane], frame.width) * layout.sample_bytes,
                   fragment_x);
    plan.row_elements = std::max(plan.row_elements, plan.half + plane.samples + c.filter.taps + 64);
  }
  // Subsampling changes how an output is cut into samples, not its area.
  const uint64_t area = uint64_t{plan.plane[0].y.total} * plan.component[0].x.total;
  plan.scale = ((uint64_t{1} << kScaleBits) + area / 2) / area;
  plan.wide = area * max_sample > 0xffffffffu;

  int32_t fill = 0;
  for (int i = 0; i < kSize; ++i) {
    plan.fragment_begin[i] = fill;
    for (int row = 0; row < kSize; ++row) {
      if (int64_t{plan.fragment_y[row] - roi.y} * kSize / roi.height == i) {
        plan.fragment_order[fill++] = row;
      }
    }
  }
  plan.fragment_begin[kSize] = fill;
}

Color make_color(int32_t format, int32_t matrix, int32_t range) {
  // The same operations in the same order as the reference, so that the doubles agree. This file
  // is compiled without contraction to fused multiply-add.
  const FormatLayout& layout = *format_layout(format);
  const int bits = layout.sample_bytes == 1 ? 8 : 10;
  const int step = 1 << (bits - 8);
  const bool limited = range == LEAF_LIMITED;
  const double full = (1 << bits) - 1;
  const double luma = limited ? 255.0 / (219 * step) : 255.0 / full;
  const int32_t black = limited ? 16 * step : 0;
  double real[3][3] = {{luma, 0, 0}, {0, luma, 0}, {0, 0, luma}};
  Color color = {};
  color.diagonal = !layout.yuv;
  for (int32_t& zero : color.zero) zero = black;
  if (layout.yuv) {
    constexpr double kLumaWeights[3][2] = {{0.299, 0.114}, {0.2126, 0.0722}, {0.2627, 0.0593}};
    const double kr = kLumaWeights[matrix][0], kb = kLumaWeights[matrix][1];
    const double kg = 1 - kr - kb;
    const double chroma = limited ? 255.0 / (224 * step) : 255.0 / full;
    const double cr = 2 * (1 - kr) * chroma, cb = 2 * (1 - kb) * chroma;
    const double rows[3][3] = {{luma, 0, cr}, {luma, -cb * kb / kg, -cr * kr / kg}, {luma, cb, 0}};
    std::copy(&rows[0][0], &rows[0][0] + 9, &real[0][0]);
    color.zero[1] = color.zero[2] = 128 * step;
  }
  for (int i = 0; i < 3; ++i) {
    for (int k = 0; k < 3; ++k) {
      color.coef[i][k] = static_cast<int32_t>(std::floor(real[i][k] * (1 << kCoefBits) + 0.5));
    }
  }
  for (int i = 0; i < 3; ++i) {
    int64_t zeros = 0;
    for (int k = 0; k < 3; ++k) zeros += int64_t{color.coef[i][k]} * color.zero[k];
    color.mean_bias[i] = (int64_t{1} << (kGlobalShift - 1)) - zeros * (int64_t{1} << kMeanBits);
    color.sample_bias[i] = static_cast<int32_t>((1 << (kCoefBits - 1)) - zeros);
  }
  return color;
}

}  // namespace leaf
