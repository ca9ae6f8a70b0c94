#include "score/rows.h"

#include <cmath>
#include <cstdio>

#include "common/text.h"
#include "readers/source.h"

namespace leaf_tools {
namespace {

constexpr const char* kStages[] = {"acquire_ms", "views_ms", "inference_ms", "mapping_ms"};
constexpr const char* kStates[] = {"initial", "accept", "reject"};
constexpr const char* kDecision[] = {"accepted",    "state",      "changed", "missing",
                                     "warmup_left", "dwell_left", "pooled",  "candidate",
                                     "best_frame",  "best_score", "still"};

double milliseconds(int64_t nanoseconds) {
  return rounded(static_cast<double>(nanoseconds) / 1e6, 3);
}

void stages(const Row& row, double (&out)[4]) {
  out[0] = rounded(row.acquire_ms, 3);
  out[1] = milliseconds(row.score.views_ns);
  out[2] = milliseconds(row.score.inference_ns);
  out[3] = milliseconds(row.score.mapping_ns);
}

std::string time_text(double time_s, const char* none) {
  return std::isnan(time_s) ? none : number_text(rounded(time_s, 6));
}

// The fields of a decision as text, in the order of kDecision.
void decision(const Row& row, bool json, std::string (&out)[11]) {
  const leaf_gate_decision& made = row.decision;
  const auto truth = [&](int32_t value) {
    return std::string(json ? (value ? "true" : "false") : (value ? "True" : "False"));
  };
  const char* none = json ? "null" : "";
  const std::string state = kStates[made.state];
  out[0] = truth(made.accepted);
  out[1] = json ? "\"" + state + "\"" : state;
  out[2] = truth(made.changed);
  out[3] = truth(made.missing);
  out[4] = std::to_string(made.warmup_left);
  out[5] = std::to_string(made.dwell_left);
  out[6] = std::isnan(made.pooled) ? none : number_text(made.pooled);
  out[7] = truth(made.candidate);
  out[8] = made.best ? std::to_string(made.best_frame) : none;
  out[9] = made.best ? number_text(made.best_score) : none;
  out[10] = truth(row.still);
}

std::string csv_row(const Row& row) {
  const leaf_score& score = row.score;
  std::string text =
      csv_text(row.source) + "," + std::to_string(score.number) + "," + time_text(row.time_s, "");
  for (const double value : {score.mos, score.mos_lo, score.mos_hi, score.raw}) {
    text += "," + number_text(value);
  }
  text += std::string(",") + leaf_fault_name(score.reason);
  for (const double severity : score.faults) text += "," + number_text(severity);
  double times[4];
  stages(row, times);
  for (const double time : times) text += "," + number_text(time);
  if (row.gated) {
    std::string fields[11];
    decision(row, false, fields);
    for (const std::string& field : fields) text += "," + field;
  }
  return text + "\n";
}

std::string json_row(const Row& row) {
  const leaf_score& score = row.score;
  std::string text =
      "{\"source\": " + json_text(row.source) + ", \"frame\": " + std::to_string(score.number) +
      ", \"time_s\": " + time_text(row.time_s, "null") + ", \"mos\": " + number_text(score.mos) +
      ", \"mos_lo\": " + number_text(score.mos_lo) + ", \"mos_hi\": " + number_text(score.mos_hi) +
      ", \"raw\": " + number_text(score.raw) + ", \"reason\": \"" + leaf_fault_name(score.reason) +
      "\", \"faults\": {";
  for (int fault = 0; fault < LEAF_FAULTS; ++fault) {
    text += std::string(fault ? ", " : "") + "\"" + leaf_fault_name(fault) +
            "\": " + number_text(score.faults[fault]);
  }
  text += "}, \"stages\": {";
  double times[4];
  stages(row, times);
  for (int stage = 0; stage < 4; ++stage) {
    text +=
        std::string(stage ? ", " : "") + "\"" + kStages[stage] + "\": " + number_text(times[stage]);
  }
  text += "}";
  if (row.gated) {
    std::string fields[11];
    decision(row, true, fields);
    for (int field = 0; field < 11; ++field) {
      text += std::string(", \"") + kDecision[field] + "\": " + fields[field];
    }
  }
  return text + "}\n";
}

std::string line(const Row& row) {
  const leaf_score& score = row.score;
  char numbers[96];
  snprintf(numbers, sizeof numbers, "MOS %.2f (%.2f to %.2f)", score.mos, score.mos_lo,
           score.mos_hi);
  std::string text = printable(row.source) + "  ";
  if (!row.still) text += "frame " + std::to_string(score.number) + "  ";
  text += numbers;
  if (score.reason != LEAF_FAULT_NONE) text += std::string("  ") + leaf_fault_name(score.reason);
  if (row.gated) text += row.decision.accepted ? "  accepted" : "  rejected";
  return text + "\n";
}

}  // namespace

std::string heading(Format format, bool gated) {
  if (format != Format::kCsv) return "";
  std::string text = "source,frame,time_s,mos,mos_lo,mos_hi,raw,reason";
  for (int fault = 0; fault < LEAF_FAULTS; ++fault) {
    text += std::string(",") + leaf_fault_name(fault);
  }
  for (const char* stage : kStages) text += std::string(",") + stage;
  if (gated) {
    for (const char* field : kDecision) text += std::string(",") + field;
  }
  return text + "\n";
}

std::string row_text(Format format, const Row& row) {
  return format == Format::kCsv     ? csv_row(row)
         : format == Format::kJsonl ? json_row(row)
                                    : line(row);
}

}  // namespace leaf_tools
