// What the CUDA kernel of the views is told about a frame. The same as
// leaf_edge/runtime/device_views.py.
#pragma once

#include <cstdint>

#include "../cuda/views_frame.h"
#include "leaf_edge/views.h"

namespace leaf::cuda {

// Where a frame's planes are for the device.
struct DevicePlanes {
  uint64_t address[3] = {};
  int64_t pitch[3] = {};
  bool surface = false;  // addresses are surface objects
};

// Describes a checked frame, whose own planes and pitches are not looked at; `out`: address of its
// views on the device.
void fill_frame(device::Frame* frame, const leaf_frame& input, const DevicePlanes& planes,
                uint64_t out);

// How a frame in host memory is staged: each plane's rows at a pitch of whole vectors, planes one
// after another.
struct Staging {
  uint64_t offset[3] = {};
  int64_t pitch[3] = {};
  int32_t rows[3] = {}, row_bytes[3] = {};
  int planes = 0;
  uint64_t size = 0;  // a multiple of the alignment of planes
};

Staging stage_layout(const leaf_frame& frame);

// Copies the planes of a frame to `to`, as its layout says.
void stage(const leaf_frame& frame, const Staging& layout, uint8_t* to);

}  // namespace leaf::cuda
