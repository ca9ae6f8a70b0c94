#include "engines/engine_fit.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <tuple>

#include "bundle/sha256.h"
#include "error.h"

namespace leaf {
namespace {

constexpr char kVersionCompatible[] = "version_compatible";
constexpr char kAmperePlus[] = "ampere_plus";
constexpr std::string_view kDla = "dla=";

// Why an engine cannot run here.
struct Misfit {
  int code = 0;  // 0: it fits
  char text[720] = "";
};

bool has_flag(const EngineEntry& entry, const char* flag) {
  return std::find(entry.flags.begin(), entry.flags.end(), flag) != entry.flags.end();
}

int dla_core(const EngineEntry& entry) {
  for (const auto& flag : entry.flags) {
    if (flag.compare(0, kDla.size(), kDla) != 0) continue;
    const std::string_view core = std::string_view(flag).substr(kDla.size());
    const bool digits = !core.empty() && core.size() < 4 &&
                        core.find_first_not_of("0123456789") == std::string_view::npos;
    return digits ? std::atoi(core.data()) : -1;
  }
  return -1;
}

bool exact_device(const EngineEntry& entry, const char* sm) { return entry.sm == sm; }

// Whether a version-compatible plan runs on another version: the same major version or newer within
// it, and from 10 to 11. Source: TensorRT 11.4 support matrix, engine portability.
bool reaches(const TensorrtVersion& built, const TensorrtVersion& runs) {
  return !(runs < built) && (runs.major == built.major || (built.major == 10 && runs.major == 11));
}

// Which library runs the engine, as far as versions tell; -1: none.
int library_for(const EngineEntry& entry, const TensorrtFound* found, const bool* usable,
                int count) {
  TensorrtVersion built;
  if (!parse_version(entry.tensorrt, &built)) return -1;
  const bool compatible = has_flag(entry, kVersionCompatible);
  for (const TensorrtKind kind :
       {TensorrtKind::kFull, TensorrtKind::kDispatch, TensorrtKind::kLean}) {
    for (int n = 0; n < count; ++n) {
      if (!usable[n] || found[n].kind != kind) continue;
      const TensorrtVersion& runs = found[n].version;
      if (runs == built && (kind == TensorrtKind::kFull || compatible)) return n;
      if (compatible && kind != TensorrtKind::kLean && reaches(built, runs)) return n;
    }
  }
  return -1;
}

void explain_version(Misfit* misfit, const EngineEntry& entry, const TensorrtFound* found,
                     const bool* usable, int count) {
  char there[3 * LEAF_TEXT_SIZE] = "";
  for (int n = 0; n < count; ++n) {
    if (!usable[n]) continue;
    const size_t used = strlen(there);
    snprintf(there + used, sizeof there - used, "%s%s", used ? ", " : "", found[n].label);
  }
  TensorrtVersion built;
  parse_version(entry.tensorrt, &built);
  snprintf(misfit->text, sizeof misfit->text,
           "%.200s needs TensorRT %d.%d.%d%s; this machine has %s", entry.file.c_str(), built.major,
           built.minor, built.patch,
           has_flag(entry, kVersionCompatible) ? " or a later one that runs its plans" : "", there);
}

// System, then compute capability, then TensorRT.
Misfit compare(const EngineEntry& entry, std::string_view system, const cuda::DeviceInfo& device,
               const char* sm, const TensorrtFound* found, const bool* usable, int count,
               int* library) {
  Misfit misfit;
  const char* file = entry.file.c_str();
  const bool wide = has_flag(entry, kAmperePlus);
  if (entry.os != system) {
    misfit.code = LEAF_E_ENGINE_OS;
    snprintf(misfit.text, sizeof misfit.text, "%.200s is for %.60s; this system is %.*s", file,
             entry.os.c_str(), static_cast<int>(system.size()), system.data());
  } else if (!exact_device(entry, sm) && !(wide && device.major >= 8)) {
    misfit.code = LEAF_E_ENGINE_SM;
    snprintf(misfit.text, sizeof misfit.text, "%.200s is for %.40s; the device (%s) is %s", file,
             wide ? "Ampere or later" : entry.sm.c_str(), device.name, sm);
  } else if ((*library = library_for(entry, found, usable, count)) < 0) {
    misfit.code = LEAF_E_ENGINE_TRT_VERSION;
    explain_version(&misfit, entry, found, usable, count);
  }
  return misfit;
}

// How far an engine came that does not fit.
int progress(int code) { return code == LEAF_E_ENGINE_OS ? 0 : code == LEAF_E_ENGINE_SM ? 1 : 2; }

// The least is preferred.
auto rank(const EngineEntry& entry, const char* sm) {
  return std::make_tuple(has_flag(entry, kVersionCompatible),
                         !exact_device(entry, sm) || has_flag(entry, kAmperePlus),
                         dla_core(entry) >= 0, std::string_view(entry.file));
}

// Which libraries the driver is new enough for. A TensorRT on a driver that is too old behaves as
// with none.
int find_usable(bool* usable, const cuda::Machine& machine, const TensorrtFound* found, int count,
                const char* library_reason) {
  char reasons[800] = "";
  bool any = false;
  for (int n = 0; n < count; ++n) {
    usable[n] = !found[n].cuda_major || machine.cuda_major >= found[n].cuda_major;
    any = any || usable[n];
    if (usable[n]) continue;
    const size_t used = strlen(reasons);
    snprintf(reasons + used, sizeof reasons - used,
             "%s%s needs a driver for CUDA %d; this one runs CUDA %d.%d", used ? "; " : "",
             found[n].label, found[n].cuda_major, machine.cuda_major, machine.cuda_minor);
  }
  if (any) return 0;
  return fail(LEAF_E_DEVICE_NO_TENSORRT, "%s", reasons[0] ? reasons : library_reason);
}

}  // namespace

bool operator==(const TensorrtVersion& a, const TensorrtVersion& b) {
  return a.major == b.major && a.minor == b.minor && a.patch == b.patch;
}

bool operator<(const TensorrtVersion& a, const TensorrtVersion& b) {
  return std::tie(a.major, a.minor, a.patch) < std::tie(b.major, b.minor, b.patch);
}

bool parse_version(std::string_view text, TensorrtVersion* version) {
  int* const part[] = {&version->major, &version->minor, &version->patch};
  constexpr size_t kDigits[] = {4, 4, 6};
  *version = {};
  size_t at = 0;
  for (int n = 0; n < 3; ++n) {
    if (n > 0) {
      if (at >= text.size() || text[at] != '.') return n == 2;
      ++at;
    }
    size_t digits = 0;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, ++digits) {
      if (digits == kDigits[n]) return false;
      *part[n] = *part[n] * 10 + (text[at] - '0');
    }
    if (!digits) return n == 2;
  }
  return true;
}

const char* system_name() {
#if defined(__x86_64__)
  return "linux-x86_64";
#elif defined(__aarch64__)
  return "linux-aarch64";
#else
  return "linux-other";
#endif
}

int find_fit(EngineFit* fit, const std::pmr::vector<EngineEntry>& entries,
             const cuda::Machine& machine, const TensorrtFound* found, int count,
             const char* library_reason, std::string_view system, int device) {
  if (!machine.driver) return fail(LEAF_E_DEVICE_NO_DRIVER, "%s", machine.reason);
  if (device < 0 || device >= machine.devices) {
    return fail(LEAF_E_DEVICE_NO_DRIVER, "no CUDA device %d: the driver has %d", device,
                machine.devices);
  }
  bool usable[kTensorrtKinds];
  count = std::min(count, kTensorrtKinds);
  if (const int error = find_usable(usable, machine, found, count, library_reason)) return error;
  if (entries.empty()) return fail(LEAF_E_ENGINE_NONE, "the bundle has no TensorRT engine");

  const cuda::DeviceInfo& here = machine.device[device];
  char sm[32];
  snprintf(sm, sizeof sm, "sm%d%d", here.major, here.minor);
  *fit = {};
  Misfit furthest;
  for (const EngineEntry& entry : entries) {
    int library = -1;
    const Misfit misfit = compare(entry, system, here, sm, found, usable, count, &library);
    if (misfit.code) {
      if (!furthest.code || progress(misfit.code) > progress(furthest.code)) furthest = misfit;
    } else if (!fit->entry || rank(entry, sm) < rank(*fit->entry, sm)) {
      *fit = {&entry, library, has_flag(entry, kVersionCompatible), dla_core(entry)};
    }
  }
  return fit->entry ? 0 : fail(furthest.code, "%s", furthest.text);
}

int take_plan(const std::pmr::vector<uint8_t>** plan, const Bundle& bundle, const EngineFit& fit) {
  const auto& path = fit.entry->file;
  const auto is_it = [&](const FileEntry& file) { return file.path == path; };
  const auto file = std::find_if(bundle.files.begin(), bundle.files.end(), is_it);
  if (file == bundle.files.end()) {
    return fail(LEAF_E_ENGINE_NONE, "no engine %.200s", path.c_str());
  }
  uint8_t hash[32];
  sha256(file->bytes.data(), file->bytes.size(), hash);
  if (file->bytes.size() != file->size || memcmp(hash, file->sha256, sizeof hash) != 0) {
    return fail(LEAF_E_ENGINE_HASH, "%.200s is not what the manifest states", path.c_str());
  }
  if (fit.host_code && bundle.key_id.empty()) {
    return fail(LEAF_E_ENGINE_UNVERIFIED, "%.200s holds code, and no signature was verified",
                path.c_str());
  }
  *plan = &file->bytes;
  return 0;
}

}  // namespace leaf
