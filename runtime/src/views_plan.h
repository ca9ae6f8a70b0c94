// Tables of the two views for one geometry: which samples each output reads, with which weights.
#pragma once

#include <array>
#include <cstdint>
#include <memory_resource>
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
  bool wide;        // column sums take 32 bits: those of 16-bit samples, and of many weights
  bool split;       // 16-bit column sums are stored as two rows of every second sample
};

struct ComponentPlan {
  explicit ComponentPlan(std::pmr::memory_resource* memory) : weights(memory) {}

  Axis x;
  std::array<int32_t, kSize> position;  // of each output's first sample in the column sums
  std::pmr::vector<int16_t> weights;
  RowFilter filter;  // points into the members above
  Fragments fragments;
};

struct Plan {
  explicit Plan(std::pmr::memory_resource* memory)
      : component{ComponentPlan(memory), ComponentPlan(memory), ComponentPlan(memory)} {}

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
  uint64_t scale;        // 2^kScaleBits / area, of every component
  bool wide;             // box sums need 64 bits
  int32_t half;          // where the second row of split column sums begins
  int32_t row_elements;  // room that the column sums of a plane need
};

// Fills `plan` for a checked geometry. May throw std::bad_alloc.
void make_plan(Plan& plan, const leaf_frame& frame, const leaf_roi& roi);

// Integer colour coefficients, as `color_coefficients` of leaf_edge/views/reference.py.
Color make_color(int32_t format, int32_t matrix, int32_t range);

}  // namespace leaf
