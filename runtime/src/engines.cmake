# What runs the network. Each engine loads its own library when a context opens.
target_sources(leaf_core PRIVATE
  ${CMAKE_CURRENT_SOURCE_DIR}/src/engines/onnxruntime.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/src/engines/onnxruntime_contract.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/src/engines/onnxruntime_library.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/src/engines/onnxruntime_session.cpp)
include(cmake/tensorrt.cmake)
