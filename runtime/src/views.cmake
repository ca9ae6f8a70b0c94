# The two views: plain kernels, and for each instruction set files with flags of their own. Only they
# may use them: which kernels run is decided when a context opens.
target_sources(leaf_core PRIVATE
  ${CMAKE_CURRENT_SOURCE_DIR}/src/views.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/src/views_plan.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/src/views_scalar.cpp)
# Colour coefficients are doubles that must round as in Python: no fused multiply-add.
set_source_files_properties(src/views_plan.cpp PROPERTIES COMPILE_OPTIONS "-ffp-contract=off")

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  target_compile_definitions(leaf_core PRIVATE LEAF_X86)
  target_sources(leaf_core PRIVATE
    ${CMAKE_CURRENT_SOURCE_DIR}/src/views_avx2.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/src/views_avx2_color.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/src/views_avx512.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/src/views_avx512_color.cpp)
  set_source_files_properties(src/views_avx2.cpp src/views_avx2_color.cpp PROPERTIES COMPILE_OPTIONS "-mavx2")
  set_source_files_properties(src/views_avx512.cpp src/views_avx512_color.cpp PROPERTIES COMPILE_OPTIONS
    "-mavx512f;-mavx512bw;-mavx512vl;-mavx512dq;-mavx512vnni;-mavx512vbmi;-mavx512ifma")
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
  target_compile_definitions(leaf_core PRIVATE LEAF_AARCH64)
  target_sources(leaf_core PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/src/views_neon.cpp)
endif()
