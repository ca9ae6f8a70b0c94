// The command line of leaf-score.
#pragma once

#include <optional>

#include "common/arguments.h"
#include "readers/source.h"
#include "score/rows.h"

namespace leaf_tools {

struct ScoreOptions {
  std::string bundle;
  std::vector<std::string> sources;
  leaf_settings settings;
  Keys keys;
  std::optional<std::string> onnxruntime, tensorrt;  // paths of the libraries
  SourceOptions source;
  leaf_roi roi = {};
  bool fail = false;  // --on-error fail
  std::string output = "-";
  Format format = Format::kLines;
  std::optional<leaf_gate_settings> gate;
  bool timings = false;
};

// Throws UsageError.
Arguments parse_score_arguments(int argc, char** argv);
ScoreOptions score_options(const Arguments& arguments);
void print_score_help();

}  // namespace leaf_tools
