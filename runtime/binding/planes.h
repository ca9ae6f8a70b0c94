// Arrays of the caller's as planes of a frame, without a copy.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>

#include "leaf_edge/leaf.h"

namespace leaf_binding {

// What keeps the memory of a plane: a memoryview, or a tensor of DLPack.
struct PlaneOwner {
  nanobind::object view;
  nanobind::ndarray<nanobind::ro> tensor;
};

// A frame whose arrays are kept alive. Move-only; made and destroyed with the interpreter locked.
struct HeldFrame {
  leaf_frame frame = {};
  int32_t memory = LEAF_MEMORY_HOST;
  int32_t device = -1;  // CUDA ordinal of memory on a device, else -1
  PlaneOwner planes[3];

  HeldFrame() = default;
  HeldFrame(HeldFrame&&) = default;
  HeldFrame& operator=(HeldFrame&&) = default;
};

// The frame's size, format, colour and region, before its planes. `planes` may be empty where a
// geometry is enough.
struct FrameShape {
  int32_t width, height, format, matrix, range;
  leaf_roi roi;
};

// Takes `planes`, one array for each plane of the format: NumPy arrays and whatever else has the
// buffer protocol, or DLPack. [rows, samples of a row], or [height, width, channels]; uint8, uint16
// for P010; samples of a row adjacent, rows any pitch apart; read-only ones too. `stream` is a
// CUstream, given to DLPack's producer, which makes it wait for its own work; 0: none is.
// Raises ValueError with a sentence where an array is not such a plane.
HeldFrame hold_frame(nanobind::sequence planes, const FrameShape& shape, std::intptr_t stream);

}  // namespace leaf_binding
