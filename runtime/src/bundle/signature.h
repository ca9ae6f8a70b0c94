// The manifest's signature: what is signed, and whether one of the keys signed it
// (leaf_edge/bundle/parse_added.py, sign.py).
#pragma once

#include <cstdint>
#include <string_view>

#include "bundle/bundle.h"

namespace leaf {

struct Signature {
  bool present = false;
  std::string_view key_id;     // 16 hexadecimal digits
  uint8_t value[64] = {};      // Ed25519 (RFC 8032)
  std::string_view unsigned_;  // the manifest's text before the signature
};

// What follows `unsigned_` in the message that is signed.
constexpr std::string_view kUnsignedEnd = ",\n  \"signature\": null\n}\n";

// Checks `signature` by the policy, and keeps the key's id in `bundle` where it holds. 0, or
// LEAF_E_SIGNATURE_..., the message kept.
int verify_signature(Bundle* bundle, const Signature& signature, const KeyPolicy& keys);

}  // namespace leaf
