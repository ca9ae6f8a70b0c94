// No exception leaves the library: what every public function that can fail runs its work in.
#pragma once

#include <cerrno>
#include <exception>
#include <new>

#include "error.h"

namespace leaf {

template <class Work>
int guard(Work&& work) noexcept {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return fail(-ENOMEM, "out of memory");
  } catch (const std::exception& error) {
    return fail(-EIO, "unexpected failure: %s", error.what());
  } catch (...) {
    return fail(-EIO, "unexpected failure");
  }
}

}  // namespace leaf
