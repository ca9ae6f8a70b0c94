#include "calibration.h"

#include <algorithm>
#include <cmath>

namespace leaf {
namespace {

constexpr int kMosDecimals = 4, kRawDecimals = 6, kFaultDecimals = 4;
constexpr double kMosMin = 1, kMosMax = 5;

// Linear interpolation, flat beyond the ends, operation by operation as numpy.interp.
double interpolate(const std::pmr::vector<double>& xs, const std::pmr::vector<double>& ys,
                   double x) {
  if (x < xs.front()) return ys.front();
  if (x >= xs.back()) return ys.back();
  const auto above = std::upper_bound(xs.begin(), xs.end(), x);
  const auto j = static_cast<size_t>(above - xs.begin()) - 1;
  if (xs[j] == x) return ys[j];
  const double slope = (ys[j + 1] - ys[j]) / (xs[j + 1] - xs[j]);
  double y = slope * (x - xs[j]) + ys[j];
  if (std::isnan(y)) {
    y = slope * (x - xs[j + 1]) + ys[j + 1];
    if (std::isnan(y) && ys[j] == ys[j + 1]) y = ys[j];
  }
  return y;
}

}  // namespace

void map_outputs(const Calibration& calibration, double reason_threshold, const RawOutput& output,
                 leaf_score* score) {
  const double raw = output.mos;
  // std::clamp, std::min and std::max choose as numpy.clip and Python's min and max do.
  const double mos =
      std::clamp(interpolate(calibration.raw, calibration.mos, raw), kMosMin, kMosMax);
  double spread = output.spread;
  if (calibration.spread_cap > 0) spread = std::min(spread, calibration.spread_cap);
  const double half =
      std::max(calibration.floor, calibration.quantile * spread * (kMosMax - kMosMin));
  score->mos = round_decimals(mos, kMosDecimals);
  score->mos_lo = round_decimals(std::max(kMosMin, mos - half), kMosDecimals);
  score->mos_hi = round_decimals(std::min(kMosMax, mos + half), kMosDecimals);
  score->raw = round_decimals(raw, kRawDecimals);
  int strongest = 0;
  for (int i = 0; i < LEAF_FAULTS; ++i) {
    const double severity = std::min(1.0, std::max(0.0, static_cast<double>(output.faults[i])));
    score->faults[i] = round_decimals(severity, kFaultDecimals);
    if (score->faults[i] > score->faults[strongest]) strongest = i;
  }
  score->reason = score->faults[strongest] >= reason_threshold ? strongest : LEAF_FAULT_NONE;
}

double round_decimals(double value, int decimals) {
  constexpr int kDigits = 53;  // of a double's mantissa
  __extension__ typedef unsigned __int128 Wide;
  int exponent = 0;
  const double fraction = std::frexp(std::fabs(value), &exponent);
  // |value| = mantissa * 2^-shift; from 2^52 on it is whole.
  const auto mantissa = static_cast<uint64_t>(std::ldexp(fraction, kDigits));
  const int shift = kDigits - exponent;
  if (shift <= 0 || !std::isfinite(value)) return value;
  uint64_t power = 1;
  for (int i = 0; i < decimals; ++i) power *= 10;
  const Wide scaled = Wide{mantissa} * power;
  if (shift > 127) return std::copysign(0.0, value);
  Wide whole = scaled >> shift;
  const Wide rest = scaled - (whole << shift), half = Wide{1} << (shift - 1);
  if (rest > half || (rest == half && (whole & 1))) ++whole;
  // From 2^53 on the decimals lie closer than the doubles: the nearest double to the nearest
  // decimal is the value. Below, the quotient of two doubles that are exact is the nearest one.
  if (whole >> kDigits) return value;
  const double quotient =
      static_cast<double>(static_cast<uint64_t>(whole)) / static_cast<double>(power);
  return std::copysign(quotient, value);
}

}  // namespace leaf
