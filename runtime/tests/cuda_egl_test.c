/* Frames as Jetson's camera stack hands them out, as inputs. */
#include <leaf_edge/egl.h>
#include <stdio.h>
#include <string.h>

static int failures = 0;

static void check(int right, int line) {
  if (right) return;
  printf("FAILED line %d\n", line);
  ++failures;
}
#define CHECK(condition) check(condition, __LINE__)

int main(void) {
  char y, uv;
  CUeglFrame egl;
  leaf_input input;
  memset(&egl, 0, sizeof egl);
  egl.width = 1921;
  egl.height = 1080;
  egl.pitch = 2048;
  egl.planeCount = 2;
  egl.cuFormat = CU_AD_FORMAT_UNSIGNED_INT8;
  egl.frameType = CU_EGL_FRAME_TYPE_PITCH;
  egl.frame.pPitch[0] = &y;
  egl.frame.pPitch[1] = &uv;
  leaf_default_input(&input);
  CHECK(leaf_input_from_egl(&input, &egl) == -EINVAL); /* no format was stated */
  input.frame.format = LEAF_NV12;
  CHECK(leaf_input_from_egl(&input, &egl) == 0);
  CHECK(input.memory == LEAF_MEMORY_CUDA);
  CHECK(input.frame.width == 1921 && input.frame.height == 1080);
  CHECK(input.frame.plane[0] == &y && input.frame.plane[1] == &uv);
  CHECK(input.frame.pitch[0] == 2048 && input.frame.pitch[1] == 2048);
  egl.frameType = CU_EGL_FRAME_TYPE_ARRAY;
  egl.frame.pArray[0] = (CUarray)&uv;
  egl.frame.pArray[1] = (CUarray)&y;
  CHECK(leaf_input_from_egl(&input, &egl) == 0);
  CHECK(input.memory == LEAF_MEMORY_CUDA_ARRAY);
  CHECK(input.frame.plane[0] == &uv && input.frame.plane[1] == &y);
  CHECK(input.frame.pitch[0] == 1921 && input.frame.pitch[1] == 1922);
  input.frame.format = LEAF_P010;
  CHECK(leaf_input_from_egl(&input, &egl) == -EINVAL); /* samples of 8 bits */
  input.frame.format = LEAF_I420;
  CHECK(leaf_input_from_egl(&input, &egl) == -EINVAL); /* two planes */
  printf("%d failures\n", failures);
  return failures != 0;
}
