// Tables of the two views for one geometry: which samples each output reads, with which weights.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "leaf_edge/views.h"
#include "views_kernels.h"

namespace leaf {

// A plane's rows hold groups of `unit` interleaved samples for every `pixels` luma pixels.
struct PlaneLayout {
  int unit, pixels, sub_y;
};

// Sample j of a component stands at `offset + j * stride` in its plane's row and covers `sub_x`
// luma pixels.
struct ComponentLayout {
  int plane, offset, stride, sub_x;
};

struct FormatLayout {
  int planes;
  PlaneLayout plane[3];
  int components;  // 3, or 1 for grey
  ComponentLayout component[3];
  int sample_bytes;
  bool yuv;
};

// The layout of a known format; nullptr for another code.
const FormatLayout* format_layout(int format);

// Samples in a row, and rows, of a plane.
int64_t plane_samples(const PlaneLayout& plane, int32_t width);
int64_t plane_rows(const PlaneLayout& plane, int32_t height);

// Box filter along one axis, as `Axis` of leaf_edge/views/reference.py.
struct Axis {
  std::array<int32_t, kSize> first, count, w_first, w_last;
  uint32_t w_inner, total;
};

Axis box_axis(int32_t offset, int32_t length, int sub);

struct PlanePlan {
  Axis y;
  int64_t begin;    // first sample of a row that the region touches
  int32_t samples;  // that it touches
  bool wide;        // column sums need 32 bits
};

struct ComponentPlan {
  Axis x;
  std::array<int32_t, kSize> position;  // of each output's first sample, from the plane's `begin`
  std::vector<int16_t> weights;
  RowFilter filter;                       // points into the members above
  uint64_t scale;                         // 2^54 / area
  bool wide;                              // box sums need 64 bits
  std::array<int32_t, kSize> fragment_x;  // position in the plane's row of each fragment sample
};

struct Plan {
  int32_t format, width, height;
  leaf_roi roi;
  const FormatLayout* layout;
  PlanePlan plane[3];
  ComponentPlan component[3];
  // Fragment rows by the global row that covers their luma row, so that both views read a sample
  // while it is in the cache: rows fragment_order[fragment_begin[i] .. fragment_begin[i + 1]).
  std::array<int32_t, kSize> fragment_y;
  std::array<int32_t, kSize> fragment_order;
  std::array<int32_t, kSize + 1> fragment_begin;
  int32_t row_elements;  // room that a row of column sums needs
};

// Fills `plan` for a checked geometry. May throw std::bad_alloc.
void make_plan(Plan& plan, const leaf_frame& frame, const leaf_roi& roi);

// Integer colour coefficients, as `color_coefficients` of leaf_edge/views/reference.py.
Color make_color(int32_t format, int32_t matrix, int32_t range);

}  // namespace leaf
