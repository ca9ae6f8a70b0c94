// A network on ONNX Runtime with the settings that give the scores of leaf_edge/runtime/engine.py.
#pragma once

#include "engine.h"
#include "engines/onnxruntime_library.h"

namespace leaf::ort {

// Opens the network in `model` for LEAF_ENGINE_CPU or _CUDA. `logger` gets the session's messages
// and must outlive it. 0, or LEAF_E_BUNDLE_MODEL, LEAF_E_DEVICE_NO_PROVIDER,
// LEAF_E_DEVICE_NO_ONNXRUNTIME with its message kept.
int open_session(OrtSession** session, const Library& library,
                 const std::pmr::vector<uint8_t>& model, const leaf_settings& settings, int code,
                 leaf_logger* logger);

}  // namespace leaf::ort
