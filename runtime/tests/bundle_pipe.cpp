// Reads bundles as they are asked for on standard input, for tests/runtime_c to compare with
// Python.
//   bundle_pipe <requests >answers
// A request is a kind, `M` (the bytes of a manifest) or `L` (the path of a bundle); the policy of
// signatures, an int8; the number of keys, a byte, and 32 bytes for each; a little-endian uint32
// and as many bytes. An answer is one line: the code and its name, then a message or what was read,
// with doubles as the hexadecimal digits of their bits.
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "bundle/bundle.h"
#include "bundle/sha256.h"
#include "bundle_tools.h"
#include "error.h"

namespace {

bool read_exactly(void* to, size_t bytes) { return fread(to, 1, bytes, stdin) == bytes; }

void put(std::string_view text) {
  printf(" %zu:", text.size());
  for (const char c : text) printf("%02x", static_cast<unsigned>(static_cast<uint8_t>(c)));
}

void put(double number) {
  uint64_t bits;
  memcpy(&bits, &number, sizeof bits);
  printf(" %016" PRIx64, bits);
}

void put(const leaf::EncodingEntry& entry) {
  printf(" %d", entry.present);
  if (!entry.present) return;
  put(entry.file);
  put(entry.quantisation);
  printf(" %zu", entry.calibration.raw.size());
  for (const double raw : entry.calibration.raw) put(raw);
  for (const double mos : entry.calibration.mos) put(mos);
  put(entry.calibration.coverage);
  put(entry.calibration.quantile);
  put(entry.calibration.floor);
  put(entry.calibration.spread_cap);
}

void put(const leaf::GoldenScore& score) {
  put(score.mos);
  put(score.raw);
  for (const double severity : score.faults) put(severity);
}

void put(const leaf::Bundle& bundle) {
  printf(" %d", bundle.schema);
  put(bundle.name);
  put(bundle.version);
  put(bundle.scale);
  printf(" %d", bundle.scale_version);
  put(bundle.key_id);
  printf(" %d", bundle.not_accepted);
  put(bundle.reason_threshold);
  put(bundle.golden_mos_tolerance);
  put(bundle.golden_fault_tolerance);
  put(bundle.cpu);
  put(bundle.trt);
  printf(" %zu", bundle.golden.size());
  for (const leaf::GoldenEntry& golden : bundle.golden) {
    put(golden.file);
    printf(" %d %d %d %d %d", golden.format, golden.width, golden.height, golden.matrix,
           golden.range);
    if (bundle.cpu.present) put(golden.cpu);
    if (bundle.trt.present) put(golden.trt);
  }
  printf(" %zu", bundle.engines.size());
  for (const leaf::EngineEntry& engine : bundle.engines) {
    put(engine.file);
    put(engine.tensorrt);
    put(engine.sm);
    put(engine.os);
    printf(" %zu", engine.flags.size());
    for (const std::pmr::string& flag : engine.flags) put(flag);
  }
  printf(" %zu", bundle.files.size());
  for (const leaf::FileEntry& file : bundle.files) {
    uint8_t hash[32];
    char digits[65];
    leaf::sha256(file.bytes.data(), file.bytes.size(), hash);
    leaf::to_hex(hash, sizeof hash, digits);
    put(file.path);
    printf(" %" PRIu64 " %zu %s", file.size, file.bytes.size(), digits);
    leaf::to_hex(file.sha256, sizeof file.sha256, digits);
    printf(" %s", digits);
  }
}

}  // namespace

int main() {
  char kind;
  int8_t policy;
  uint8_t keys, key[LEAF_MAX_KEYS][LEAF_KEY_BYTES];
  uint32_t size;
  while (read_exactly(&kind, 1)) {
    if (!read_exactly(&policy, 1) || !read_exactly(&keys, 1) || keys > LEAF_MAX_KEYS ||
        !read_exactly(key, size_t{keys} * LEAF_KEY_BYTES) || !read_exactly(&size, sizeof size)) {
      return 1;
    }
    std::vector<char> data(size_t{size} +
                           1);  // a path ends with a 0, which is written nowhere else
    if (!read_exactly(data.data(), size)) return 1;
    CountedMemory memory;
    {
      leaf::Bundle bundle(&memory);
      const leaf::KeyPolicy keys_of = {key, keys, policy};
      // Exactly as many bytes as there are, so that reading beyond them is found.
      const std::vector<char> text(data.begin(), data.end() - 1);
      const int code = kind == 'L' ? leaf::load_bundle(bundle, data.data(), keys_of)
                                   : leaf::parse_manifest(bundle, {text.data(), size}, keys_of);
      printf("%d %s", code, code ? leaf_error_name(code) : "OK");
      if (code) {
        put(leaf::last_message());
      } else {
        put(bundle);
      }
    }
    if (memory.held() != 0) return 2;
    printf("\n");
    fflush(stdout);
  }
  return 0;
}
