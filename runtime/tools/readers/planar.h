// Planar samples of any depth and subsampling to a format of the library: the arithmetic of
// leaf_edge/frames/planar.py, bit for bit.
#pragma once

#include "readers/source.h"

namespace leaf_tools {

// Y, Cb, Cr planes one after another as y4m stores them: bytes for 8 bits, else 16-bit
// little-endian words with the value in the lower bits.
struct Planar {
  int32_t width, height;
  int bits;          // 8 to 16
  int sub_x, sub_y;  // luma pixels that a chroma sample covers, 1, 2 or 4; 0: no chroma
  bool alpha;        // a fourth plane, which is not used
  Color color;

  int sample_bytes() const { return bits == 8 ? 1 : 2; }
  int32_t chroma_width() const { return sub_x ? (width + sub_x - 1) / sub_x : 0; }
  int32_t chroma_height() const { return sub_x ? (height + sub_y - 1) / sub_y : 0; }
  uint64_t bytes() const;  // of a frame
};

// Describes, and where it must converts, picture->stored (layout.bytes() of it).
// 8-bit 4:2:0 becomes I420 and grey GRAY8 without a copy, 8-bit 4:2:2 YUYV; deeper 4:2:0 and 4:2:2
// P010; deeper grey GRAY8; all else full-range RGB.
void describe_planar(const Planar& layout, Picture* picture);

}  // namespace leaf_tools
