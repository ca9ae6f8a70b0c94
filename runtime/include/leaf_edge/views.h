/* The two 224x224 views of a camera frame (contract: docs/views.md).
 *
 *   leaf_views *views;
 *   leaf_views_open(&views, LEAF_ISA_AUTO);
 *   leaf_frame frame = {{y, uv}, {y_pitch, uv_pitch}, 1920, 1080, LEAF_NV12, LEAF_BT709,
 * LEAF_LIMITED}; if (leaf_views_run(views, &frame, out) < 0) puts(leaf_views_message(views));
 *   leaf_views_close(views);
 *
 * Functions that can fail return 0 or a negative errno code, and never throw. A context serves one
 * thread at a time; contexts are independent. The bytes are the same for every instruction set.
 */
#ifndef LEAF_EDGE_VIEWS_H
#define LEAF_EDGE_VIEWS_H

#include <stddef.h>
#include <stdint.h>

#include "leaf_edge/api.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LEAF_VIEWS_VERSION 1 /* of the contract */
#define LEAF_VIEWS_SIZE 224  /* pixels along each side of a view */
#define LEAF_VIEWS_BYTES (2 * 3 * LEAF_VIEWS_SIZE * LEAF_VIEWS_SIZE)
#define LEAF_MAX_DIMENSION 16384 /* largest frame width or height */

/* Codes shared with leaf_edge/frames/frame.py, which documents each layout. */
enum leaf_pixel_format {
  LEAF_NV12 = 0,
  LEAF_NV21 = 1,
  LEAF_I420 = 2,
  LEAF_YUYV = 3,
  LEAF_UYVY = 4,
  LEAF_RGB = 5,
  LEAF_BGR = 6,
  LEAF_RGBA = 7,
  LEAF_BGRA = 8,
  LEAF_GRAY8 = 9,
  LEAF_P010 = 10,
  LEAF_PIXEL_FORMATS = 11
};

enum leaf_color_matrix { LEAF_NO_MATRIX = -1, LEAF_BT601 = 0, LEAF_BT709 = 1, LEAF_BT2020 = 2 };

enum leaf_color_range { LEAF_LIMITED = 0, LEAF_FULL = 1 };

enum leaf_isa {
  LEAF_ISA_AUTO = 0, /* the fastest that this machine has */
  LEAF_ISA_SCALAR = 1,
  LEAF_ISA_AVX2 = 2,
  LEAF_ISA_AVX512 = 3, /* F, BW, VL, DQ, VNNI, VBMI and IFMA: Ice Lake, Zen 4 and later */
  LEAF_ISA_NEON = 4,
  LEAF_ISAS = 5
};

/* A region in luma pixels; any offset and size inside the frame, odd ones too. */
typedef struct leaf_roi {
  int32_t x, y, width, height;
} leaf_roi;

/* A frame in the caller's memory; it is only read, and only during the call. */
typedef struct leaf_frame {
  const void* plane[3]; /* first sample of each plane that the format has */
  int64_t pitch[3];     /* bytes from one row to the next, at least a row's samples where there is a
                           second row, at most INT32_MAX; of a plane of one row it does not count */
  int32_t width;        /* luma pixels, 1 to LEAF_MAX_DIMENSION */
  int32_t height;
  int32_t format; /* enum leaf_pixel_format */
  int32_t matrix; /* enum leaf_color_matrix; LEAF_NO_MATRIX where the format is not YUV */
  int32_t range;  /* enum leaf_color_range */
  leaf_roi roi;   /* all zero: the whole frame */
} leaf_frame;

typedef struct leaf_views leaf_views;

/* Opens a context that uses `isa`.
 * -EINVAL: not a known instruction set; -ENOTSUP: this machine or build lacks it; -ENOMEM. */
LEAF_API int leaf_views_open(leaf_views** views, int isa);

/* Writes both views of `frame` to `out`: uint8 [2, 3, 224, 224], global then fragments, R G B
 * planes in full range. Tables and scratch memory are made for the first frame of a geometry
 * (format, size, region) and kept: repeated geometry allocates nothing.
 * -EINVAL: the description is wrong, see leaf_views_message; -ENOMEM. `out` is untouched on error.
 */
LEAF_API int leaf_views_run(leaf_views* views, const leaf_frame* frame, uint8_t* out);

/* Why the last leaf_views_run on this context failed; empty after success. */
LEAF_API const char* leaf_views_message(const leaf_views* views);

/* The instruction set that this context uses (enum leaf_isa, never LEAF_ISA_AUTO). */
LEAF_API int leaf_views_isa(const leaf_views* views);

/* Closes a context; NULL is allowed. */
LEAF_API void leaf_views_close(leaf_views* views);

/* 1 where this machine and build can use `isa`, else 0. */
LEAF_API int leaf_isa_available(int isa);

/* Lower-case name of an instruction set, or NULL. */
LEAF_API const char* leaf_isa_name(int isa);

/* Number of planes of a format, or -EINVAL. */
LEAF_API int leaf_plane_count(int format);

/* Size of plane `plane` of a frame: rows, and bytes in a row without padding. 0 or -EINVAL. */
LEAF_API int leaf_plane_size(int format, int plane, int32_t width, int32_t height, int32_t* rows,
                             int32_t* row_bytes);

#ifdef __cplusplus
}
#endif

#endif /* LEAF_EDGE_VIEWS_H */
