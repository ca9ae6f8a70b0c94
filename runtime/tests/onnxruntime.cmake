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
