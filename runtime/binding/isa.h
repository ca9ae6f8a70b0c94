// Names of instruction sets.
#pragma once

#include <nanobind/nanobind.h>

#include <string>

#include "leaf_edge/views.h"

namespace leaf_binding {

// enum leaf_isa of a name. Raises ValueError for an unknown one.
inline int isa_code(const std::string& name) {
  for (int isa = LEAF_ISA_AUTO; isa < LEAF_ISAS; ++isa) {
    if (name == leaf_isa_name(isa)) return isa;
  }
  throw nanobind::value_error(
      ("unknown instruction set '" + name + "'; expected auto, scalar, avx2, avx512 or neon")
          .c_str());
}

}  // namespace leaf_binding
