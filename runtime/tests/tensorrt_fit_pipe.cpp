// The preflight's rules on machines that are described on standard input, for tests/runtime_c to
// compare with Python's. Lines of fields between tabs:
//   none REASON | driver CUDA_MAJOR CUDA_MINOR    device NAME MAJOR MINOR
//   library KIND VERSION CUDA_MAJOR LABEL         entry FILE TENSORRT SM OS FLAGS (between commas)
//   go SYSTEM DEVICE      answers CODE and sentence, or "fit FILE LABEL HOST_CODE DLA"; starts anew
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "engines/engine_fit.h"
#include "error.h"

namespace {

std::vector<std::string> split(const std::string& line, char at) {
  std::vector<std::string> parts(1);
  for (const char c : line) {
    if (c == at) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

}  // namespace

int main() {
  using namespace leaf;
  static const cuda::Driver driver;
  static cuda::Machine machine;
  TensorrtFound found[kTensorrtKinds];
  int count = 0;
  std::pmr::vector<EngineEntry> entries;
  std::string line;
  while (std::getline(std::cin, line)) {
    const std::vector<std::string> f = split(line, '\t');
    if (f[0] == "none") {
      snprintf(machine.reason, sizeof machine.reason, "%s", f[1].c_str());
    } else if (f[0] == "driver") {
      machine.driver = &driver;
      machine.cuda_major = std::stoi(f[1]);
      machine.cuda_minor = std::stoi(f[2]);
    } else if (f[0] == "device") {
      cuda::DeviceInfo& device = machine.device[machine.devices++];
      snprintf(device.name, sizeof device.name, "%s", f[1].c_str());
      device.major = std::stoi(f[2]);
      device.minor = std::stoi(f[3]);
    } else if (f[0] == "library") {
      TensorrtFound& library = found[count++];
      library.kind = f[1] == "full"       ? TensorrtKind::kFull
                     : f[1] == "dispatch" ? TensorrtKind::kDispatch
                                          : TensorrtKind::kLean;
      parse_version(f[2], &library.version);
      library.cuda_major = std::stoi(f[3]);
      snprintf(library.label, sizeof library.label, "%s", f[4].c_str());
    } else if (f[0] == "entry") {
      EngineEntry entry(std::pmr::get_default_resource());
      entry.file = f[1];
      entry.tensorrt = f[2];
      entry.sm = f[3];
      entry.os = f[4];
      for (const std::string& flag : split(f[5], ',')) {
        if (!flag.empty()) entry.flags.emplace_back(flag);
      }
      entries.push_back(entry);
    } else {
      EngineFit fit;
      const int code = find_fit(&fit, entries, machine, found, count,
                                "no TensorRT package is installed", f[1], std::stoi(f[2]));
      if (code) {
        printf("%s\t%s\n", leaf_error_name(code), last_message());
      } else {
        printf("fit\t%s\t%s\t%d\t%d\n", fit.entry->file.c_str(), found[fit.library].label,
               fit.host_code, fit.dla);
      }
      machine = {};
      count = 0;
      entries.clear();
    }
  }
  return 0;
}
