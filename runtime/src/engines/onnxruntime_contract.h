// What a network must be to be a student (leaf_edge/contract.py), asked of an open session.
#pragma once

#include <memory_resource>

#include "engines/onnxruntime_library.h"

namespace leaf::ort {

constexpr int kOutputs = 3;
inline constexpr const char* kInputName = "views";
inline constexpr const char* kOutputNames[kOutputs] = {"mos", "spread", "faults"};

// 0 where the session takes uint8 views [N, 2, 3, 224, 224] and gives float mos [N], spread [N] and
// faults [N, 8], N free; else LEAF_E_BUNDLE_MODEL with its message kept.
int check_contract(const Library& library, const OrtSession* session);

}  // namespace leaf::ort
