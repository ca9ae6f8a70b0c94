// The command line of checkviews.
#pragma once

namespace leaf_test {

struct CheckOptions {
  int frames = 300;  // cases of each set of kernels
  int seed = 1;
  int only = -1;               // this case alone; -1: all
  int format = -1;             // frames of this format alone; -1: all
  int isa = -1;                // these kernels alone, enum leaf_isa; -1: all
  bool cpu = true;             // check the processor's kernels
  bool cuda = true;            // check the device's
  bool bench = false;          // measure the processor's
  int scale = 1;               // the device is measured on frames this much smaller
  const char* json = nullptr;  // where the device's measurements go
};

// Returns -1 to go on, else the program's exit status: help was asked for, or something is wrong.
int parse_check_options(int argc, char** argv, CheckOptions* options);

// Lower-case name of a format; nullptr for another number.
const char* format_name(int format);

}  // namespace leaf_test
