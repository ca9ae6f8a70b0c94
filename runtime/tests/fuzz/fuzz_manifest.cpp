// Any bytes as a manifest: read or refused with a code, and all memory is given back.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "bundle/bundle.h"
#include "bundle_tools.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const uint8_t key[1][LEAF_KEY_BYTES] = {{7}};
  CountedMemory memory;
  // As load_bundle calls it, without a key and with one.
  for (const leaf::KeyPolicy& keys : {leaf::KeyPolicy(), leaf::KeyPolicy{key, 1, 0}}) {
    leaf::Bundle bundle(&memory);
    const int code =
        leaf::parse_manifest(bundle, {reinterpret_cast<const char*>(data), size}, keys);
    if (code > 0) abort();
    if (code == 0 && (bundle.files.empty() || bundle.name.empty())) abort();
    for (const leaf::FileEntry& file : bundle.files) {
      if (code == 0 && bundle.file(file.path) != &file.bytes) abort();
    }
  }
  if (memory.held() != 0) abort();
  return 0;
}
