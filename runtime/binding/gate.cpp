// leaf_edge._native, the part of the gate: GateContext over the C functions of leaf_edge/gate.h.
#include "leaf_edge/gate.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>

#include <cmath>
#include <new>
#include <optional>
#include <stdexcept>

namespace nb = nanobind;
using nb::literals::operator""_a;

namespace {

class GateContext {
 public:
  GateContext(double accept, double reject, int32_t pool, int32_t window, int32_t percentile,
              int32_t dwell, int32_t initial, int32_t missing, int32_t best_window) {
    const leaf_gate_settings settings = {accept, reject,  pool,    window,     percentile,
                                         dwell,  initial, missing, best_window};
    char message[LEAF_GATE_MESSAGE_SIZE];
    if (leaf_gate_check(&settings, message, sizeof message)) throw nb::value_error(message);
    if (leaf_gate_open(&gate_, &settings)) throw std::bad_alloc();
  }
  ~GateContext() { leaf_gate_close(gate_); }
  GateContext(const GateContext&) = delete;
  GateContext& operator=(const GateContext&) = delete;

  nb::tuple push(int64_t frame, double score) {
    leaf_gate_decision decision;
    if (leaf_gate_push(gate_, frame, score, &decision)) {
      throw nb::value_error(leaf_gate_message(gate_));
    }
    return fields(decision);
  }

  nb::tuple push_missing(int64_t frame) {
    leaf_gate_decision decision;
    if (leaf_gate_push_missing(gate_, frame, &decision)) {
      throw nb::value_error(leaf_gate_message(gate_));
    }
    return fields(decision);
  }

  std::optional<std::pair<int64_t, double>> flush() {
    int64_t frame = 0;
    double score = 0;
    if (leaf_gate_flush(gate_, &frame, &score) != 1) return std::nullopt;
    return std::make_pair(frame, score);
  }

  void reset() { leaf_gate_reset(gate_); }

 private:
  static nb::tuple fields(const leaf_gate_decision& d) {
    const nb::object none = nb::none();
    return nb::make_tuple(
        d.frame, d.accepted != 0, d.state, d.changed != 0, d.missing != 0, d.warmup_left,
        d.dwell_left, std::isnan(d.pooled) ? none : nb::cast(d.pooled), d.candidate != 0,
        d.best ? nb::cast(d.best_frame) : none, d.best ? nb::cast(d.best_score) : none);
  }

  leaf_gate* gate_ = nullptr;
};

nb::dict defaults() {
  leaf_gate_settings s;
  leaf_gate_defaults(&s);
  nb::dict out;
  out["accept"] = s.accept;
  out["reject"] = s.reject;
  out["pool"] = s.pool;
  out["window"] = s.window;
  out["percentile"] = s.percentile;
  out["dwell"] = s.dwell;
  out["initial"] = s.initial;
  out["missing"] = s.missing;
  out["best_window"] = s.best_window;
  return out;
}

#define LEAF_DECISION                                                            \
  "tuple[int, bool, int, bool, bool, int, int, float | None, bool, int | None, " \
  "float | None]"

}  // namespace

void bind_gate(nb::module_& module) {
  module.attr("GATE_MAX_SCORE") = LEAF_GATE_MAX_SCORE;
  module.attr("GATE_MAX_WINDOW") = LEAF_GATE_MAX_WINDOW;
  module.def("gate_defaults", &defaults, nb::sig("def gate_defaults() -> dict[str, float]"),
             "The core's default settings, by field of leaf_gate_settings.");
  nb::class_<GateContext>(
      module, "GateContext",
      "State machine of one stream (runtime/include/leaf_edge/gate.h). Serves one thread at a\n"
      "time.\n\nCodes are those of the header. ValueError where a setting is out of range.")
      .def(
          nb::init<double, double, int32_t, int32_t, int32_t, int32_t, int32_t, int32_t, int32_t>(),
          nb::kw_only(), "accept"_a, "reject"_a, "pool"_a, "window"_a, "percentile"_a, "dwell"_a,
          "initial"_a, "missing"_a, "best_window"_a)
      .def("push", &GateContext::push, "frame"_a, "score"_a,
           nb::sig("def push(self, frame: int, score: float) -> " LEAF_DECISION),
           "Decide on a frame with its score.\n\n"
           "Returns (frame, accepted, state, changed, missing, warmup_left, dwell_left, pooled,\n"
           "candidate, best_frame, best_score). ValueError for a score that is not finite, the\n"
           "state as before.")
      .def("push_missing", &GateContext::push_missing, "frame"_a,
           nb::sig("def push_missing(self, frame: int) -> " LEAF_DECISION),
           "Decide on a frame that has no score; returns the same.")
      .def("flush", &GateContext::flush, "End the block early: its best (frame, score), if any.")
      .def("reset", &GateContext::reset, "Back to the state of a new gate.");
}
