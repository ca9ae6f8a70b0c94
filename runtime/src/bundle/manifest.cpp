// Reading manifest.json, schemas 1 and 2: every field checked, none unknown, in the order of
// leaf_edge/bundle/parse.py, so that of several faults the same one is named.
#include "bundle/manifest.h"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <functional>
#include <initializer_list>

#include "bundle/limits.h"
#include "bundle/paths.h"
#include "bundle/sha256.h"
#include "bundle/unicode.h"
#include "error.h"

namespace leaf {
namespace {

using json::Kind;
using json::Value;

constexpr int64_t kMaxVersion = 1 << 30;
constexpr int kSchemas = 2;
constexpr std::string_view kScale = "acr5";
constexpr int kScaleVersion = 1;
constexpr size_t kMaxKnots = 1024;
constexpr double kMosMin = 1, kMosMax = 5;

bool is_name(std::string_view text) {
  const auto word = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !text.empty() && text.size() <= 64 && word(text[0]) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return word(c) || c == '.' || c == '_' || c == '-'; });
}

bool is_sha256(std::string_view text) { return is_hex(text, 64); }

// The numbers that decide whether the rest means anything to this version.
void parse_versions(Fields* top, Bundle* bundle) {
  Reading& reading = top->reading();
  const int64_t schema = top->integer("schema", 1, kMaxVersion);
  if (schema > kSchemas) {
    reading.refuse(LEAF_E_BUNDLE_SCHEMA,
                   "the manifest has schema %" PRId64 "; this version reads 1 to %d", schema,
                   kSchemas);
  }
  const int64_t views = top->integer("views_version", 1, kMaxVersion);
  if (views != LEAF_VIEWS_VERSION) {
    reading.refuse(LEAF_E_BUNDLE_VIEWS,
                   "the model takes views of version %" PRId64 "; this version makes %d", views,
                   LEAF_VIEWS_VERSION);
  }
  Fields scale = top->inner("scale");
  const std::string_view name = scale.text("name");
  const int64_t version = scale.integer("version", 1, kMaxVersion);
  scale.done();
  if (name != kScale || version != kScaleVersion) {
    reading.refuse(LEAF_E_BUNDLE_SCALE,
                   "the model scores on %s version %" PRId64 "; expected %s version %d",
                   Shown(name).text, version, kScale.data(), kScaleVersion);
  }
  if (reading.code) return;
  bundle->schema = static_cast<int32_t>(schema);
  bundle->scale = name;
  bundle->scale_version = static_cast<int32_t>(version);
}

// Whether a list holds these numbers, written in any way (224 is 224.0).
bool holds(Fields* fields, const Value* list, std::initializer_list<double> numbers) {
  size_t equal = 0, count = 0;
  fields->each_of(list->kind == Kind::kList ? list : nullptr, [&](const Value& value, int64_t) {
    double number = 0;
    const bool is_number = value.kind == Kind::kInteger || value.kind == Kind::kReal;
    if (is_number && json::to_double(value.text, &number) && count < numbers.size()) {
      equal += number == numbers.begin()[count] ? 1 : 0;
    }
    ++count;
  });
  return list->kind == Kind::kList && count == numbers.size() && equal == count;
}

// The fields that the schema fixes.
void parse_input(Fields* top) {
  constexpr const char* kExpected = "the views of this version, uint8 [2, 3, 224, 224]";
  const Value* const input = top->take("input");
  if (!input) return;
  if (input->kind != Kind::kObject) return top->refuse("input", kExpected, input);
  Fields fields(&top->reading(), input, top, "input");
  const Value *const name = fields.take("name"), *const dtype = fields.take("dtype"),
                     *const shape = fields.take("shape");
  if (shape && !(name->kind == Kind::kString && name->text == "views" &&
                 dtype->kind == Kind::kString && dtype->text == "uint8" &&
                 holds(&fields, shape, {2, 3, LEAF_VIEWS_SIZE, LEAF_VIEWS_SIZE}))) {
    top->refuse("input", kExpected, input);
  }
  fields.done();
}

void parse_faults(Fields* top) {
  const Value* const faults = top->take("faults");
  if (!faults) return;
  int count = 0, equal = 0;
  top->each_of(faults->kind == Kind::kList ? faults : nullptr, [&](const Value& value, int64_t) {
    if (count < LEAF_FAULTS && value.kind == Kind::kString &&
        value.text == leaf_fault_name(count)) {
      ++equal;
    }
    ++count;
  });
  if (count != LEAF_FAULTS || equal != LEAF_FAULTS) {
    top->refuse("faults", "the eight faults of this version in their order", faults);
  }
}

void parse_files(Fields* top, Bundle* bundle) {
  Reading& reading = top->reading();
  uint64_t total = 0;
  uint32_t count = 0;
  Fields files = top->inner("files");
  files.members([&](std::string_view name, Fields entry) {
    if (!reading.code && !is_plain_path(name)) {
      reading.refuse(LEAF_E_BUNDLE_PATH, "unsafe file name '%s'", Shown(name).text);
    }
    const auto size = static_cast<uint64_t>(entry.integer("size", 0, int64_t{1} << 62));
    if (size > kMaxFileBytes) {
      reading.refuse(LEAF_E_BUNDLE_SIZE,
                     "%s: %" PRIu64 " bytes are stated; %" PRIu64 " are allowed", Shown(name).text,
                     size, kMaxFileBytes);
    }
    const std::string_view sha256 =
        entry.match("sha256", is_sha256, "64 lower-case hexadecimal digits");
    entry.done();
    if (reading.code || ++count > kMaxFiles) return;
    FileEntry& file = bundle->files.emplace_back(bundle->files.get_allocator().resource());
    file.path = name;
    file.size = size;
    from_hex(sha256, file.sha256);
    total += size;
  });
  if (count > kMaxFiles) {
    reading.refuse(LEAF_E_BUNDLE_FILES, "%u files are listed; %u are allowed", count, kMaxFiles);
  }
  if (total > kMaxTotalBytes) {
    reading.refuse(LEAF_E_BUNDLE_SIZE,
                   "%" PRIu64 " bytes are stated; %" PRIu64 " are allowed in all", total,
                   kMaxTotalBytes);
  }
  if (reading.code) return;
  for (size_t i = 0; i < bundle->files.size(); ++i) {
    const std::string_view name = bundle->files[i].path;
    bool together = can_be_together(name, kManifestName);
    for (size_t k = 0; k < i && together; ++k) {
      together = can_be_together(name, bundle->files[k].path);
    }
    if (!together) {
      reading.refuse(LEAF_E_BUNDLE_PATH,
                     "'%s' and another listed name are one file but for letter case, or a file and "
                     "its folder",
                     Shown(name).text);
    }
  }
}

void parse_curve(Fields fields, Calibration* calibration) {
  const Value* const kind = fields.take("kind");
  if (kind && (kind->kind != Kind::kString || kind->text != "piecewise_linear")) {
    fields.refuse("kind", "\"piecewise_linear\"", kind);
  }
  const auto adder = [](std::pmr::vector<double>* to) {
    return [to](double number) {
      if (to->size() <= kMaxKnots) to->push_back(number);
    };
  };
  std::pmr::vector<double>&raw = calibration->raw, &mos = calibration->mos;
  fields.numbers("raw", -Fields::kInfinity, Fields::kInfinity, adder(&raw));
  fields.numbers("mos", kMosMin, kMosMax, adder(&mos));
  fields.done();
  // MOS knots are within the scale already.
  if (raw.size() != mos.size() || raw.size() < 2 || raw.size() > kMaxKnots ||
      std::adjacent_find(raw.begin(), raw.end(), std::greater_equal<>()) != raw.end() ||
      std::adjacent_find(mos.begin(), mos.end(), std::greater<>()) != mos.end()) {
    fields.refuse("raw", "a rising curve of 2 to 1024 knots", nullptr);
  }
}

void parse_interval(Fields fields, Calibration* calibration) {
  calibration->coverage = fields.number("coverage");
  calibration->quantile = fields.number("quantile");
  calibration->floor = fields.number("floor");
  const bool capped = fields.has("spread_cap");
  calibration->spread_cap = capped ? fields.number("spread_cap") : 0;
  fields.done();
  if (!(calibration->coverage > 0 && calibration->coverage < 1 && calibration->quantile >= 0 &&
        calibration->floor >= 0 && (!capped || calibration->spread_cap > 0))) {
    fields.refuse("coverage", "a conformal interval", nullptr);
  }
}

void parse_encodings(Fields* top, Bundle* bundle) {
  Fields encodings = top->inner("encodings");
  encodings.members([&](std::string_view name, Fields item) {
    if (name != "cpu" && name != "trt") return encodings.refuse(name, "one of cpu, trt", nullptr);
    EncodingEntry& entry = name == "cpu" ? bundle->cpu : bundle->trt;
    entry.file = parse_listed(&item, *bundle);
    entry.quantisation = item.text("quantisation");
    parse_curve(item.inner("curve"), &entry.calibration);
    parse_interval(item.inner("interval"), &entry.calibration);
    item.done();
    entry.present = true;
  });
  if (!bundle->cpu.present && !bundle->trt.present) {
    top->refuse("encodings", "at least one of cpu, trt", nullptr);
  }
}

// What the runtime has no use for, but what must be as the schema says.
void parse_rest(Fields* top) {
  Fields training = top->inner("training");
  const Value* const figures = training.take("figures");
  if (figures && figures->kind != Kind::kObject) training.refuse("figures", "an object", figures);
  training.list("data");
  training.text("commit");
  training.done();
  top->inners("licences", [](Fields licence) {
    licence.text("what");
    licence.text("licence");
    licence.done();
  });
}

}  // namespace

size_t find_file(const Bundle& bundle, std::string_view name) {
  const auto found = std::find_if(bundle.files.begin(), bundle.files.end(),
                                  [name](const FileEntry& file) { return file.path == name; });
  return static_cast<size_t>(found - bundle.files.begin());
}

std::string_view parse_listed(Fields* fields, const Bundle& bundle) {
  const std::string_view name = fields->text("file");
  if (fields->reading().code) return {};
  if (!is_plain_path(name)) {
    fields->reading().refuse(LEAF_E_BUNDLE_PATH, "unsafe file name '%s'", Shown(name).text);
  } else if (find_file(bundle, name) == bundle.files.size()) {
    fields->refuse("file", "a file that `files` lists", nullptr);
  }
  return name;
}

int parse_manifest(Bundle& bundle, std::string_view text, const KeyPolicy& keys) {
  if (keys.require_signature > 0 && keys.keys == 0) {
    return fail(-EINVAL, "a signature can be required only with the public key that it is from");
  }
  if (text.size() > kMaxManifestBytes) {
    return fail(LEAF_E_BUNDLE_SIZE, "%s has %zu bytes; expected at most %" PRIu64 " bytes",
                kManifestName.data(), text.size(), kMaxManifestBytes);
  }
  json::Document document(bundle.files.get_allocator().resource());
  if (const char* const wrong = document.parse(text)) {
    return fail(LEAF_E_BUNDLE_MANIFEST, "the manifest is not valid JSON (%s)", wrong);
  }
  Reading reading(document);
  Fields top(&reading, &document[0]);
  parse_versions(&top, &bundle);
  bundle.name = top.match("name", is_name, "lower-case letters, digits and ._- (64 at most)");
  bundle.version = top.text("version");
  parse_input(&top);
  parse_faults(&top);
  parse_files(&top, &bundle);
  bundle.reason_threshold = top.number("reason_threshold", 0, 1);
  parse_encodings(&top, &bundle);
  bool scored_alike = true;
  top.inners("golden", [&](Fields item) { parse_golden(item, &bundle, &scored_alike); });
  Fields tolerance = top.inner("golden_tolerance");
  bundle.golden_mos_tolerance = tolerance.number("mos", 0, kMosMax - kMosMin);
  bundle.golden_fault_tolerance = tolerance.number("faults", 0, 1);
  tolerance.done();
  parse_rest(&top);
  parse_acceptance(&top, bundle.schema, &bundle);
  parse_engines(&top, bundle.schema, &bundle);
  Signature signature;
  parse_signature(&top, bundle.schema, text, &signature);
  top.done();
  if (!scored_alike) top.refuse("golden", "scores for each encoding and no other", nullptr);
  if (reading.code) return reading.code;
  return verify_signature(&bundle, signature, keys);
}

const std::pmr::vector<uint8_t>* Bundle::file(std::string_view path) const {
  const size_t found = find_file(*this, path);
  return found == files.size() ? nullptr : &files[found].bytes;
}

}  // namespace leaf
