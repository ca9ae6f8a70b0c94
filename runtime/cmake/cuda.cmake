# Decides from LEAF_CUDA whether CUDA code is built; sets LEAF_HAS_CUDA. Included by the top-level
# CMakeLists.txt, where a language must be enabled.
#   AUTO  where nvcc is found and works. Two builds do not look for it: the Python wheel, which has no CUDA
#         code, and a cross build, where only the user can tell.
#   ON    or stop; OFF  never.
set(LEAF_CUDA AUTO CACHE STRING "Build the CUDA code: AUTO (where nvcc is found), ON or OFF")
set_property(CACHE LEAF_CUDA PROPERTY STRINGS AUTO ON OFF)

set(LEAF_HAS_CUDA OFF)
string(TOUPPER "${LEAF_CUDA}" LEAF_CUDA_WANTED)
if(LEAF_CUDA_WANTED STREQUAL "AUTO" AND (DEFINED SKBUILD OR CMAKE_CROSSCOMPILING))
  message(STATUS "LEAF-Edge: CUDA off, not looked for in this build (LEAF_CUDA=ON asks for it)")
elseif(LEAF_CUDA AND CMAKE_CROSSCOMPILING)
  # The kernels are files for the device, whatever processor is beside it: this machine's nvcc makes them, and
  # nothing of the CUDA runtime is linked.
  find_program(CMAKE_CUDA_COMPILER nvcc HINTS $ENV{CUDACXX} $ENV{CUDA_PATH}/bin /usr/local/cuda/bin)
  if(NOT CMAKE_CUDA_COMPILER)
    message(FATAL_ERROR "LEAF_CUDA is ${LEAF_CUDA}, but no nvcc was found: put this machine's on the PATH")
  endif()
  set(LEAF_HAS_CUDA ON)
  message(STATUS "LEAF-Edge: CUDA on, ${CMAKE_CUDA_COMPILER} for the device's code")
elseif(LEAF_CUDA_WANTED STREQUAL "AUTO" OR LEAF_CUDA)
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
      set(CMAKE_CUDA_ARCHITECTURES 87)  # Jetson Orin; state your own for another device
    endif()
    enable_language(CUDA)
    set(LEAF_HAS_CUDA ON)
    message(STATUS "LEAF-Edge: CUDA on, ${CMAKE_CUDA_COMPILER} for architecture ${CMAKE_CUDA_ARCHITECTURES}")
  elseif(LEAF_CUDA_WANTED STREQUAL "AUTO")
    message(STATUS "LEAF-Edge: CUDA off, no working nvcc found (set CUDACXX to one, or LEAF_CUDA=OFF)")
  else()
    message(FATAL_ERROR "LEAF_CUDA is ${LEAF_CUDA}, but no working nvcc was found: put it on the PATH, "
                        "set CUDACXX to it, or build without CUDA code: -DLEAF_CUDA=OFF")
  endif()
else()
  message(STATUS "LEAF-Edge: CUDA off (LEAF_CUDA=${LEAF_CUDA})")
endif()
