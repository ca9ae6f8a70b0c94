#include "bundle/signature.h"

#include <dlfcn.h>

#include <algorithm>

#include "bundle/sha256.h"
#include "error.h"

namespace leaf {
namespace {

// The few functions of OpenSSL's libcrypto 1.1.1 and 3 that it takes, as its evp.h declares them.
struct Crypto {
  void* (*EVP_PKEY_new_raw_public_key)(int type, void* engine, const unsigned char* key,
                                       size_t size);
  void (*EVP_PKEY_free)(void* key);
  void* (*EVP_MD_CTX_new)();
  void (*EVP_MD_CTX_free)(void* context);
  int (*EVP_DigestVerifyInit)(void* context, void** key_context, const void* digest, void* engine,
                              void* key);
  int (*EVP_DigestVerify)(void* context, const unsigned char* signature, size_t signature_size,
                          const unsigned char* message, size_t message_size);
};

constexpr int kEd25519 = 1087;  // NID_ED25519

template <class Function>
bool find(void* library, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(library, name));
  return *function != nullptr;
}

// The library stays loaded: OpenSSL does not support to be taken out of a process again.
bool open_crypto(Crypto* crypto) {
  for (const char* name : {"libcrypto.so.3", "libcrypto.so.1.1"}) {
    void* const library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!library) continue;
#define LEAF_FIND(function) find(library, #function, &crypto->function)
    if (LEAF_FIND(EVP_PKEY_new_raw_public_key) && LEAF_FIND(EVP_PKEY_free) &&
        LEAF_FIND(EVP_MD_CTX_new) && LEAF_FIND(EVP_MD_CTX_free) &&
        LEAF_FIND(EVP_DigestVerifyInit) && LEAF_FIND(EVP_DigestVerify)) {
      return true;
    }
#undef LEAF_FIND
  }
  return false;
}

bool verifies(const Crypto& crypto, const uint8_t (&key)[LEAF_KEY_BYTES],
              const uint8_t (&value)[64], std::string_view message) {
  void* const public_key =
      crypto.EVP_PKEY_new_raw_public_key(kEd25519, nullptr, key, LEAF_KEY_BYTES);
  void* const context = crypto.EVP_MD_CTX_new();
  const bool holds =
      public_key && context &&
      crypto.EVP_DigestVerifyInit(context, nullptr, nullptr, nullptr, public_key) == 1 &&
      crypto.EVP_DigestVerify(context, value, sizeof value,
                              reinterpret_cast<const unsigned char*>(message.data()),
                              message.size()) == 1;
  crypto.EVP_MD_CTX_free(context);
  crypto.EVP_PKEY_free(public_key);
  return holds;
}

// First 16 hexadecimal digits of the SHA-256 of the raw key.
void key_id(const uint8_t (&key)[LEAF_KEY_BYTES], char (&out)[17]) {
  uint8_t hash[32];
  sha256(key, sizeof key, hash);
  to_hex(hash, 8, out);
}

}  // namespace

int verify_signature(Bundle* bundle, const Signature& signature, const KeyPolicy& keys) {
  if (keys.keys == 0) return 0;
  if (!signature.present) {
    if (keys.require_signature < 0) return 0;
    return fail(LEAF_E_SIGNATURE_MISSING, "the bundle is not signed; a key was given");
  }
  std::pmr::string message(bundle->name.get_allocator());
  Crypto crypto = {};
  bool known = false;
  for (int32_t i = 0; i < keys.keys; ++i) {
    char id[17];
    key_id(keys.key[i], id);
    if (signature.key_id != id) continue;
    if (!known) {
      if (!open_crypto(&crypto)) {
        return fail(LEAF_E_SIGNATURE_NO_LIBRARY,
                    "no OpenSSL library (libcrypto.so.3 or .1.1) to check the signature with");
      }
      message.reserve(signature.unsigned_.size() + kUnsignedEnd.size());
      message.append(signature.unsigned_).append(kUnsignedEnd);
      known = true;
    }
    if (verifies(crypto, keys.key[i], signature.value, message)) {
      bundle->key_id = signature.key_id;
      return 0;
    }
  }
  const auto size = static_cast<int>(signature.key_id.size());
  if (!known) {
    return fail(LEAF_E_SIGNATURE_KEY, "the bundle is signed by %.*s, which is none of the keys",
                size, signature.key_id.data());
  }
  return fail(LEAF_E_SIGNATURE_INVALID, "the signature of %.*s does not belong to this manifest",
              size, signature.key_id.data());
}

}  // namespace leaf
