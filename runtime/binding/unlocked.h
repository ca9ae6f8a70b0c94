// The interpreter's lock, given back for work that does not need it.
#pragma once

#include <nanobind/nanobind.h>
#include <unistd.h>

namespace leaf_binding {

// Without the lock while it lives, as nb::gil_scoped_release, but for threads that outlive the
// interpreter (daemon threads). Before 3.14 Python ends such a thread in PyEval_RestoreThread by
// pthread_exit(), whose unwinding would meet frames that must not throw, and end the process. Here
// the thread sleeps until the process is gone, as 3.14 does it.
class Unlocked {
 public:
  Unlocked() : state_(PyEval_SaveThread()) {}
  ~Unlocked() {
    try {
      PyEval_RestoreThread(state_);
    } catch (...) {  // the unwinding of pthread_exit(), which must not come to an end here
      for (;;) pause();
    }
  }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  PyThreadState* state_;
};

}  // namespace leaf_binding
