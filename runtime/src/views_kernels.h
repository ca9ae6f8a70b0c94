// What an instruction set implements, and the tables it reads. Every implementation gives the same
// bytes; views_scalar.cpp is the plain one.
//
// Files compiled for one instruction set include only this header and C headers: a function
// template of the standard library, compiled there, could be the copy that the linker keeps.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace leaf {

constexpr int kSize = 224;      // pixels along each side of a view
constexpr int kGrid = 7;        // fragment cells along each side
constexpr int kPatch = 32;      // fragment side, native pixels
constexpr int kMeanBits = 16;   // fraction bits of a box mean
constexpr int kCoefBits = 20;   // fraction bits of a colour coefficient
constexpr int kScaleBits = 54;  // fraction bits of 1 / area
constexpr int kChunk = 16;      // taps of a row filter come in multiples of this
constexpr int kMeanShift = kScaleBits - kMeanBits;
constexpr int kGlobalShift = kCoefBits + kMeanBits;

// Rows of one plane that an output row covers, and their weights.
struct Column {
  const uint8_t* top;  // first sample of the first row
  int64_t pitch;       // bytes from row to row
  int32_t rows;        // 1 or more; where it is 1, w_last is 0
  uint32_t w_first, w_inner, w_last;
  int32_t samples;  // in a row
};

// Box filter along a row of (possibly interleaved) weighted column sums.
struct RowFilter {
  const int32_t* first;  // [kSize] position of the first sample of each output
  const int32_t* count;  // [kSize] samples of each output, `stride` positions apart
  const int32_t* w_first;
  const int32_t* w_last;
  uint32_t w_inner;
  uint32_t total;  // sum of the weights of an output
  int32_t stride;
  int32_t taps;            // positions that an output's weights cover, a multiple of kChunk
  const int16_t* weights;  // [kSize, taps], zero where there is no sample
};

struct Color {
  int32_t coef[3][3];  // output channel = sum over k of coef[channel][k] * (sample[k] - zero[k])
  int32_t zero[3];
  bool diagonal;  // only coef[i][i] is not zero
};

struct Kernels {
  // Weighted sums of columns. `out` has room for `samples` rounded up to 64 elements. The 16-bit
  // form is used where the sum cannot exceed 65535; it may store the sums in a form of its own,
  // known to row_sums_16.
  void (*column_sums_8_16)(const Column& column, uint16_t* out);
  void (*column_sums_8_32)(const Column& column, uint32_t* out);
  void (*column_sums_10_32)(const Column& column, uint32_t* out);  // P010
  // Box sums along a row, to sums [kSize], where they are below 2^32.
  void (*row_sums_16)(const uint16_t* row, const RowFilter& filter, uint32_t* sums);
  void (*row_sums_32)(const uint32_t* row, const RowFilter& filter, uint32_t* sums);
  // Box sums to means with kMeanBits fraction bits.
  void (*means)(const uint32_t* sums, uint64_t scale, int32_t* means);
  // [kSize] of each component to 8-bit R, G, B: from means, and from native samples.
  void (*color_means)(const int32_t* const mean[3], const Color& color, uint8_t* const rgb[3]);
  void (*color_samples)(const uint16_t* const sample[3], const Color& color, uint8_t* const rgb[3]);
};

extern const Kernels kScalarKernels;
#ifdef LEAF_X86
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
#endif
#ifdef LEAF_AARCH64
extern const Kernels kNeonKernels;
#endif

}  // namespace leaf
