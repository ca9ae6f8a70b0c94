# The CUDA kernels of the two views, as one file with code for every architecture that this nvcc knows among
# those below, and PTX for what comes later: LEAF_FATBIN. Included where the library is made, which carries it.
# Code of an architecture runs on later ones of its major version, but not between Jetson and others.
set(LEAF_FATBIN_ARCHITECTURES 75 80 87 88 90 100 110 120 121)
execute_process(COMMAND ${CMAKE_CUDA_COMPILER} --list-gpu-code
                OUTPUT_VARIABLE LEAF_NVCC_ARCHITECTURES COMMAND_ERROR_IS_FATAL ANY)
set(LEAF_GENCODE)
set(LEAF_NEWEST)
foreach(architecture IN LISTS LEAF_FATBIN_ARCHITECTURES)
  if(LEAF_NVCC_ARCHITECTURES MATCHES "sm_${architecture}[^0-9a-z]")
    list(APPEND LEAF_GENCODE "-gencode=arch=compute_${architecture},code=sm_${architecture}")
    set(LEAF_NEWEST ${architecture})
  endif()
endforeach()
# PTX of the oldest runs on whatever has no code of its own.
list(APPEND LEAF_GENCODE "-gencode=arch=compute_75,code=compute_75")
if(NOT LEAF_NEWEST)
  message(FATAL_ERROR "${CMAKE_CUDA_COMPILER} compiles for none of: ${LEAF_FATBIN_ARCHITECTURES}")
endif()

set(LEAF_CUDA_DIR ${CMAKE_CURRENT_LIST_DIR})
set(LEAF_FATBIN ${CMAKE_BINARY_DIR}/views.fatbin)
add_custom_command(
  OUTPUT ${LEAF_FATBIN}
  COMMAND ${CMAKE_CUDA_COMPILER} -std=c++17 -O3 -fatbin --threads 0 -Xfatbin -compress-all ${LEAF_GENCODE}
          -o ${LEAF_FATBIN} ${LEAF_CUDA_DIR}/views.cu
  DEPENDS ${LEAF_CUDA_DIR}/views.cu ${LEAF_CUDA_DIR}/views_output.h
          ${LEAF_CUDA_DIR}/views_sums.h ${LEAF_CUDA_DIR}/views_device.h ${LEAF_CUDA_DIR}/views_frame.h
  COMMENT "Compiling the CUDA kernels of the views up to sm_${LEAF_NEWEST}"
  VERBATIM)
add_custom_target(leaf_fatbin ALL DEPENDS ${LEAF_FATBIN})
add_dependencies(leaf_core leaf_fatbin)
