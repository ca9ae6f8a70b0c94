# The two views: plain kernels, and one file per instruction set with flags of its own.
target_sources(leaf_core PRIVATE
  ${CMAKE_CURRENT_SOURCE_DIR}/src/views.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/src/views_plan.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/src/views_scalar.cpp)
# Colour coefficients are doubles that must round as in Python: no fused multiply-add.
set_source_files_properties(src/views_plan.cpp PROPERTIES COMPILE_OPTIONS "-ffp-contract=off")
