// Rows of scores: the fields, order and number formats of leaf_edge/runtime/score.py.
#pragma once

#include <string>

#include "leaf_edge/leaf.h"

namespace leaf_tools {

enum class Format { kLines, kCsv, kJsonl };

// A scored frame, and what the gate said of it.
struct Row {
  std::string source;
  double time_s = 0;  // NaN: none
  double acquire_ms = 0;
  leaf_score score = {};
  bool still = false;
  bool gated = false;
  leaf_gate_decision decision = {};
};

// The first line of a table, "" where the format has none.
std::string heading(Format format, bool gated);

// A row with its line end.
std::string row_text(Format format, const Row& row);

}  // namespace leaf_tools
