// Bundles: JSON, SHA-256, names, what is read from the fixtures and what is refused.
// tests/runtime_c compares all of it with Python; here is what needs no Python.
#include "bundle/bundle.h"

#include <dlfcn.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <type_traits>

#include "bundle/json.h"
#include "bundle/paths.h"
#include "bundle/sha256.h"
#include "bundle/unicode.h"
#include "bundle_tools.h"
#include "error.h"

// Growing a list must move its entries: a copy would take memory from elsewhere.
static_assert(std::is_nothrow_move_constructible_v<leaf::FileEntry>);
static_assert(std::is_nothrow_move_constructible_v<leaf::GoldenEntry>);
static_assert(std::is_nothrow_move_constructible_v<leaf::EngineEntry>);

namespace {

bool no_libraries = false;
int failures = 0;

void check(bool passed, const char* what, int line) {
  if (passed) return;
  fprintf(stderr, "%s:%d: failed: %s (%s)\n", __FILE__, line, what, leaf::last_message());
  ++failures;
}
#define CHECK(condition) check((condition), #condition, __LINE__)

}  // namespace

// In place of the system's: a machine without OpenSSL.
extern "C" void* dlopen(const char* name, int flags) noexcept {
  using Function = void* (*)(const char*, int);
  static const auto next = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "dlopen"));
  return no_libraries ? nullptr : next(name, flags);
}

namespace {

const std::string kFixtures = LEAF_FIXTURES;

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

const char* wrong_in(std::string_view text) {
  leaf::json::Document document(std::pmr::get_default_resource());
  return document.parse(text);
}

void test_json() {
  using leaf::json::Kind;
  const std::string text =
      R"( {"a": [1, -2.5e1, "x\u00e9\ud83d\ude00\n"], "b": {}, "c": [null, true, false]} )";
  leaf::json::Document document(std::pmr::get_default_resource());
  CHECK(document.parse(text) == nullptr);
  const Kind kinds[] = {Kind::kObject, Kind::kString, Kind::kList,   Kind::kInteger, Kind::kReal,
                        Kind::kString, Kind::kString, Kind::kObject, Kind::kString,  Kind::kList,
                        Kind::kNull,   Kind::kTrue,   Kind::kFalse};
  const uint32_t next[] = {13, 2, 6, 4, 5, 6, 7, 8, 9, 13, 11, 12, 13};
  for (uint32_t i = 0; i < std::size(kinds); ++i) {
    CHECK(document[i].kind == kinds[i] && document[i].next == next[i]);
  }
  CHECK(document[1].text == "a" && document[4].text == "-2.5e1");
  CHECK(document[5].text == "x\xC3\xA9\xF0\x9F\x98\x80\n");

  for (const char* good : {"0", "-0", "-0.0", "1e-999", "0e999999999999999999999", "\"\\u0000\"",
                           "[]", "{}", " [ ] ", "{\"\": {\"\": 1}}", "\"\xEF\xBF\xBF\""}) {
    CHECK(wrong_in(good) == nullptr);
  }
  for (const char* bad : {"",
                          " ",
                          "nul",
                          "nulll",
                          "NaN",
                          "-Infinity",
                          "+1",
                          "01",
                          "-",
                          "1.",
                          ".5",
                          "1e",
                          "1e+",
                          "0x1",
                          "1e999",
                          "-1e999",
                          "[1,]",
                          "[,1]",
                          "[1 2]",
                          "[",
                          "]",
                          "[1}",
                          "{",
                          "{\"a\"}",
                          "{\"a\":}",
                          "{\"a\":1,}",
                          "{a:1}",
                          "{1:1}",
                          "{\"a\":1 \"b\":2}",
                          "{\"a\":1,\"a\":2}",
                          "{\"a\":1,\"\\u0061\":2}",
                          "\"",
                          "\"\\",
                          "\"\\x\"",
                          "\"\\u12\"",
                          "\"\\u12g4\"",
                          "\"\\u-123\"",
                          "\"\\u+123\"",
                          "\"\\ud800\"",
                          "\"\\udc00\"",
                          "\"\\ud800\\u0061\"",
                          "\"\\ud800\\ud800\"",
                          "\"a\nb\"",
                          "\"\t\"",
                          "\"\\n\n\"",
                          "1 2",
                          "[] []",
                          "\xEF\xBB\xBF{}",
                          "\xC0\x80",
                          "\"\xFF\"",
                          "\"\xED\xA0\x80\"",
                          "\"\xF4\x90\x80\x80\"",
                          "\"\xE2\x82\"",
                          "'a'",
                          "/**/1",
                          "\v1",
                          "\xC2\xA0"}) {
    check(wrong_in(bad) != nullptr, bad, __LINE__);
  }
  const std::string zero("\"a\0b\"", 5);
  CHECK(wrong_in(zero) != nullptr);

  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  CHECK(wrong_in(nested(leaf::json::kMaxDepth)) == nullptr);
  CHECK(wrong_in(nested(leaf::json::kMaxDepth + 1)) != nullptr);
  CHECK(wrong_in(std::string(1 << 20, '[')) != nullptr);
  CHECK(wrong_in(std::string(leaf::json::kMaxDigits, '9')) == nullptr);
  CHECK(wrong_in(std::string(leaf::json::kMaxDigits + 1, '9')) != nullptr);
}

void test_numbers() {
  const struct {
    const char* text;
    double value;
  } kGood[] = {{"1", 1},
               {"-0", -0.0},
               {"0.1", 0.1},
               {"1e-400", 0},
               {"-1e-400", -0.0},
               {"0.0001e-320", 0},
               {"4.9e-324", 4.9e-324},
               {"2e-324", 0},
               {"1.7976931348623157e308", 1.7976931348623157e308},
               {"0e400", 0},
               {"0.000e99999999999999999999", 0},
               {"1e-99999999999999999999", 0}};
  for (const auto& good : kGood) {
    double value = 7;
    CHECK(leaf::json::to_double(good.text, &value));
    CHECK(memcmp(&value, &good.value, sizeof value) == 0);
  }
  const std::string zeros(400, '0');
  double value = 7;
  CHECK(leaf::json::to_double("0." + zeros + "1", &value) && value == 0);
  CHECK(leaf::json::to_double("0." + zeros + "1e401", &value) && value == 1);
  CHECK(leaf::json::to_double("1" + zeros + "e-400", &value) && value == 1);
  for (const char* bad : {"1.8e308", "-1e309", "1e99999999999999999999", "1e+400", "0.1E400"}) {
    CHECK(!leaf::json::to_double(bad, &value));
  }
  CHECK(!leaf::json::to_double("1" + zeros, &value));
}

void test_unicode() {
  char bytes[4];
  for (const uint32_t code : {0x0U, 0x7FU, 0x80U, 0x7FFU, 0x800U, 0xFFFFU, 0x10000U, 0x10FFFFU}) {
    std::string_view text(bytes, leaf::encode_utf8(code, bytes));
    CHECK(leaf::is_utf8(text) && leaf::count_characters(text) == 1);
    CHECK(leaf::next_character(&text) == code && text.empty());
  }
  CHECK(leaf::is_printable("caf\xC3\xA9 \xF0\x9F\x98\x80") && leaf::is_printable(""));
  CHECK(!leaf::is_printable("a\xC2\xAD") && !leaf::is_printable("\x1B") &&
        !leaf::is_printable("\xE2\x80\xAE"));
  CHECK(leaf::strip("\xE3\x80\x80 a b\t\xC2\x85") == "a b" && leaf::strip(" \n").empty());
}

// FIPS 180-4's examples, and those of NIST's CAVP for whole and partial blocks.
void test_sha256() {
  const struct {
    std::string text;
    const char* hash;
  } kVectors[] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmn"
       "opqrsmnopqrstnopqrstu",
       "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
      {std::string(1000000, 'a'),
       "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
  };
  for (const auto& vector : kVectors) {
    uint8_t hash[32], stated[32];
    char digits[65];
    leaf::sha256(reinterpret_cast<const uint8_t*>(vector.text.data()), vector.text.size(), hash);
    leaf::to_hex(hash, sizeof hash, digits);
    CHECK(strcmp(digits, vector.hash) == 0 && leaf::is_hex(digits, 64));
    leaf::from_hex(digits, stated);
    CHECK(memcmp(hash, stated, sizeof hash) == 0);
  }
  CHECK(!leaf::is_hex("AB", 2) && !leaf::is_hex("abc", 2) && !leaf::is_hex("0g", 2));
}

void test_paths() {
  for (const char* good : {"a", "_", "model.cpu.onnx", "golden/0.nv12.raw", "a/b/c/d", "A-1_2.x",
                           "x-", "console", "com", "com10", "nul0"}) {
    CHECK(leaf::is_plain_path(good));
  }
  for (const char* bad :
       {"",    ".",       "..",    "../x",     "a/../b", "/a",  "a//b",     "a/",
        "-a",  ".a",      "a.",    "a b",      "a\\b",   "c:x", "\xC3\xA9", "a/b/c/d/e",
        "CON", "nul.txt", "a/aux", "COM1.raw", "lpt9",   "a\n"}) {
    CHECK(!leaf::is_plain_path(bad));
  }
  CHECK(leaf::is_plain_path(std::string(200, 'x')) && !leaf::is_plain_path(std::string(201, 'x')));
  CHECK(leaf::can_be_together("a/b", "a/c") && leaf::can_be_together("ab", "a/b"));
  CHECK(!leaf::can_be_together("a", "A") && !leaf::can_be_together("a", "a/b"));
  CHECK(!leaf::can_be_together("A/b", "a") && !leaf::can_be_together("a/b", "A/c"));
  CHECK(!leaf::can_be_together("x/a/b", "X/c") && !leaf::can_be_together("a/b", "a/B"));
}

// The public key of the fixtures: the last 32 bytes of its PEM's DER.
void read_key(uint8_t (&key)[LEAF_KEY_BYTES]) {
  const std::string pem = read_file(kFixtures + "/fixtures.pub.pem");
  const size_t begin = pem.find('\n') + 1;
  const std::string kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string der;
  uint32_t bits = 0, count = 0;
  for (size_t i = begin; i < pem.size() && pem[i] != '\n' && pem[i] != '='; ++i) {
    bits = bits << 6 | static_cast<uint32_t>(kDigits.find(pem[i]));
    if ((count += 6) >= 8) der.push_back(static_cast<char>(bits >> (count -= 8)));
  }
  memcpy(key, der.data() + der.size() - LEAF_KEY_BYTES, LEAF_KEY_BYTES);
}

int load(const std::string& path, const leaf::KeyPolicy& keys = {}) {
  CountedMemory memory;
  leaf::Bundle bundle(&memory);
  return leaf::load_bundle(bundle, path.c_str(), keys);
}

void test_fixtures() {
  CountedMemory memory;
  {
    leaf::Bundle bundle(&memory);
    CHECK(leaf::load_bundle(bundle, (kFixtures + "/schema2.leaf").c_str(), {}) == 0);
    CHECK(bundle.schema == 2 && bundle.name == "tiny" && bundle.scale == "acr5");
    CHECK(bundle.not_accepted && bundle.key_id.empty());
    CHECK(bundle.golden.size() == 2 && bundle.engines.size() == 1 && bundle.files.size() == 7);
    CHECK(bundle.engines[0].flags.size() == 2 && bundle.engines[0].flags[0] == "fp16");
    CHECK(bundle.cpu.present && bundle.cpu.calibration.mos[1] == 3);
    CHECK(bundle.file("card.md") && bundle.file("card.md")->size() == 7);
    CHECK(!bundle.file("manifest.json") && !bundle.file(""));
    CHECK(bundle.file(bundle.cpu.file)->size() == 648);
  }
  CHECK(memory.held() == 0);
  CHECK(load(kFixtures + "/schema1.leaf") == 0);
  CHECK(load(kFixtures + "/nothing.leaf") == LEAF_E_BUNDLE_NOT_FOUND);
  CHECK(strstr(leaf::last_message(), "nothing.leaf"));
  CHECK(load("/dev/null") == LEAF_E_BUNDLE_NOT_FOUND);
  CHECK(load(kFixtures + "/fixtures.pub.pem") == LEAF_E_BUNDLE_ARCHIVE);
  CHECK(load(kFixtures) == LEAF_E_BUNDLE_FILES);
}

void test_signatures() {
  const std::string path = kFixtures + "/schema2.leaf";
  uint8_t keys[3][LEAF_KEY_BYTES] = {{1}, {2}};
  read_key(keys[2]);
  CHECK(load(path, {keys, 2, 0}) == LEAF_E_SIGNATURE_KEY);
  CHECK(load(path, {nullptr, 0, 1}) == -EINVAL);
  CHECK(load(kFixtures + "/schema1.leaf", {keys, 3, 0}) == LEAF_E_SIGNATURE_MISSING);
  CHECK(load(kFixtures + "/schema1.leaf", {keys, 3, -1}) == 0);

  no_libraries = true;
  CHECK(load(path, {keys, 3, 0}) == LEAF_E_SIGNATURE_NO_LIBRARY);
  CHECK(load(path) == 0);
  no_libraries = false;
  void* const library = dlopen("libcrypto.so.3", RTLD_LAZY);
  if (!library && !dlopen("libcrypto.so.1.1", RTLD_LAZY)) {
    printf("no OpenSSL library: signatures are not verified\n");
    return;
  }
  CHECK(load(path, {keys, 3, 0}) == 0);
  std::string text = read_file(path + "/manifest.json");
  const auto parse = [&] {
    CountedMemory memory;
    leaf::Bundle bundle(&memory);
    const int code = leaf::parse_manifest(bundle, text, {keys, 3, 1});
    CHECK(code != 0 || bundle.key_id == "1b4df2871cb48fb3");
    return code;
  };
  CHECK(parse() == 0);
  text[text.find("\"1.0.0\"") + 1] = '2';
  CHECK(parse() == LEAF_E_SIGNATURE_INVALID);
  text.insert(text.size() - 2, "\n");
  CHECK(parse() == LEAF_E_SIGNATURE_INVALID);
}

// What refused manifests say: the field, and nothing that a terminal would act upon.
void test_messages() {
  std::string text = read_file(kFixtures + "/schema1.leaf/manifest.json");
  const auto refused = [&](const char* old, const char* now, int code, const char* says) {
    std::string changed = text;
    changed.replace(changed.find(old), strlen(old), now);
    CountedMemory memory;
    leaf::Bundle bundle(&memory);
    CHECK(leaf::parse_manifest(bundle, changed, {}) == code);
    CHECK(strstr(leaf::last_message(), says));
  };
  refused("\"schema\": 1", "\"schema\": 3", LEAF_E_BUNDLE_SCHEMA, "schema 3");
  refused("\"version\": \"1.0.0\"", "\"v\": 1", LEAF_E_BUNDLE_MANIFEST,
          "field version: expected a value");
  refused("\"quantile\": 1.5", "\"quantile\": \"\\u001b[31m\"", LEAF_E_BUNDLE_MANIFEST,
          "field encodings.cpu.interval.quantile: expected a number; found \"?[31m\"");
  refused("\"width\": 32", "\"width\": 0", LEAF_E_BUNDLE_MANIFEST, "golden[0].width");
  refused("\"card.md\"", "\"../\\u001bcard\"", LEAF_E_BUNDLE_PATH, "'../?card'");
  text = "[]";
  refused("[]", "[]", LEAF_E_BUNDLE_MANIFEST, "field (top): expected an object; found a list");
}

}  // namespace

int main() {
  test_json();
  test_numbers();
  test_unicode();
  test_sha256();
  test_paths();
  test_fixtures();
  test_signatures();
  test_messages();
  printf("%d failures\n", failures);
  return failures != 0;
}
