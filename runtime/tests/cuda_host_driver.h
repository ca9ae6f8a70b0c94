// What the tests ask of the CUDA driver whose device is the processor (cuda_host_driver.cpp), by
// name, from the library that was loaded.
#pragma once

namespace leaf_test {

enum HostCount {
  kLiveBytes,    // of device and pinned memory that are allocated
  kLiveObjects,  // contexts, streams, events, modules, graphs, surfaces
  kKernels,      // views kernels that ran
  kCaptures,
  kReplays,
  kUploads,       // copies to the device
  kBadAddresses,  // memory that a kernel or copy may not touch, and violations of the kernel's code
  kAllocations,   // calls that allocate anything
  kHostCounts
};

}  // namespace leaf_test
