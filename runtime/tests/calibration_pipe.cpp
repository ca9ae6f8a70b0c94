// Rounds and maps numbers from standard input, for tests/runtime_c to compare with Python's bits.
//   calibration_pipe round DECIMALS <doubles >doubles
//   calibration_pipe map <calibration and outputs >scores
// For `map`: doubles coverage, quantile, floor, spread cap, reason threshold; a uint32 and as many
// doubles raw, then mos; then RawOutputs of ten floats. A score is 12 doubles and a reason as one:
// mos, mos_lo, mos_hi, raw, eight faults, reason.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bundle_tools.h"
#include "calibration.h"

namespace {

bool read_exactly(void* to, size_t bytes) { return fread(to, 1, bytes, stdin) == bytes; }

int round_all(int decimals) {
  double value;
  while (read_exactly(&value, sizeof value)) {
    value = leaf::round_decimals(value, decimals);
    fwrite(&value, sizeof value, 1, stdout);
  }
  return 0;
}

int map_all() {
  CountedMemory memory;
  leaf::Calibration calibration(&memory);
  double head[5];
  uint32_t knots;
  if (!read_exactly(head, sizeof head) || !read_exactly(&knots, sizeof knots) || knots > 1024) {
    return 1;
  }
  calibration.coverage = head[0];
  calibration.quantile = head[1];
  calibration.floor = head[2];
  calibration.spread_cap = head[3];
  calibration.raw.resize(knots);
  calibration.mos.resize(knots);
  if (!read_exactly(calibration.raw.data(), knots * sizeof(double)) ||
      !read_exactly(calibration.mos.data(), knots * sizeof(double))) {
    return 1;
  }
  const long before = memory.allocations();
  leaf::RawOutput output;
  while (read_exactly(&output, sizeof output)) {
    leaf_score score = {};
    leaf::map_outputs(calibration, head[4], output, &score);
    double out[5 + LEAF_FAULTS] = {score.mos, score.mos_lo, score.mos_hi, score.raw};
    memcpy(out + 4, score.faults, sizeof score.faults);
    out[4 + LEAF_FAULTS] = score.reason;
    fwrite(out, sizeof out, 1, stdout);
  }
  return memory.allocations() == before ? 0 : 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && strcmp(argv[1], "round") == 0) return round_all(atoi(argv[2]));
  if (argc == 2 && strcmp(argv[1], "map") == 0) return map_all();
  fprintf(stderr, "calibration_pipe: expected round DECIMALS or map\n");
  return 1;
}
