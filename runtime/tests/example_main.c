/* Runs the example that is on top of leaf.h, as it stands there, on a shipped bundle. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int score_frame(const char* bundle, const uint8_t* nv12, int width, int height);

enum { kWidth = 322, kHeight = 180 };

int main(int argc, char** argv) {
  static uint8_t nv12[kWidth * kHeight * 3 / 2];
  if (argc != 2) return 2;
  if (!getenv("LEAF_ONNXRUNTIME")) {
    puts("skipped: LEAF_ONNXRUNTIME names no libonnxruntime.so");
    return 77;
  }
  for (int i = 0; i < kWidth * kHeight; ++i) {
    nv12[i] = (uint8_t)(16 + (i % kWidth + i / kWidth) % 220);
  }
  for (int i = kWidth * kHeight; i < (int)sizeof nv12; ++i) nv12[i] = 128;
  if (score_frame("/nowhere/none.leaf", nv12, kWidth, kHeight) != 1) {
    puts("a bundle that is not there was opened");
    return 1;
  }
  return score_frame(argv[1], nv12, kWidth, kHeight);
}
