/* Frames of Jetson's camera stack (NVMM buffers, EGL images) as inputs, where they are. For
 * programs that have cudaEGL.h; nothing of it is in the library.
 *
 *   CUeglFrame egl;
 *   cuGraphicsResourceGetMappedEglFrame(&egl, resource, 0, 0);
 *   leaf_input input;
 *   leaf_default_input(&input);
 *   input.frame.format = LEAF_NV12;
 *   input.frame.matrix = LEAF_BT709;
 *   input.frame.range = LEAF_LIMITED;
 *   if (leaf_input_from_egl(&input, &egl) == 0) leaf_score_frames(context, &input, 1, &score);
 */
#ifndef LEAF_EDGE_EGL_H
#define LEAF_EDGE_EGL_H

#include <cudaEGL.h>
#include <errno.h>

#include "leaf_edge/leaf.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Fills planes, pitches, size and memory of `input` from a mapped frame. Format, matrix and range
 * are the caller's to state before: EGL's names for them do not tell all three. Pitch-linear frames
 * become LEAF_MEMORY_CUDA, block-linear ones LEAF_MEMORY_CUDA_ARRAY. EGL states the pitch of the
 * first plane only: that of the chroma plane of NV12, NV21 and P010 is the same, those of I420 are
 * to be in `input` already. -EINVAL: the frame's planes or samples are not those of the format. */
static inline int leaf_input_from_egl(leaf_input* input, const CUeglFrame* egl) {
  const int format = input->frame.format, planes = leaf_plane_count(format);
  const int wide = format == LEAF_P010;
  int plane;
  if (planes < 1 || (unsigned)planes != egl->planeCount) return -EINVAL;
  if (egl->cuFormat != (wide ? CU_AD_FORMAT_UNSIGNED_INT16 : CU_AD_FORMAT_UNSIGNED_INT8)) {
    return -EINVAL;
  }
  input->frame.width = (int32_t)egl->width;
  input->frame.height = (int32_t)egl->height;
  input->memory =
      egl->frameType == CU_EGL_FRAME_TYPE_ARRAY ? LEAF_MEMORY_CUDA_ARRAY : LEAF_MEMORY_CUDA;
  for (plane = 0; plane < planes; ++plane) {
    if (input->memory == LEAF_MEMORY_CUDA_ARRAY) {
      int32_t rows, row_bytes;
      const int error = leaf_plane_size(format, plane, input->frame.width, input->frame.height,
                                        &rows, &row_bytes);
      if (error) return error;
      input->frame.plane[plane] = egl->frame.pArray[plane];
      input->frame.pitch[plane] = row_bytes;
    } else {
      input->frame.plane[plane] = egl->frame.pPitch[plane];
      if (plane == 0 || planes == 2) input->frame.pitch[plane] = egl->pitch;
    }
  }
  return 0;
}

#ifdef __cplusplus
}
#endif

#endif /* LEAF_EDGE_EGL_H */
