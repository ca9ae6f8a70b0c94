#include "common/errors.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>

#include "common/text.h"
#include "leaf_edge/leaf.h"
#include "readers/byte_stream.h"
#include "readers/source.h"

namespace leaf_tools {
namespace {

const char* tool = "";

std::string describe(int code) {
  const char* message = leaf_last_message();
  std::string text = *message ? message : leaf_error_name(code);
  // A refusal has a name to look up; misuse speaks for itself.
  if (code <= LEAF_E_BUNDLE_NOT_FOUND) text = std::string(leaf_error_name(code)) + ": " + text;
  const char* remedy = leaf_error_remedy(code);
  return *remedy ? text + "; " + remedy : text;
}

int exit_of(int code) {
  if (code == -EINVAL || code == -ENOTSUP) return kUsage;
  if (code <= LEAF_E_DEVICE_NO_DRIVER && code > LEAF_E_DEVICE_NO_DRIVER - 10) return kDevice;
  return code <= LEAF_E_BUNDLE_NOT_FOUND ? kBundle : kInternal;
}

// The number of a standard stream that came closed would go to the next file that is opened, and
// what is meant for people would be written into it. What takes its place here fails where it is
// used, as the closed one would.
void hold_standard_streams() {
  for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; ++stream) {
    if (fcntl(stream, F_GETFD) >= 0 || errno != EBADF) continue;
    // Numbers below are taken: the lowest free one, which open() gives, is this.
    if (open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0) return;
  }
}

// What was printed arrived, or the run failed.
void finish_printing() {
  if (fflush(stdout) == 0 && !ferror(stdout)) return;
  if (errno == EPIPE) throw PipeClosed();
  throw OutputError(std::string("standard output: cannot be written: ") + strerror(errno));
}

}  // namespace

LibraryError::LibraryError(int code) : runtime_error(describe(code)), exit_code_(exit_of(code)) {}

const char* exit_meaning(int code) {
  switch (code) {
    case kOk:
      return "done, every input was used";
    case kInternal:
      return "unexpected failure";
    case kUsage:
      return "wrong options or arguments";
    case kSkipped:
      return "done, but some inputs could not be read and were skipped";
    case kInput:
      return "an input could not be read, or none was left to use";
    case kBundle:
      return "the model bundle was refused";
    case kOutput:
      return "the output could not be written";
    case kDevice:
      return "no library, driver or device here that can do this";
    case kInterrupted:
      return "interrupted (Ctrl-C, SIGTERM)";
    case kPipe:
      return "the reader of the output went away";
    default:
      return "";
  }
}

void say(const std::string& text) { fprintf(stderr, "%s: %s\n", tool, printable(text).c_str()); }

int run_tool(const char* name, int (*body)(int argc, char** argv), int argc, char** argv) {
  tool = name;
  hold_standard_streams();
  catch_signals();
  try {
    const int code = body(argc, argv);
    finish_printing();
    return code;
  } catch (const UsageError& error) {
    say(error.what());
    fprintf(stderr, "%s --help shows the options\n", name);
    return kUsage;
  } catch (const LibraryError& error) {
    say(error.what());
    return error.exit_code();
  } catch (const SourceError& error) {
    say(error.what());
    return kInput;
  } catch (const InputError& error) {
    say(error.what());
    return kInput;
  } catch (const OutputError& error) {
    say(error.what());
    return kOutput;
  } catch (const PipeClosed&) {
    return kPipe;
  } catch (const Interrupted&) {
    say("interrupted");
    return kInterrupted;
  } catch (const std::bad_alloc&) {
    say("no memory is left");
    return kInternal;
  } catch (const std::exception& error) {
    say(std::string("unexpected failure: ") + error.what());
    return kInternal;
  }
}

}  // namespace leaf_tools
