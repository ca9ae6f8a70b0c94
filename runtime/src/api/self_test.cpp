// The golden frames of a bundle against the scores that they must give.
#include <algorithm>
#include <cmath>

#include "api/context.h"
#include "error.h"

namespace leaf {
namespace {

// The golden frame as an input; false where its file does not hold it.
bool describe(const Bundle& bundle, const GoldenEntry& golden, leaf_input* input) {
  leaf_default_input(input);
  leaf_frame& frame = input->frame;
  frame.width = golden.width;
  frame.height = golden.height;
  frame.format = golden.format;
  frame.matrix = golden.matrix;
  frame.range = golden.range;
  const std::pmr::vector<uint8_t>* const bytes = bundle.file(golden.file);
  const int planes = leaf_plane_count(golden.format);
  if (!bytes || planes < 0) return false;
  std::size_t at = 0;
  for (int p = 0; p < planes; ++p) {
    int32_t rows = 0, row_bytes = 0;
    if (leaf_plane_size(frame.format, p, frame.width, frame.height, &rows, &row_bytes)) {
      return false;
    }
    frame.plane[p] = bytes->data() + at;
    frame.pitch[p] = row_bytes;
    at += static_cast<std::size_t>(rows) * static_cast<std::size_t>(row_bytes);
    if (at > bytes->size()) return false;
  }
  return at == bytes->size();
}

// What engines need that round to float16 or TF32 between INT8 layers: HALF of
// leaf_edge/runtime/tolerance.py, which has the reason and the figures.
constexpr double kHalfMos = 0.15, kHalfFault = 0.1;

struct Tolerance {
  double mos, fault;
};

// What the bundle states, or what the engine needs where that is more.
Tolerance tolerance_of(const Bundle& bundle, int engine) {
  if (engine != LEAF_ENGINE_TENSORRT && engine != LEAF_ENGINE_CUDA) {
    return {bundle.golden_mos_tolerance, bundle.golden_fault_tolerance};
  }
  return {std::max(bundle.golden_mos_tolerance, kHalfMos),
          std::max(bundle.golden_fault_tolerance, kHalfFault)};
}

int compare(const Tolerance& tolerance, const GoldenEntry& golden, const GoldenScore& expected,
            const leaf_score& found) {
  const char* const file = golden.file.c_str();
  // Written so that what is not a number fails.
  if (!(std::fabs(found.mos - expected.mos) <= tolerance.mos)) {
    return fail(LEAF_E_BUNDLE_SELF_TEST, "%s scores MOS %.3f; expected %.3f within %g", file,
                found.mos, expected.mos, tolerance.mos);
  }
  for (int k = 0; k < LEAF_FAULTS; ++k) {
    if (!(std::fabs(found.faults[k] - expected.faults[k]) <= tolerance.fault)) {
      return fail(LEAF_E_BUNDLE_SELF_TEST, "%s has %s %.3f; expected %.3f within %g", file,
                  leaf_fault_name(k), found.faults[k], expected.faults[k], tolerance.fault);
    }
  }
  return 0;
}

}  // namespace

int self_test(leaf_context& context, double* worst) {
  const Bundle& bundle = context.bundle;
  if (bundle.golden.empty()) {
    return fail(LEAF_E_BUNDLE_SELF_TEST, "the bundle has no golden frames");
  }
  // Tables of its own: those of the cameras stay.
  std::optional<Tables> tables;
  if (context.tables) tables.emplace(context.settings.isa, 1, &context.memory);
  const Tolerance tolerance = tolerance_of(bundle, context.engine->code());
  double largest = 0;
  int result = 0;
  for (const GoldenEntry& golden : bundle.golden) {
    leaf_input input;
    if (!describe(bundle, golden, &input)) {
      return fail(LEAF_E_BUNDLE_MANIFEST, "%s does not hold the frame that the manifest describes",
                  golden.file.c_str());
    }
    const GoldenScore& expected = context.engine->trt_encoding() ? golden.trt : golden.cpu;
    leaf_score score;
    if (const int error = score_batch(context, tables ? &*tables : nullptr, &input, 1, &score)) {
      return error;
    }
    largest = std::max(largest, std::fabs(score.mos - expected.mos));
    // The first that differs is told; all count for the worst.
    if (!result) result = compare(tolerance, golden, expected, score);
  }
  if (worst) *worst = largest;
  return result;
}

}  // namespace leaf
