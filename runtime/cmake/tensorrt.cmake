# The TensorRT engine, and what it and the tests share of CUDA. Included by src/engines.cmake.
#   LEAF_TENSORRT_INCLUDE_DIR  folder of NvInferRuntime.h; else the usual places are looked through. Its major
#                              version is the one that the library runs with: 10.3 to 10.x, or 11.x
# TensorRT and the CUDA driver are loaded when a context opens, so one binary serves machines with and without.
set(LEAF_TENSORRT_INCLUDE_DIR "" CACHE PATH "Folder of TensorRT's NvInferRuntime.h")
target_sources(leaf_core PRIVATE
  ${CMAKE_CURRENT_SOURCE_DIR}/src/engines/cuda_buffer.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/src/engines/cuda_driver.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/src/engines/cuda_fatbin.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/src/engines/cuda_frame.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/src/engines/engine_fit.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/src/engines/tensorrt_library.cpp)

if(LEAF_HAS_CUDA)
  include(${CMAKE_CURRENT_SOURCE_DIR}/cuda/fatbin.cmake)
  set_source_files_properties(src/engines/cuda_fatbin.cpp PROPERTIES
    COMPILE_DEFINITIONS "LEAF_FATBIN=\"${LEAF_FATBIN}\"" OBJECT_DEPENDS ${LEAF_FATBIN})
endif()

# The system's folders for headers, of this machine or of the one that is built for, and NVIDIA's.
if(LEAF_TENSORRT_INCLUDE_DIR)
  find_path(LEAF_NVINFER_DIR NvInferRuntime.h PATHS ${LEAF_TENSORRT_INCLUDE_DIR} NO_DEFAULT_PATH
            NO_CMAKE_FIND_ROOT_PATH)
  if(NOT LEAF_NVINFER_DIR)
    message(FATAL_ERROR "LEAF_TENSORRT_INCLUDE_DIR is ${LEAF_TENSORRT_INCLUDE_DIR}, which has no NvInferRuntime.h")
  endif()
else()
  find_path(LEAF_NVINFER_DIR NvInferRuntime.h PATHS /usr/local/tensorrt/include /usr/local/TensorRT/include
            $ENV{TENSORRT_ROOT}/include)
endif()
# TensorRT's headers name two types of the CUDA runtime; its header is the toolkit's, or ours with just those.
find_path(LEAF_CUDART_DIR cuda_runtime_api.h
          PATHS ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES} /usr/local/cuda/include NO_CMAKE_FIND_ROOT_PATH)
if(NOT LEAF_CUDART_DIR)
  set(LEAF_CUDART_DIR ${CMAKE_CURRENT_SOURCE_DIR}/src/engines/cuda_types)
endif()

if(LEAF_NVINFER_DIR)
  message(STATUS "LEAF-Edge: TensorRT on, headers in ${LEAF_NVINFER_DIR}")
  target_sources(leaf_core PRIVATE
    ${CMAKE_CURRENT_SOURCE_DIR}/src/engines/tensorrt_device.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/src/engines/tensorrt_engine.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/src/engines/tensorrt_frames.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/src/engines/tensorrt_open.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/src/engines/tensorrt_plan.cpp)
  set_source_files_properties(src/engines/tensorrt_plan.cpp PROPERTIES
    COMPILE_OPTIONS "-isystem${LEAF_NVINFER_DIR};-isystem${LEAF_CUDART_DIR}")
  if(LEAF_SANITIZERS)  # TensorRT's objects come from a library without type information
    set_property(SOURCE src/engines/tensorrt_plan.cpp APPEND PROPERTY COMPILE_OPTIONS -fno-sanitize=vptr)
  endif()
else()
  message(STATUS "LEAF-Edge: TensorRT off, NvInferRuntime.h was not found (LEAF_TENSORRT_INCLUDE_DIR)")
  target_sources(leaf_core PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/src/engines/tensorrt_none.cpp)
endif()
