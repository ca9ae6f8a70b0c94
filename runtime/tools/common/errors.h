// Ends of a tool: the exit codes of leaf_edge/cli/exit_codes.py, and the errors that lead to them.
#pragma once

#include <stdexcept>
#include <string>

namespace leaf_tools {

enum ExitCode {
  kOk = 0,
  kInternal = 1,
  kUsage = 2,
  kSkipped = 3,
  kInput = 4,
  kBundle = 5,
  kOutput = 8,
  kDevice = 9,
  kInterrupted = 130,
  kPipe = 141
};

// What an exit code means, for help texts.
const char* exit_meaning(int code);

class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class OutputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// An input cannot be used; the text names it.
class InputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The reader of standard output went away.
class PipeClosed : public std::exception {};

// A call of the library failed: its message, name and remedy, and the exit code that they lead to.
class LibraryError : public std::runtime_error {
 public:
  explicit LibraryError(int code);
  int exit_code() const { return exit_code_; }

 private:
  int exit_code_;
};

// Runs `body`, turning every exception into a line on standard error and an exit code.
int run_tool(const char* name, int (*body)(int argc, char** argv), int argc, char** argv);

// "NAME: text" on standard error, a line whatever file names are in it.
void say(const std::string& text);

}  // namespace leaf_tools
