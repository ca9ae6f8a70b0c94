# The C interface of leaf_edge/leaf.h: contexts over views, bundle and engine.
target_sources(leaf_core PRIVATE
  ${CMAKE_CURRENT_SOURCE_DIR}/src/api/error.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/src/api/logger.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/src/api/memory.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/src/api/names.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/src/api/open.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/src/api/queue.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/src/api/score.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/src/api/self_test.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/src/api/settings.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/src/api/tables.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/src/api/timings.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/src/engines/choose.cpp)
