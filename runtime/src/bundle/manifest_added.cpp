// Reading what schema 2 added to the manifest: acceptance, engines, signature
// (leaf_edge/bundle/parse_added.py).
#include <algorithm>

#include "bundle/limits.h"
#include "bundle/manifest.h"
#include "bundle/sha256.h"

namespace leaf {
namespace {

using json::Kind;
using json::Value;

constexpr int kMaxFailures = 256;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) { return is_digit(c) || (c >= 'a' && c <= 'z'); }

// Three or four numbers with dots between them, of at most 3, 3, 4 and 6 digits.
bool is_tensorrt(std::string_view text) {
  constexpr size_t kDigits[] = {3, 3, 4, 6};
  for (int part = 0; part < 4; ++part) {
    size_t digits = 0;
    while (digits < text.size() && is_digit(text[digits])) ++digits;
    if (digits == 0 || digits > kDigits[part]) return false;
    text.remove_prefix(digits);
    if (text.empty()) return part >= 2;
    if (text[0] != '.') return false;
    text.remove_prefix(1);
  }
  return false;
}

bool is_sm(std::string_view text) {
  return (text.size() == 4 || text.size() == 5) && text.substr(0, 2) == "sm" && text[2] != '0' &&
         std::all_of(text.begin() + 2, text.end(), is_digit);
}

bool is_os(std::string_view text) {
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos) return false;
  const std::string_view system = text.substr(0, dash), processor = text.substr(dash + 1);
  return !system.empty() && system.size() <= 32 && !processor.empty() && processor.size() <= 32 &&
         std::all_of(system.begin(), system.end(), is_word) &&
         std::all_of(processor.begin(), processor.end(),
                     [](char c) { return is_word(c) || c == '_'; });
}

bool is_flag(std::string_view text) {
  return !text.empty() && text.size() <= 64 && is_word(text[0]) &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return is_word(c) || std::string_view("._=+-").find(c) != std::string_view::npos;
         });
}

bool is_key_id(std::string_view text) { return is_hex(text, 16); }
bool is_value(std::string_view text) { return is_hex(text, 128); }

bool begins_with_folder(std::string_view name) {
  const std::string_view folder = name.substr(0, kEnginesFolder.size());
  return std::equal(folder.begin(), folder.end(), kEnginesFolder.begin(), kEnginesFolder.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
}

// Position of a listed file in the engines' folder; bundle.files.size() where it is none.
size_t find_engine_file(const Bundle& bundle, std::string_view name) {
  const bool inside = name.substr(0, kEnginesFolder.size()) == kEnginesFolder;
  return inside ? find_file(bundle, name) : bundle.files.size();
}

void parse_flags(Fields* fields, EngineEntry* entry) {
  const Value* const flags = fields->list("flags");
  fields->each_of(flags, [&](const Value& flag, int64_t index) {
    if (flag.kind != Kind::kString || !is_flag(flag.text) ||
        (!entry->flags.empty() && entry->flags.back() >= flag.text)) {
      return fields->refuse("flags", "sorted words of a-z, 0-9 and ._=+-, each once", &flag, index);
    }
    entry->flags.emplace_back(flag.text);
  });
}

// One engine; counts in `uses` how often each file is named.
void parse_engine(Fields fields, Bundle* bundle, std::pmr::vector<uint32_t>* uses) {
  constexpr const char* kExpected = "a file in engines/ that `files` lists";
  EngineEntry entry(bundle->engines.get_allocator().resource());
  const Value* const log = fields.take("log");
  entry.file = fields.text("file");
  entry.tensorrt = fields.match("tensorrt", is_tensorrt, "a version of TensorRT such as 10.3.0");
  entry.sm = fields.match("sm", is_sm, "a compute capability such as sm87");
  entry.os = fields.match("os", is_os, "system and processor such as linux-aarch64");
  parse_flags(&fields, &entry);
  fields.done();
  if (fields.reading().code) return;
  const size_t plan_at = find_engine_file(*bundle, entry.file);
  if (plan_at == bundle->files.size()) return fields.refuse("file", kExpected, nullptr);
  ++(*uses)[plan_at];
  if (log->kind != Kind::kNull) {
    const size_t log_at =
        log->kind == Kind::kString ? find_engine_file(*bundle, log->text) : bundle->files.size();
    if (log_at == bundle->files.size()) return fields.refuse("log", kExpected, log);
    ++(*uses)[log_at];
  }
  bundle->engines.push_back(std::move(entry));
}

bool same_kind(const EngineEntry& a, const EngineEntry& b) {
  return a.tensorrt == b.tensorrt && a.sm == b.sm && a.os == b.os && a.flags == b.flags;
}

}  // namespace

void parse_acceptance(Fields* top, int schema, Bundle* bundle) {
  const Value* const value = schema < 2 ? nullptr : top->take("acceptance");
  if (!value || value->kind == Kind::kNull) return;
  Fields fields(&top->reading(), value, top, "acceptance");
  const bool accepted = fields.boolean("accepted"), anyway = fields.boolean("anyway");
  int failures = 0;
  const Value* const lines = fields.list("failures");
  fields.each_of(lines, [&](const Value& line, int64_t index) {
    if (!is_line(line) || ++failures > kMaxFailures) {
      fields.refuse("failures", "up to 256 lines of text", &line, index);
    }
  });
  fields.done();
  if (accepted == (failures > 0) || accepted == anyway) {
    top->refuse("acceptance", "accepted, or failures and anyway", value);
  }
  bundle->not_accepted = anyway;
}

void parse_engines(Fields* top, int schema, Bundle* bundle) {
  std::pmr::vector<uint32_t> uses(bundle->files.size(), 0, bundle->files.get_allocator());
  if (schema >= 2) {
    top->inners("engines", [&](Fields item) {
      parse_engine(item, bundle, &uses);
      // A file that is named twice is refused below; here it bounds how many engines there can be.
      if (bundle->engines.size() > kMaxFiles) top->refuse("engines", "each file once", nullptr);
    });
  }
  for (size_t i = 0; i < bundle->engines.size() && !top->reading().code; ++i) {
    for (size_t k = 0; k < i; ++k) {
      if (same_kind(bundle->engines[i], bundle->engines[k])) {
        top->refuse("engines", "each file and each kind of engine once", nullptr);
      }
    }
  }
  for (size_t i = 0; i < uses.size(); ++i) {
    if (uses[i] > 1) top->refuse("engines", "each file and each kind of engine once", nullptr);
    if (uses[i] == 0 && begins_with_folder(bundle->files[i].path)) {
      top->refuse("engines", "an engine that each file in engines/ belongs to", nullptr);
    }
  }
}

void parse_signature(Fields* top, int schema, std::string_view text, Signature* signature) {
  const Value* const value = top->take("signature");
  if (!value || value->kind == Kind::kNull) return;
  if (schema < 2) return top->refuse("signature", "null in schema 1", value);
  Fields fields(&top->reading(), value, top, "signature");
  if (fields.text("algorithm") != "ed25519") fields.refuse("algorithm", "\"ed25519\"", nullptr);
  signature->key_id = fields.match("key_id", is_key_id, "16 lower-case hexadecimal digits");
  const std::string_view digits =
      fields.match("value", is_value, "128 lower-case hexadecimal digits");
  fields.done();
  if (top->reading().code) return;
  signature->present = true;
  from_hex(digits, signature->value);
  // The end of a signed manifest, to the byte, from the last part to the first.
  signature->unsigned_ = text;
  for (const std::string_view part :
       {std::string_view("\"\n  }\n}\n"), digits, std::string_view("\",\n    \"value\": \""),
        signature->key_id,
        std::string_view(
            ",\n  \"signature\": {\n    \"algorithm\": \"ed25519\",\n    \"key_id\": \"")}) {
    std::string_view& rest = signature->unsigned_;
    if (rest.size() < part.size() || rest.substr(rest.size() - part.size()) != part) {
      top->reading().refuse(LEAF_E_SIGNATURE_INVALID,
                            "the manifest does not end with its signature as leaf-edge writes it; "
                            "it was changed since");
      return;
    }
    rest.remove_suffix(part.size());
  }
}

}  // namespace leaf
