# Tests of the C interface, leaf_edge/leaf.h.
leaf_test(api_arguments_test)
leaf_test(context_score_test)
leaf_test(context_queue_test)
leaf_test(context_memory_test)
if(CMAKE_CROSSCOMPILING OR LEAF_SANITIZERS)  # an emulator or a sanitizer takes its time
  target_compile_definitions(context_memory_test PRIVATE LEAF_FRAMES=600)
endif()

# The header alone, in both languages, and with all warnings.
add_executable(header_test header_c11.c header_cpp17.cpp)
target_link_libraries(header_test PRIVATE leaf_core)
set_target_properties(header_test PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF
  LINKER_LANGUAGE CXX)
target_compile_options(header_test PRIVATE -Wall -Wextra -pedantic -Werror)
add_test(NAME header COMMAND header_test)

# The example on top of leaf.h, as it stands there.
set(LEAF_HEADER ${CMAKE_CURRENT_SOURCE_DIR}/../include/leaf_edge/leaf.h)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${LEAF_HEADER})
file(READ ${LEAF_HEADER} text)
string(FIND "${text}" " *   #include <leaf_edge/leaf.h>" begin)
string(FIND "${text}" "\n *   }\n" end)
if(begin LESS 0 OR end LESS begin)
  message(FATAL_ERROR "${LEAF_HEADER} has no example on its top")
endif()
math(EXPR length "${end} + 7 - ${begin}")
string(SUBSTRING "${text}" ${begin} ${length} text)
string(REGEX REPLACE "(^|\n) \\*( ? ? ?)" "\\1" LEAF_EXAMPLE "${text}")
file(CONFIGURE OUTPUT example_of_header.c CONTENT "@LEAF_EXAMPLE@\n" @ONLY)
add_executable(example_test example_main.c ${CMAKE_CURRENT_BINARY_DIR}/example_of_header.c)
target_link_libraries(example_test PRIVATE leaf_core)
set_target_properties(example_test PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF
  LINKER_LANGUAGE CXX)
target_compile_options(example_test PRIVATE -Wall -Wextra -pedantic -Werror)

add_executable(context_shipped_test context_shipped_test.cpp)
target_link_libraries(context_shipped_test PRIVATE leaf_core)
target_include_directories(context_shipped_test PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/../src)
target_compile_options(context_shipped_test PRIVATE -Wall -Wextra)

# Scores for tests/runtime_c to compare with Python's.
add_executable(score_pipe score_pipe.cpp)
target_link_libraries(score_pipe PRIVATE leaf_core)
target_compile_options(score_pipe PRIVATE -Wall -Wextra)

# Those with a real bundle take ONNX Runtime from LEAF_ONNXRUNTIME, by default from the Python environment
# beside the sources; without either they are skipped.
set(bundle ${PROJECT_SOURCE_DIR}/leaf_edge/models/leaf-s.leaf)
add_test(NAME example COMMAND example_test ${bundle})
add_test(NAME context_shipped COMMAND context_shipped_test ${bundle})
set_tests_properties(example context_shipped PROPERTIES SKIP_RETURN_CODE 77)
file(GLOB onnxruntime
  ${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime.so.*)
if(onnxruntime AND NOT DEFINED ENV{LEAF_ONNXRUNTIME} AND NOT CMAKE_CROSSCOMPILING)
  list(GET onnxruntime 0 onnxruntime)
  set_tests_properties(example context_shipped PROPERTIES ENVIRONMENT LEAF_ONNXRUNTIME=${onnxruntime})
endif()
