# Tests of the ONNX Runtime engine. Its header and its library are optional.
set(LEAF_ONNXRUNTIME_INCLUDE_DIR "" CACHE PATH "Folder of onnxruntime_c_api.h, to compare with what is declared here")
find_path(LEAF_ONNXRUNTIME_HEADER onnxruntime_c_api.h
  HINTS ${LEAF_ONNXRUNTIME_INCLUDE_DIR}
  PATH_SUFFIXES onnxruntime onnxruntime/core/session core/session)
leaf_test(onnxruntime_abi_test)
set_tests_properties(onnxruntime_abi PROPERTIES SKIP_RETURN_CODE 77)
if(LEAF_ONNXRUNTIME_HEADER)
  target_compile_definitions(onnxruntime_abi_test PRIVATE LEAF_HAS_ONNXRUNTIME_HEADER)
  target_include_directories(onnxruntime_abi_test SYSTEM PRIVATE ${LEAF_ONNXRUNTIME_HEADER})
  # The header's functions have attributes, which a type as a template argument loses.
  target_compile_options(onnxruntime_abi_test PRIVATE -Wno-ignored-attributes)
endif()

# The engine by itself, on the libonnxruntime of $LEAF_ONNXRUNTIME, of this checkout's .venv, or of the system.
add_executable(onnxruntime_test onnxruntime_test.cpp)
target_link_libraries(onnxruntime_test PRIVATE leaf_core)
target_include_directories(onnxruntime_test PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/../src)
target_compile_options(onnxruntime_test PRIVATE -Wall -Wextra)
add_test(NAME onnxruntime COMMAND onnxruntime_test ${PROJECT_SOURCE_DIR}/leaf_edge/models/leaf-s.leaf)
set_tests_properties(onnxruntime PROPERTIES SKIP_RETURN_CODE 77)
file(GLOB LEAF_VENV_ONNXRUNTIME
  ${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime.so.*)
if(LEAF_VENV_ONNXRUNTIME AND NOT DEFINED ENV{LEAF_ONNXRUNTIME} AND NOT CMAKE_CROSSCOMPILING)
  list(GET LEAF_VENV_ONNXRUNTIME 0 LEAF_VENV_ONNXRUNTIME)
  set_tests_properties(onnxruntime PROPERTIES ENVIRONMENT "LEAF_ONNXRUNTIME=${LEAF_VENV_ONNXRUNTIME}")
endif()
