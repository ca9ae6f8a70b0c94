// Public keys in PEM files.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "common/arguments.h"
#include "common/errors.h"

namespace leaf_tools {
namespace {

constexpr size_t kMaxBytes = 1 << 16;

// SubjectPublicKeyInfo of an Ed25519 key (RFC 8410, 4): this, then the 32 bytes of the key.
constexpr uint8_t kPrefix[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                               0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

// Base64 of RFC 4648 with line ends between. false where it is none.
bool decode(const std::string& text, std::string* bytes) {
  uint32_t bits = 0;
  int held = 0;
  size_t padding = 0;
  for (const char letter : text) {
    if (letter == '\n' || letter == '\r' || letter == ' ' || letter == '\t') continue;
    if (letter == '=') {
      ++padding;
      continue;
    }
    static constexpr char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char* found = letter ? strchr(alphabet, letter) : nullptr;
    if (!found || padding) return false;
    bits = bits << 6 | static_cast<uint32_t>(found - alphabet);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    *bytes += static_cast<char>(bits >> held & 0xff);
  }
  return padding <= 2 && held < 6;
}

}  // namespace

Keys read_keys(const std::string& path) {
  const std::string option = "--key: " + path;
  const std::unique_ptr<FILE, int (*)(FILE*)> file(fopen(path.c_str(), "rb"), fclose);
  if (!file) throw UsageError("--key " + path + ": " + strerror(errno));
  std::string data(kMaxBytes + 1, '\0');
  data.resize(fread(data.data(), 1, data.size(), file.get()));
  if (data.size() > kMaxBytes) {
    throw UsageError(option + " has more than 65536 bytes; expected a PEM of a key");
  }
  if (data.find("PRIVATE KEY-----") != std::string::npos) {
    throw UsageError(option +
                     " holds a private key; expected the public one: keep this file to yourself");
  }
  const std::string begin = "-----BEGIN PUBLIC KEY-----", end = "-----END PUBLIC KEY-----";
  Keys keys;
  for (size_t at = 0; (at = data.find(begin, at)) != std::string::npos;) {
    at += begin.size();
    const size_t stop = data.find(end, at);
    if (stop == std::string::npos) break;
    std::string bytes;
    if (!decode(data.substr(at, stop - at), &bytes)) {
      throw UsageError(option + " is not a PEM of a public key");
    }
    if (bytes.size() != sizeof kPrefix + LEAF_KEY_BYTES ||
        memcmp(bytes.data(), kPrefix, sizeof kPrefix) != 0) {
      throw UsageError(option + " holds a key of another kind; expected Ed25519");
    }
    if (keys.count == LEAF_MAX_KEYS) {
      throw UsageError(option + " holds more than " + std::to_string(LEAF_MAX_KEYS) + " keys");
    }
    memcpy(keys.bytes[keys.count++], bytes.data() + sizeof kPrefix, LEAF_KEY_BYTES);
    at = stop + end.size();
  }
  if (!keys.count) {
    throw UsageError(option +
                     " holds no public key in PEM; expected one, as leaf-edge bundle "
                     "keygen writes it");
  }
  return keys;
}

}  // namespace leaf_tools
