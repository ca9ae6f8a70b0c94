# Tests of the CUDA kernels and the TensorRT engine over a driver whose device is the processor.
target_sources(checkviews PRIVATE checkviews_cuda.cpp checkviews_arrays.cpp checkviews_device.cpp)
if(LEAF_HAS_CUDA)
  # One that any device compiles when it loads it: what it measures is memory, not code.
  set(fatbin ${CMAKE_CURRENT_BINARY_DIR}/bench.fatbin)
  set(source ${CMAKE_CURRENT_SOURCE_DIR}/../cuda/bench.cu)
  add_custom_command(OUTPUT ${fatbin}
    COMMAND ${CMAKE_CUDA_COMPILER} -std=c++17 -O3 -fatbin -gencode=arch=compute_75,code=compute_75 -o ${fatbin} ${source}
    DEPENDS ${source} VERBATIM)
  target_sources(checkviews PRIVATE checkviews_bench.cpp)
  set_source_files_properties(checkviews_cuda.cpp checkviews_bench.cpp PROPERTIES
    COMPILE_DEFINITIONS "LEAF_BENCH_FATBIN=\"${fatbin}\"" OBJECT_DEPENDS ${fatbin})
endif()

# libcuda.so.1 and libnvinfer.so.N of the tests, in a folder of their own.
set(host ${CMAKE_CURRENT_BINARY_DIR}/cuda_host)
function(leaf_host_library target name version)
  add_library(${target} SHARED ${ARGN})
  set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name} SUFFIX .so.${version}
    LIBRARY_OUTPUT_DIRECTORY ${host} CXX_VISIBILITY_PRESET default)
endfunction()
leaf_host_library(cuda_host_driver cuda 1 cuda_host_driver.cpp)
if(NOT CMAKE_CROSSCOMPILING)  # an emulator looks for libraries elsewhere
  add_test(NAME checkviews_cuda COMMAND checkviews 132 5 16)
  set_tests_properties(checkviews_cuda PROPERTIES ENVIRONMENT LD_LIBRARY_PATH=${host})
endif()

add_executable(tensorrt_fit_pipe tensorrt_fit_pipe.cpp)
target_link_libraries(tensorrt_fit_pipe PRIVATE leaf_core)
target_include_directories(tensorrt_fit_pipe PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/../src)
target_compile_options(tensorrt_fit_pipe PRIVATE -Wall -Wextra)

# A bundle on a machine with no driver, and on one with a driver: it has no engine for that.
add_executable(tensorrt_refused_test tensorrt_refused_test.c)
target_link_libraries(tensorrt_refused_test PRIVATE leaf_core)
set_target_properties(tensorrt_refused_test PROPERTIES LINKER_LANGUAGE CXX)
add_test(NAME tensorrt_no_driver COMMAND tensorrt_refused_test ${PROJECT_SOURCE_DIR}/leaf_edge/models/leaf-s.leaf
  $<IF:$<BOOL:${LEAF_NVINFER_DIR}>,LEAF_E_DEVICE_NO_DRIVER,LEAF_E_DEVICE_NO_TENSORRT>)
set_tests_properties(tensorrt_no_driver PROPERTIES SKIP_RETURN_CODE 77)

if(LEAF_NVINFER_DIR)
  add_test(NAME tensorrt_no_engine COMMAND tensorrt_refused_test
    ${PROJECT_SOURCE_DIR}/leaf_edge/models/leaf-s.leaf LEAF_E_ENGINE_NONE)
  set_tests_properties(tensorrt_no_engine PROPERTIES ENVIRONMENT LD_LIBRARY_PATH=${host})
  leaf_test(tensorrt_test)
  set_tests_properties(tensorrt PROPERTIES ENVIRONMENT LD_LIBRARY_PATH=${host} SKIP_RETURN_CODE 77)
  file(STRINGS ${LEAF_NVINFER_DIR}/NvInferVersion.h major REGEX "define (NV_TENSORRT|TRT)_MAJOR(_ENTERPRISE)? +[0-9]+")
  string(REGEX MATCH "[0-9]+" major "${major}")
  leaf_host_library(tensorrt_stub nvinfer ${major} tensorrt_stub.cpp)
  target_include_directories(tensorrt_stub SYSTEM PRIVATE ${LEAF_NVINFER_DIR} ${LEAF_CUDART_DIR})
  target_compile_options(tensorrt_stub PRIVATE -w)
  target_link_libraries(tensorrt_stub PRIVATE ${CMAKE_DL_LIBS})
endif()

find_path(LEAF_CUDAEGL_DIR cudaEGL.h PATHS /usr/local/cuda/include NO_CMAKE_FIND_ROOT_PATH)
find_path(LEAF_EGL_DIR EGL/egl.h)
if(LEAF_CUDAEGL_DIR AND LEAF_EGL_DIR)
  add_executable(cuda_egl_test cuda_egl_test.c)
  target_include_directories(cuda_egl_test SYSTEM PRIVATE ${LEAF_CUDAEGL_DIR} ${LEAF_EGL_DIR})
  target_link_libraries(cuda_egl_test PRIVATE leaf_core)
  target_compile_options(cuda_egl_test PRIVATE -Wall -Wextra)
  set_target_properties(cuda_egl_test PROPERTIES LINKER_LANGUAGE CXX)
  add_test(NAME cuda_egl COMMAND cuda_egl_test)
endif()
