# The C interface of leaf_edge/leaf.h: contexts over views, bundle and engine.
target_sources(leaf_core PRIVATE
  ${CMAKE_CURRENT_SOURCE_DIR}/src/api/error.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/src/api/logger.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/src/api/memory.cpp)
