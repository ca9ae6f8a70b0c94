/* Scores a raw NV12 frame of even size:  score_frame leaf-s.leaf 1920 1080 <frame.nv12 */
#include <leaf_edge/leaf.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char** argv) {
  const int width = argc == 4 ? atoi(argv[2]) : 0, height = argc == 4 ? atoi(argv[3]) : 0;
  if (width < 2 || height < 2) return fputs("usage: score_frame BUNDLE WIDTH HEIGHT\n", stderr), 2;
  const size_t luma = (size_t)width * (size_t)height, bytes = luma * 3 / 2;
  uint8_t* pixels = malloc(bytes);
  if (!pixels || fread(pixels, 1, bytes, stdin) != bytes) return fputs("no frame\n", stderr), 1;

  leaf_input input;
  leaf_default_input(&input);
  const leaf_frame frame = {.plane = {pixels, pixels + luma},
                            .pitch = {width, width},
                            .width = width,
                            .height = height,
                            .format = LEAF_NV12,
                            .matrix = LEAF_BT709,
                            .range = LEAF_LIMITED};
  input.frame = frame;

  leaf_context* context; /* NULL where it does not open */
  leaf_score score;
  int error = leaf_open(&context, argv[1], NULL);
  if (!error) error = leaf_score_frames(context, &input, 1, &score);
  if (error) {
    fprintf(stderr, "%s: %s; %s\n", leaf_error_name(error), leaf_last_message(),
            leaf_error_remedy(error));
  } else {
    printf("MOS %.2f (%.2f to %.2f) %s\n", score.mos, score.mos_lo, score.mos_hi,
           leaf_fault_name(score.reason));
  }
  leaf_close(context);
  free(pixels);
  return error != 0;
}
