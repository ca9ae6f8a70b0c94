// A bundle in memory, verified (contract: docs/bundle.md), as the engines and the context use it.
#pragma once

#include <cstdint>
#include <memory_resource>
#include <string>
#include <string_view>
#include <vector>

#include "leaf_edge/leaf.h"

namespace leaf {

// `curve` and `interval` of an encoding: raw outputs to MOS.
struct Calibration {
  explicit Calibration(std::pmr::memory_resource* memory) : raw(memory), mos(memory) {}

  std::pmr::vector<double> raw, mos;  // knots, 2 to 1024
  double coverage = 0, quantile = 0, floor = 0;
  double spread_cap = 0;  // 0: none
};

struct EncodingEntry {
  explicit EncodingEntry(std::pmr::memory_resource* memory)
      : file(memory), quantisation(memory), calibration(memory) {}

  bool present = false;
  std::pmr::string file, quantisation;
  Calibration calibration;
};

struct GoldenScore {
  double mos = 0, raw = 0;
  double faults[LEAF_FAULTS] = {};
};

struct GoldenEntry {
  explicit GoldenEntry(std::pmr::memory_resource* memory) : file(memory) {}

  std::pmr::string file;  // packed planes one after another, without padding
  int32_t format = 0, width = 0, height = 0, matrix = LEAF_NO_MATRIX, range = LEAF_FULL;
  GoldenScore cpu, trt;  // of the encodings that are present
};

// A TensorRT plan of the bundle.
struct EngineEntry {
  explicit EngineEntry(std::pmr::memory_resource* memory)
      : file(memory), tensorrt(memory), sm(memory), os(memory), flags(memory) {}

  std::pmr::string file, tensorrt, sm, os;
  std::pmr::vector<std::pmr::string> flags;
};

struct FileEntry {
  explicit FileEntry(std::pmr::memory_resource* memory) : path(memory), bytes(memory) {}

  std::pmr::string path;
  uint64_t size = 0;
  uint8_t sha256[32] = {};
  std::pmr::vector<uint8_t> bytes;  // the same that were hashed
};

struct Bundle {
  explicit Bundle(std::pmr::memory_resource* memory)
      : name(memory),
        version(memory),
        scale(memory),
        key_id(memory),
        cpu(memory),
        trt(memory),
        golden(memory),
        engines(memory),
        files(memory) {}

  int32_t schema = 0, scale_version = 0;
  std::pmr::string name, version, scale;
  std::pmr::string key_id;    // of the key whose signature was verified, else empty
  bool not_accepted = false;  // written anyway
  double reason_threshold = 0;
  double golden_mos_tolerance = 0, golden_fault_tolerance = 0;
  EncodingEntry cpu, trt;
  std::pmr::vector<GoldenEntry> golden;
  std::pmr::vector<EngineEntry> engines;
  std::pmr::vector<FileEntry> files;

  // The bytes of a listed file; NULL where there is none.
  const std::pmr::vector<uint8_t>* file(std::string_view path) const;
};

// Which keys may have signed (leaf_settings).
struct KeyPolicy {
  const uint8_t (*key)[LEAF_KEY_BYTES] = nullptr;
  int32_t keys = 0;
  int32_t require_signature = 0;
};

// Reads and verifies the NAME.leaf folder or the .tar at `path`. 0, or a LEAF_E_ code with its
// message kept (error.h). `bundle` is to be dropped on error. Throws std::bad_alloc.
int load_bundle(Bundle& bundle, const char* path, const KeyPolicy& keys);

// The same of a bundle's bytes that are in memory: `manifest`, and the files as the manifest lists
// them, unread. Checks all that the manifest alone decides, the signature among it. For load_bundle
// and for fuzzing.
int parse_manifest(Bundle& bundle, std::string_view manifest, const KeyPolicy& keys);

}  // namespace leaf
