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
constexpr int kChunk = 8;       // taps of a row filter: this many, or a multiple of twice as many
constexpr int kWindow = 128;    // bytes that hold the samples of a fragment's row
constexpr uint8_t kNoByte = 0xff;
constexpr int kMeanShift = kScaleBits - kMeanBits;
constexpr int kGlobalShift = kCoefBits + kMeanBits;

// Rows of one plane that an output row covers, and their weights.
struct Column {
  const uint8_t* top;  // first sample of the first row
  int64_t pitch;       // bytes from row to row
  int32_t rows;        // 1 or more; where it is 1, w_last is 0
  int32_t next_rows;   // rows below these that the next output row reads: worth fetching ahead
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

// Where the fragment samples of one component stand in a row of its plane. The samples of a cell
// lie in a window of at most kWindow bytes.
struct Fragments {
  int64_t window[kGrid];        // first byte of each cell's window, from the row's first
  int32_t window_bytes[kGrid];  // up to the last sample's end
  uint8_t index[2 * kSize];     // both bytes of each sample, from its window; kNoByte: none
  // The same from the first byte of every group of 8 samples, which lie in 32 bytes.
  uint8_t group[kSize / 8];  // first byte, from its window
  uint8_t group_index[2 * kSize];
  bool near;          // no group index is above 15
  int64_t row_bytes;  // of the plane: nothing beyond may be read
  int shift;          // of a 16-bit sample to its value
};

struct Color {
  int32_t coef[3][3];  // output channel = sum over k of coef[channel][k] * (sample[k] - zero[k])
  int32_t zero[3];
  // The half that rounds, minus the products with `zero`: of means, and of native samples.
  int64_t mean_bias[3];
  int32_t sample_bias[3];
  // Where `diagonal`, only coef[i][i] is not zero. Else only [0][1] and [2][2] are zero, and the
  // first column holds one value.
  bool diagonal;
};

struct Kernels {
  // Weighted sums of columns, to `samples` elements. The 16-bit forms are used where the sum cannot
  // exceed 65535, and may store it in a form of their own, known to row_sums_16. The split form
  // stores every second sum, from the first and from the second on; `samples` is even.
  // They may write up to 64 elements more.
  void (*column_sums_8_16)(const Column& column, uint16_t* out);
  void (*column_sums_8_16_split)(const Column& column, uint16_t* even, uint16_t* odd);
  void (*column_sums_8_32)(const Column& column, uint32_t* out);
  void (*column_sums_10_32)(const Column& column, uint32_t* out);  // P010
  // Box sums along a row, to sums [kSize], where they are below 2^32.
  void (*row_sums_16)(const uint16_t* row, const RowFilter& filter, uint32_t* sums);
  void (*row_sums_32)(const uint32_t* row, const RowFilter& filter, uint32_t* sums);
  // [kSize] of each component to 8-bit R, G, B: from box sums and 2^kScaleBits / area, and from
  // native samples.
  void (*color_sums)(const uint32_t* const sums[3], uint64_t scale, const Color& color,
                     uint8_t* const rgb[3]);
  void (*color_samples)(const uint16_t* const sample[3], const Color& color, uint8_t* const rgb[3]);
  // Fragment samples [kSize] of one component from a row of its plane.
  void (*fragment_samples)(const uint8_t* row, const Fragments& fragments, uint16_t* sample);
};

extern const Kernels kScalarKernels;
#ifdef LEAF_X86
extern const Kernels kAvx2Kernels;
// Kernels of AVX2 that the AVX-512 set shares.
void avx2_column_sums_8_16(const Column& column, uint16_t* out);
void avx2_column_sums_8_16_split(const Column& column, uint16_t* even, uint16_t* odd);
void avx2_column_sums_8_32(const Column& column, uint32_t* out);
void avx2_column_sums_10_32(const Column& column, uint32_t* out);
void avx2_row_sums_32(const uint32_t* row, const RowFilter& filter, uint32_t* sums);
void avx2_color_sums(const uint32_t* const sums[3], uint64_t scale, const Color& color,
                     uint8_t* const rgb[3]);
extern const Kernels kAvx512Kernels;
#endif
#ifdef LEAF_AARCH64
extern const Kernels kNeonKernels;
#endif

}  // namespace leaf
