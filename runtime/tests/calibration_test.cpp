// Calibration: known values of the curve, the interval, the reason, and the rounding of ties.
// tests/runtime_c compares hundreds of thousands of others with Python.
#include "calibration.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

#include "bundle_tools.h"

namespace {

int failures = 0;

void check(bool passed, const char* what, int line) {
  if (passed) return;
  fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, line, what);
  ++failures;
}
#define CHECK(condition) check((condition), #condition, __LINE__)

bool same(double a, double b) { return memcmp(&a, &b, sizeof a) == 0; }

void test_rounding() {
  CHECK(same(leaf::round_decimals(0.5, 0), 0.0));
  CHECK(same(leaf::round_decimals(1.5, 0), 2.0));
  CHECK(same(leaf::round_decimals(-2.5, 0), -2.0));
  CHECK(same(leaf::round_decimals(0.125, 2), 0.12));
  CHECK(same(leaf::round_decimals(0.375, 2), 0.38));
  CHECK(same(leaf::round_decimals(2.675, 2), 2.67));  // below the tie in binary
  CHECK(same(leaf::round_decimals(0.03125, 4), 0.0312));
  CHECK(same(leaf::round_decimals(0.09375, 4), 0.0938));
  CHECK(same(leaf::round_decimals(-0.00001, 4), -0.0));
  CHECK(same(leaf::round_decimals(0.0, 4), 0.0) && same(leaf::round_decimals(-0.0, 4), -0.0));
  CHECK(same(leaf::round_decimals(5e-324, 6), 0.0));

  CHECK(same(leaf::round_decimals(1e14 + 0.015625, 6), 1e14 + 0.015625));
  CHECK(same(leaf::round_decimals(3e38, 6), 3e38));
  CHECK(same(leaf::round_decimals(9007199254.740993, 6), 9007199254.740993));
}

void test_mapping() {
  CountedMemory memory;
  leaf::Calibration calibration(&memory);
  calibration.raw = {0.0, 0.5, 1.0};
  calibration.mos = {1.0, 3.0, 5.0};
  calibration.coverage = 0.9;
  calibration.quantile = 1.5;
  calibration.floor = 0.1;
  leaf::RawOutput output = {};
  leaf_score score = {};
  const long before = memory.allocations();

  output.mos = 0.25F;
  output.spread = 0.1F;
  output.faults[LEAF_NOISE] = 0.5F;
  output.faults[LEAF_BANDING] = 0.5F;
  leaf::map_outputs(calibration, 0.5, output, &score);
  CHECK(same(score.mos, 2.0) && same(score.raw, 0.25));
  CHECK(same(score.mos_lo, 1.4) && same(score.mos_hi, 2.6));  // 1.5 * 0.1 * 4
  CHECK(score.reason == LEAF_NOISE);                          // the first of two that are as strong

  leaf::map_outputs(calibration, 0.6, output, &score);
  CHECK(score.reason == LEAF_FAULT_NONE);
  calibration.spread_cap = 0.05;
  leaf::map_outputs(calibration, 0.6, output, &score);
  CHECK(same(score.mos_lo, 1.7) && same(score.mos_hi, 2.3));

  output.spread = 0;
  leaf::map_outputs(calibration, 0.6, output, &score);
  CHECK(same(score.mos_lo, 1.9) && same(score.mos_hi, 2.1));
  output.mos = std::numeric_limits<float>::max();
  output.faults[0] = 7;
  output.faults[1] = -7;
  leaf::map_outputs(calibration, 0.6, output, &score);
  CHECK(same(score.mos, 5.0) && same(score.mos_hi, 5.0) && same(score.mos_lo, 4.9));
  CHECK(same(score.faults[0], 1.0) && same(score.faults[1], 0.0) && score.reason == LEAF_DEFOCUS);
  output.mos = -1;
  leaf::map_outputs(calibration, 0.6, output, &score);
  CHECK(same(score.mos, 1.0) && same(score.mos_lo, 1.0) && same(score.raw, -1.0));
  CHECK(memory.allocations() == before);
}

}  // namespace

int main() {
  test_rounding();
  test_mapping();
  printf("%d failures\n", failures);
  return failures != 0;
}
