#include "common/output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "common/errors.h"

namespace leaf_tools {

Output::Output(const std::string& name) : name_(name), target_(name) {
  if (name == "-") {
    descriptor_ = STDOUT_FILENO;
    return;
  }
  struct stat status;
  const bool there = stat(name.c_str(), &status) == 0;
  if (there && S_ISDIR(status.st_mode)) {
    throw OutputError(name + ": cannot be written: it is a folder");
  }
  if (there && !S_ISREG(status.st_mode)) {
    descriptor_ = open(name.c_str(), O_WRONLY | O_CLOEXEC);
  } else {
    if (there) {
      if (char* real = realpath(name.c_str(), nullptr)) {
        target_ = real;
        free(real);
      }
    }
    part_ = target_ + ".part";
    descriptor_ = open(part_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  }
  if (descriptor_ < 0) {
    const int error = errno;
    part_.clear();  // not ours to remove
    fail(error);
  }
}

Output::~Output() {
  if (descriptor_ >= 0 && descriptor_ != STDOUT_FILENO) close(descriptor_);
  if (!part_.empty()) unlink(part_.c_str());
}

void Output::fail(int error) const {
  if (error == EPIPE) throw PipeClosed();
  throw OutputError((name_ == "-" ? std::string("standard output") : name_) +
                    ": cannot be written: " + strerror(error));
}

void Output::write(const std::string& text) {
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::write(descriptor_, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(errno);
    done += static_cast<size_t>(count);
  }
}

void Output::finish() {
  if (name_ == "-") return;
  const int closed = close(descriptor_);
  descriptor_ = -1;
  if (closed != 0) fail(errno);
  if (part_.empty()) return;
  if (rename(part_.c_str(), target_.c_str()) != 0) fail(errno);
  part_.clear();
}

}  // namespace leaf_tools
