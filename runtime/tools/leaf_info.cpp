// leaf-info: what is in a bundle, what this machine can run of it, and why not the rest.
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>

#include "common/arguments.h"
#include "common/errors.h"
#include "common/text.h"
#include "readers/image.h"
#include "score/pipeline.h"

namespace leaf_tools {
namespace {

constexpr const char* kHelp = R"(usage: leaf-info [options] [BUNDLE]

Shows what is in BUNDLE, a NAME.leaf folder or its tar, which engines can run it on this
machine and why not the others, and versions. Without BUNDLE: versions only.

  --engine NAME[,NAME...]  try these: cpu, cuda, tensorrt (default: all)
  --key FILE               public key of the bundle's maker (PEM): a bundle that is not signed
                           with it is refused
  --onnxruntime FILE       libonnxruntime.so (default: $LEAF_ONNXRUNTIME, else the system's)
  --tensorrt FILE          libnvinfer.so or libnvinfer_lean.so (default: $LEAF_TENSORRT, else
                           the system's)
  --device N               CUDA device (default: 0)
  --self-test              score the bundle's golden frames on every engine that runs
  --json                   one JSON object

  --help, --version

examples:
  leaf-info leaf-s.leaf
  leaf-info leaf-s.leaf --engine cpu --self-test --json

exit codes:
)";

// An engine that was tried.
struct Tried {
  int engine = 0, error = 0;
  std::string message;  // of the error
  leaf_info info = {};
  int self_test = 0;
  double worst = 0;  // difference in MOS of the golden frames; NaN: not tested
  std::string self_test_message;
};

struct Report {
  std::string bundle;
  std::vector<Tried> tried;

  const Tried* working() const {
    for (const Tried& item : tried) {
      if (!item.error) return &item;
    }
    return nullptr;
  }
  // The bundle itself is refused: every engine says the same.
  bool refused() const {
    return !tried.empty() && !working() && tried[0].error <= LEAF_E_BUNDLE_NOT_FOUND &&
           tried[0].error > LEAF_E_ENGINE_NONE && tried[0].error != LEAF_E_BUNDLE_ENCODING &&
           tried[0].error != LEAF_E_BUNDLE_MODEL;
  }
};

Tried try_engine(int engine, const std::string& bundle, leaf_settings settings, bool self_test) {
  Tried tried;
  tried.engine = engine;
  tried.worst = NAN;
  memset(settings.engines, 0, sizeof settings.engines);
  settings.engines[0] = engine;
  leaf_context* opened = nullptr;
  tried.error = leaf_open(&opened, bundle.c_str(), &settings);
  const ContextPtr context(opened);
  if (tried.error < 0) {
    tried.message = leaf_last_message();
    return tried;
  }
  leaf_get_info(context.get(), &tried.info);
  if (self_test) {
    tried.self_test = leaf_self_test(context.get(), &tried.worst);
    if (tried.self_test < 0) tried.self_test_message = leaf_last_message();
  }
  return tried;
}

std::string isa_list() {
  std::string list;
  for (int isa = LEAF_ISA_AUTO + 1; isa < LEAF_ISAS; ++isa) {
    if (leaf_isa_available(isa))
      list += (list.empty() ? "" : ", ") + std::string(leaf_isa_name(isa));
  }
  return list;
}

std::string interface_text() {
  const uint32_t version = leaf_api_version();
  return std::to_string(version >> 16) + "." + std::to_string(version & 0xffff);
}

void print_text(const Report& report) {
  printf("library    LEAF-Edge %s, interface %s\n", leaf_version(), interface_text().c_str());
  printf("processor  %s\n", isa_list().c_str());
  printf("images     %s\n", image_kinds());
  if (report.bundle.empty()) return;
  printf("bundle     %s\n", printable(report.bundle).c_str());
  if (const Tried* working = report.working()) {
    const leaf_info& info = working->info;
    printf("model      %s %s\n", info.model, info.version);
    printf("scale      %s, version %d\n", info.scale, info.scale_version);
    printf("interval   holds %.0f%% of the frames\n", info.coverage * 100);
    printf("reason     named from severity %.2f on\n", info.reason_threshold);
    printf("golden     %d frames\n", info.golden);
    printf("signature  %s\n", *info.key_id ? (std::string("verified, key ") + info.key_id).c_str()
                                           : "not checked (--key checks it)");
    if (info.not_accepted) puts("acceptance FAILED, and was written anyway");
  }
  if (report.refused()) {
    const Tried& first = report.tried[0];
    printf("refused    %s: %s\n           %s\n", leaf_error_name(first.error),
           first.message.c_str(), leaf_error_remedy(first.error));
    return;
  }
  for (const Tried& item : report.tried) {
    printf("%-10s ", leaf_engine_name(item.engine));
    if (item.error) {
      printf("no: %s: %s\n           %s\n", leaf_error_name(item.error), item.message.c_str(),
             leaf_error_remedy(item.error));
      continue;
    }
    printf("yes: %s, encoding %s\n", item.info.engine, item.info.encoding);
    if (item.self_test) {
      printf("           self-test FAILED: %s\n", item.self_test_message.c_str());
    } else if (!std::isnan(item.worst)) {
      printf("           self-test passed, within %.4f MOS\n", item.worst);
    }
  }
}

std::string engine_json(const Tried& item) {
  std::string text = std::string("{\"engine\": \"") + leaf_engine_name(item.engine) +
                     "\", \"runs\": " + (item.error ? "false" : "true");
  if (item.error) {
    return text + ", \"code\": " + json_text(leaf_error_name(item.error)) +
           ", \"message\": " + json_text(item.message) +
           ", \"remedy\": " + json_text(leaf_error_remedy(item.error)) + "}";
  }
  text += ", \"description\": " + json_text(item.info.engine) +
          ", \"encoding\": " + json_text(item.info.encoding) + ", \"self_test\": ";
  if (item.self_test) {
    text += "{\"passed\": false, \"message\": " + json_text(item.self_test_message) + "}";
  } else if (std::isnan(item.worst)) {
    text += "null";
  } else {
    text += "{\"passed\": true, \"worst_mos\": " + number_text(item.worst) + "}";
  }
  return text + "}";
}

std::string model_json(const leaf_info& info) {
  return "{\"model\": " + json_text(info.model) + ", \"version\": " + json_text(info.version) +
         ", \"schema\": " + std::to_string(info.schema) + ", \"scale\": " + json_text(info.scale) +
         ", \"scale_version\": " + std::to_string(info.scale_version) +
         ", \"coverage\": " + number_text(info.coverage) +
         ", \"reason_threshold\": " + number_text(info.reason_threshold) +
         ", \"golden\": " + std::to_string(info.golden) +
         ", \"key_id\": " + (*info.key_id ? json_text(info.key_id) : "null") +
         ", \"accepted\": " + (info.not_accepted ? "false" : "true") + "}";
}

void print_json(const Report& report) {
  std::string text = "{\"version\": " + json_text(leaf_version()) +
                     ", \"interface\": " + json_text(interface_text()) + ", \"isa\": [";
  bool first = true;
  for (int isa = LEAF_ISA_AUTO + 1; isa < LEAF_ISAS; ++isa) {
    if (!leaf_isa_available(isa)) continue;
    text += (first ? "" : ", ") + json_text(leaf_isa_name(isa));
    first = false;
  }
  text += "], \"images\": [";
  first = true;
  for (const std::string& kind : split(image_kinds(), ',')) {
    text += (first ? "" : ", ") + json_text(lower(kind));
    first = false;
  }
  text += "]";
  if (!report.bundle.empty()) {
    const Tried* working = report.working();
    text += ", \"bundle\": " + json_text(report.bundle) +
            ", \"contents\": " + (working ? model_json(working->info) : "null") +
            ", \"engines\": [";
    for (size_t at = 0; at < report.tried.size(); ++at) {
      text += (at ? ", " : "") + engine_json(report.tried[at]);
    }
    text += "]";
  }
  printf("%s}\n", text.c_str());
}

int exit_of(const Report& report) {
  for (const Tried& item : report.tried) {
    if (item.self_test) return kBundle;
  }
  if (report.tried.empty() || report.working()) return kOk;
  for (const Tried& item : report.tried) {
    if (item.error == -EINVAL) return kUsage;
  }
  return report.tried[0].error > LEAF_E_DEVICE_NO_DRIVER ? kBundle : kDevice;
}

int run(int argc, char** argv) {
  const Arguments arguments(argc, argv,
                            {{"--help", false},
                             {"--version", false},
                             {"--engine", true},
                             {"--key", true},
                             {"--onnxruntime", true},
                             {"--tensorrt", true},
                             {"--device", true},
                             {"--self-test", false},
                             {"--json", false}});
  if (arguments.has("--help")) {
    fputs(kHelp, stdout);
    for (const int code : {kOk, kUsage, kBundle, kDevice}) {
      printf("  %3d  %s\n", code, code == kOk ? "at least one engine runs" : exit_meaning(code));
    }
    return kOk;
  }
  if (arguments.has("--version")) {
    printf("leaf-info %s, interface %s\n", leaf_version(), interface_text().c_str());
    return kOk;
  }
  if (arguments.names().size() > 1) throw UsageError("name one BUNDLE at most");
  Report report;
  leaf_settings settings;
  leaf_default_settings(&settings);
  memset(settings.engines, 0, sizeof settings.engines);
  for (int code = LEAF_ENGINE_NONE + 1; code < LEAF_ENGINES; ++code) {
    settings.engines[code - 1] = code;
  }
  if (const auto engines = arguments.text("--engine")) set_engines(*engines, &settings);
  settings.device = static_cast<int32_t>(arguments.whole("--device", 0, 1023, 0));
  Keys keys;
  if (const auto key = arguments.text("--key")) {
    keys = read_keys(*key);
    settings.keys = keys.count;
    settings.key = keys.bytes;
  }
  const auto onnxruntime = arguments.text("--onnxruntime"), tensorrt = arguments.text("--tensorrt");
  if (onnxruntime) settings.onnxruntime = onnxruntime->c_str();
  if (tensorrt) settings.tensorrt = tensorrt->c_str();
  if (!arguments.names().empty()) {
    report.bundle = arguments.names()[0];
    for (const int32_t code : settings.engines) {
      if (code == LEAF_ENGINE_NONE) break;
      report.tried.push_back(
          try_engine(code, report.bundle, settings, arguments.has("--self-test")));
    }
  }
  if (arguments.has("--json")) {
    print_json(report);
  } else {
    print_text(report);
  }
  return exit_of(report);
}

}  // namespace
}  // namespace leaf_tools

int main(int argc, char** argv) {
  return leaf_tools::run_tool("leaf-info", leaf_tools::run, argc, argv);
}
