#include "readers/planar.h"

#include <algorithm>
#include <cmath>

namespace leaf_tools {
namespace {

uint32_t sample(const uint8_t* plane, size_t at, int bits) {
  return bits == 8 ? plane[at] : plane[2 * at] | uint32_t{plane[2 * at + 1]} << 8;
}

void put_p010(uint8_t* out, uint32_t value, int bits) {
  value = bits > 10 ? (value + (1u << (bits - 11))) >> (bits - 10) : value << (10 - bits);
  // A damaged stream may hold values above the stated depth.
  const uint32_t word = std::min(value, 1023u) << 6;
  out[0] = static_cast<uint8_t>(word);
  out[1] = static_cast<uint8_t>(word >> 8);
}

struct Planes {
  const uint8_t *luma, *cb, *cr;
};

void to_gray(const Planar& layout, const uint8_t* luma, std::vector<uint8_t>* out) {
  const size_t pixels = static_cast<size_t>(layout.width) * static_cast<size_t>(layout.height);
  out->resize(pixels);
  const uint32_t top = (1u << layout.bits) - 1;
  for (size_t at = 0; at < pixels; ++at) {
    uint32_t value = sample(luma, at, layout.bits);
    value = layout.color.range == LEAF_FULL
                ? (value * 255 + top / 2) / top
                : (value + (1u << (layout.bits - 9))) >> (layout.bits - 8);
    (*out)[at] = static_cast<uint8_t>(std::min(value, 255u));
  }
}

void to_yuyv(const Planar& layout, const Planes& in, std::vector<uint8_t>* out) {
  const auto width = static_cast<size_t>(layout.width);
  const auto pairs = static_cast<size_t>(layout.chroma_width());
  out->resize(4 * pairs * static_cast<size_t>(layout.height));
  for (size_t row = 0; row < static_cast<size_t>(layout.height); ++row) {
    uint8_t* to = out->data() + row * 4 * pairs;
    const uint8_t* luma = in.luma + row * width;
    for (size_t pair = 0; pair < pairs; ++pair, to += 4) {
      to[0] = luma[2 * pair];
      to[1] = in.cb[row * pairs + pair];
      to[2] = luma[std::min(2 * pair + 1, width - 1)];  // an odd last pixel fills its pair
      to[3] = in.cr[row * pairs + pair];
    }
  }
}

void to_p010(const Planar& layout, const Planes& in, std::vector<uint8_t>* out) {
  const auto width = static_cast<size_t>(layout.width);
  const auto height = static_cast<size_t>(layout.height);
  const auto columns = static_cast<size_t>(layout.chroma_width());
  const size_t rows = (height + 1) / 2;
  out->resize(2 * width * height + 4 * columns * rows);
  uint8_t* to = out->data();
  for (size_t at = 0; at < width * height; ++at, to += 2) {
    put_p010(to, sample(in.luma, at, layout.bits), layout.bits);
  }
  for (size_t row = 0; row < rows; ++row) {
    for (size_t column = 0; column < columns; ++column) {
      for (const uint8_t* plane : {in.cb, in.cr}) {
        uint32_t value;
        if (layout.sub_y == 2) {
          value = sample(plane, row * columns + column, layout.bits);
        } else {  // the mean of two rows
          const size_t below = std::min(2 * row + 1, height - 1);
          value = (sample(plane, 2 * row * columns + column, layout.bits) +
                   sample(plane, below * columns + column, layout.bits) + 1) >>
                  1;
        }
        put_p010(to, value, layout.bits);
        to += 2;
      }
    }
  }
}

uint8_t to_code(float value) {
  return static_cast<uint8_t>(std::clamp(std::floor(value + 0.5f), 0.0f, 255.0f));
}

// By the standards' definition, in float as the reference does it; chroma samples repeat. Compiled
// without fused multiply-add, which would round once less.
void to_rgb(const Planar& layout, const Planes& in, std::vector<uint8_t>* out) {
  static constexpr double kr_kb[3][2] = {{0.299, 0.114}, {0.2126, 0.0722}, {0.2627, 0.0593}};
  const double kr = kr_kb[layout.color.matrix][0], kb = kr_kb[layout.color.matrix][1];
  const double kg = 1 - kr - kb;
  const int step = 1 << (layout.bits - 8), top = (1 << layout.bits) - 1;
  const bool limited = layout.color.range == LEAF_LIMITED;
  const auto black = static_cast<float>(limited ? 16 * step : 0);
  const auto middle = static_cast<float>(128 * step);
  const auto luma_scale = static_cast<float>(255.0 / (limited ? 219 * step : top));
  const auto chroma_scale = static_cast<float>(255.0 / (limited ? 224 * step : top));
  const auto red_of_v = static_cast<float>(2 * (1 - kr));
  const auto blue_of_u = static_cast<float>(2 * (1 - kb));
  const auto kr_f = static_cast<float>(kr), kb_f = static_cast<float>(kb);
  const auto kg_f = static_cast<float>(kg);
  const auto width = static_cast<size_t>(layout.width);
  const auto columns = static_cast<size_t>(layout.chroma_width());
  const auto sub_x = static_cast<size_t>(layout.sub_x), sub_y = static_cast<size_t>(layout.sub_y);
  out->resize(3 * width * static_cast<size_t>(layout.height));
  uint8_t* to = out->data();
  for (size_t row = 0; row < static_cast<size_t>(layout.height); ++row) {
    for (size_t column = 0; column < width; ++column, to += 3) {
      const size_t chroma = row / sub_y * columns + column / sub_x;
      const auto code = [&](const uint8_t* plane, size_t at) {
        return static_cast<float>(sample(plane, at, layout.bits));
      };
      const float y = (code(in.luma, row * width + column) - black) * luma_scale;
      const float u = (code(in.cb, chroma) - middle) * chroma_scale;
      const float v = (code(in.cr, chroma) - middle) * chroma_scale;
      const float red = y + red_of_v * v;
      const float blue = y + blue_of_u * u;
      const float green = (y - kr_f * red - kb_f * blue) / kg_f;
      to[0] = to_code(red);
      to[1] = to_code(green);
      to[2] = to_code(blue);
    }
  }
}

}  // namespace

uint64_t Planar::bytes() const {
  const uint64_t luma = static_cast<uint64_t>(width) * static_cast<uint64_t>(height);
  const uint64_t chroma =
      static_cast<uint64_t>(chroma_width()) * static_cast<uint64_t>(chroma_height());
  return (luma * (sub_x && alpha ? 2 : 1) + 2 * chroma) * static_cast<uint64_t>(sample_bytes());
}

void describe_planar(const Planar& layout, Picture* picture) {
  const auto size = static_cast<size_t>(layout.sample_bytes());
  const size_t luma = static_cast<size_t>(layout.width) * static_cast<size_t>(layout.height) * size;
  const size_t chroma = static_cast<size_t>(layout.chroma_width()) *
                        static_cast<size_t>(layout.chroma_height()) * size;
  const uint8_t* stored = picture->stored.data();
  const Planes in{stored, stored + luma, stored + luma + chroma};
  leaf_frame& frame = picture->frame;
  frame = {};
  frame.width = layout.width;
  frame.height = layout.height;
  frame.matrix = layout.color.matrix;
  frame.range = layout.color.range;
  const int64_t width = layout.width, half = layout.chroma_width();
  std::vector<uint8_t>* out = &picture->converted;
  if (!layout.sub_x) {
    frame.format = LEAF_GRAY8;
    if (layout.bits > 8) to_gray(layout, stored, out);
    set_planes(&frame, layout.bits > 8 ? out->data() : stored, {width});
  } else if (layout.sub_x == 2 && layout.sub_y == 2 && layout.bits == 8) {
    frame.format = LEAF_I420;
    set_planes(&frame, stored, {width, half, half});
  } else if (layout.sub_x == 2 && layout.bits == 8) {
    frame.format = LEAF_YUYV;
    to_yuyv(layout, in, out);
    set_planes(&frame, out->data(), {4 * half});
  } else if (layout.sub_x == 2) {
    frame.format = LEAF_P010;
    to_p010(layout, in, out);
    set_planes(&frame, out->data(), {2 * width, 4 * half});
  } else {
    frame.format = LEAF_RGB;
    frame.matrix = LEAF_NO_MATRIX;
    frame.range = LEAF_FULL;
    to_rgb(layout, in, out);
    set_planes(&frame, out->data(), {3 * width});
  }
}

}  // namespace leaf_tools
