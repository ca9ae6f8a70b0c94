#include "engines/cuda_driver.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdio>

#include "error.h"
#include "leaf_edge/leaf.h"

namespace leaf::cuda {
namespace {

constexpr char kLibrary[] = "libcuda.so.1";

struct Loaded {
  Driver driver;
  char reason[256] = "";

  Loaded() {
    void* library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      const char* error = dlerror();
      snprintf(reason, sizeof reason, "%s cannot be loaded (%.180s)", kLibrary,
               error ? error : "no reason was given");
      return;
    }
    // The library stays: unloading a driver that has run is not supported by it.
    const char* missing = nullptr;
#define LEAF_CUDA_LOAD(name, symbol, parameters)                                 \
  driver.name = reinterpret_cast<decltype(driver.name)>(dlsym(library, symbol)); \
  if (!driver.name && !missing) missing = symbol;
    LEAF_CUDA_CALLS(LEAF_CUDA_LOAD)
#undef LEAF_CUDA_LOAD
    if (missing) {
      snprintf(reason, sizeof reason, "%s is too old: it lacks %s; CUDA 11.4 or later is needed",
               kLibrary, missing);
    }
  }
};

}  // namespace

const Driver* load_driver(const char** reason) {
  static const Loaded loaded;
  *reason = loaded.reason;
  return loaded.reason[0] ? nullptr : &loaded.driver;
}

const char* error_name(const Driver& driver, int status) {
  const char* name = nullptr;
  if (driver.GetErrorName(status, &name) || !name) {
    thread_local char number[24];
    snprintf(number, sizeof number, "error %d", status);
    return number;
  }
  return name;
}

int check(const Driver& driver, int status, const char* call) {
  if (!status) return 0;
  return fail(LEAF_E_DEVICE_CUDA, "%s failed with %s", call, error_name(driver, status));
}

void probe(Machine* machine) {
  *machine = {};
  const char* reason;
  const Driver* driver = load_driver(&reason);
  if (!driver) {
    snprintf(machine->reason, sizeof machine->reason, "%s", reason);
    return;
  }
  const auto failed = [&](const char* call, int status) {
    if (status) {
      snprintf(machine->reason, sizeof machine->reason, "%s failed with %s", call,
               error_name(*driver, status));
    }
    return status != 0;
  };
  int version = 0;
  if (failed("cuInit", driver->Init(0))) return;
  if (failed("cuDriverGetVersion", driver->DriverGetVersion(&version))) return;
  if (failed("cuDeviceGetCount", driver->DeviceGetCount(&machine->devices))) return;
  if (machine->devices < 1) {
    snprintf(machine->reason, sizeof machine->reason,
             "the CUDA driver works but has no device (CUDA_VISIBLE_DEVICES may hide it)");
    return;
  }
  machine->devices = std::min(machine->devices, kMostDevices);
  for (int n = 0; n < machine->devices; ++n) {
    DeviceInfo& info = machine->device[n];
    Device device;
    int integrated = 0;
    if (failed("cuDeviceGet", driver->DeviceGet(&device, n)) ||
        failed("cuDeviceGetName",
               driver->DeviceGetName(info.name, static_cast<int>(sizeof info.name), device)) ||
        failed("cuDeviceGetAttribute",
               driver->DeviceGetAttribute(&info.major, kAttributeMajor, device)) ||
        failed("cuDeviceGetAttribute",
               driver->DeviceGetAttribute(&info.minor, kAttributeMinor, device)) ||
        failed("cuDeviceGetAttribute",
               driver->DeviceGetAttribute(&integrated, kAttributeIntegrated, device))) {
      return;
    }
    info.name[sizeof info.name - 1] = '\0';
    info.integrated = integrated != 0;
  }
  machine->cuda_major = version / 1000;
  machine->cuda_minor = version % 1000 / 10;
  machine->driver = driver;
}

}  // namespace leaf::cuda
