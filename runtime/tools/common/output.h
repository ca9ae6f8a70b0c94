// Where rows go: standard output, or a file that appears whole.
#pragma once

#include <string>

namespace leaf_tools {

// Written as FILE.part, which gets its name with finish(); without it nothing is left, and a file
// that was there stays. A link is followed; a pipe or device is written as it is. `-`: standard
// output. Each write goes out at once. Throws OutputError, PipeClosed.
class Output {
 public:
  explicit Output(const std::string& name);
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void write(const std::string& text);
  void finish();

 private:
  [[noreturn]] void fail(int error) const;

  std::string name_, target_, part_;  // part_ is empty where there is none
  int descriptor_ = -1;
};

}  // namespace leaf_tools
