// Raw outputs of the network to the fields of a score.
#pragma once

#include "bundle/bundle.h"
#include "engine.h"
#include "leaf_edge/leaf.h"

namespace leaf {

// Fills mos, mos_lo, mos_hi, raw, faults and reason, with the bits that leaf_edge/runtime/scorer.py
// gives: the same order of operations as bundle/curve.py and numpy.interp, rounded to the same
// decimals.
void map_outputs(const Calibration& calibration, double reason_threshold, const RawOutput& output,
                 leaf_score* score);

// `value` rounded to `decimals`, as Python's round(): the nearest decimal of the exact binary
// value, ties to even. `value` is finite and below 1e15 in magnitude. Allocates nothing.
double round_decimals(double value, int decimals);

}  // namespace leaf
