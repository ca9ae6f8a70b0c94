target_sources(leaf_core PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/src/views.cpp)
