// A gate for each stream, and one for each image by itself, as leaf_edge/runtime/gate_streams.py.
#pragma once

#include <memory>

#include "common/arguments.h"
#include "score/rows.h"

namespace leaf_tools {

// --accept and so on. Throws UsageError.
leaf_gate_settings gate_settings(const Arguments& arguments);

class Gates {
 public:
  explicit Gates(const leaf_gate_settings& settings);

  // Fills in the gate's part of the row.
  void decide(Row* row);
  // The end: the best frame of an incomplete block is said.
  void finish();

 private:
  struct Close {
    void operator()(leaf_gate* gate) const { leaf_gate_close(gate); }
  };
  using Gate = std::unique_ptr<leaf_gate, Close>;

  static Gate open(const leaf_gate_settings& settings);

  Gate stream_, still_;
  leaf_gate* running_ = nullptr;  // NULL before the first row
  std::string source_;
  int64_t frame_ = 0;
};

}  // namespace leaf_tools
