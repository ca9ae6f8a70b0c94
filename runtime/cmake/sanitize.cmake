# LEAF_SANITIZE and LEAF_FUZZ: builds that stop at the first error of memory, arithmetic or threads.
# Included by the top-level CMakeLists.txt, so that everything is compiled alike. docs/hardening.md
set(LEAF_SANITIZE OFF CACHE STRING
    "Sanitizers of the whole build: address, undefined, thread, address,undefined (or ON for these two), OFF")
set_property(CACHE LEAF_SANITIZE PROPERTY STRINGS OFF address undefined address,undefined thread)
option(LEAF_FUZZ "Build the fuzz targets, with libFuzzer where the compiler has it; implies LEAF_SANITIZE" OFF)

set(LEAF_SANITIZERS "${LEAF_SANITIZE}")
string(TOUPPER "${LEAF_SANITIZE}" LEAF_SANITIZE_UPPER)
if(LEAF_SANITIZE_UPPER MATCHES "^(ON|YES|TRUE|1)$" OR (LEAF_FUZZ AND NOT LEAF_SANITIZE))
  set(LEAF_SANITIZERS address,undefined)
elseif(LEAF_SANITIZE_UPPER MATCHES "^(OFF|NO|FALSE|0|)$")
  set(LEAF_SANITIZERS "")
elseif(NOT LEAF_SANITIZE MATCHES "^(address|undefined|thread|address,undefined|undefined,address)$")
  message(FATAL_ERROR "LEAF_SANITIZE is '${LEAF_SANITIZE}': give address, undefined, thread, "
                      "address,undefined (or ON for these two), or OFF")
endif()

if(LEAF_SANITIZERS)
  # fuzzing wants runs in number, the tests a build that is quickly made
  add_compile_options($<IF:$<BOOL:${LEAF_FUZZ}>,-O2,-O1> -g1 -fsanitize=${LEAF_SANITIZERS} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  # g++ takes the sanitizers' own checks for paths that the program has, and warns of what is on them
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-format-overflow> $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  add_link_options(-fsanitize=${LEAF_SANITIZERS})
  message(STATUS "LEAF-Edge: sanitizers ${LEAF_SANITIZERS}")
endif()

# libFuzzer comes with Clang's runtime, a package of its own: whether it is there, a small target shows.
set(LEAF_LIBFUZZER OFF)
if(LEAF_FUZZ AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  include(CheckCXXSourceCompiles)
  set(CMAKE_REQUIRED_FLAGS -fsanitize=fuzzer)
  check_cxx_source_compiles("#include <stddef.h>
#include <stdint.h>
extern \"C\" int LLVMFuzzerTestOneInput(const uint8_t*, size_t) { return 0; }" LEAF_HAS_LIBFUZZER)
  unset(CMAKE_REQUIRED_FLAGS)
  if(LEAF_HAS_LIBFUZZER)
    set(LEAF_LIBFUZZER ON)
    add_compile_options(-fsanitize=fuzzer-no-link)
  endif()
endif()
