// Compares engines/onnxruntime_abi.h with the real header of ONNX Runtime, as far as one is found
// (CMake: LEAF_ONNXRUNTIME_INCLUDE_DIR). All of it happens while this is compiled.
#include "engines/onnxruntime_abi.h"

#include <cstdio>
#include <type_traits>

#ifndef LEAF_HAS_ONNXRUNTIME_HEADER

int main() {
  puts("skipped: no onnxruntime_c_api.h; set LEAF_ONNXRUNTIME_INCLUDE_DIR to the folder of one");
  return 77;
}

#else

#include <onnxruntime_c_api.h>

namespace {

// A type with int for each enumeration: they are int in the library's interface.
template <class T>
struct Plain {
  using type = std::conditional_t<std::is_enum_v<T>, int, T>;
};
template <class T>
struct Plain<T*> {
  using type = std::conditional_t<std::is_enum_v<T>, int*, T*>;
};
template <class Result, class... Arguments>
struct Plain<Result (*)(Arguments...)> {
  using type = Result (*)(typename Plain<Arguments>::type...);
};
template <class Result, class... Arguments>
struct Plain<Result (*)(Arguments...) noexcept> {
  using type = Result (*)(typename Plain<Arguments>::type...);
};

using leaf::ort::Api;

#define LEAF_ORT_CHECK(name, place, result, arguments)                                            \
  static_assert(offsetof(OrtApi, name) == (place) * sizeof(void*), #name " is in another place"); \
  static_assert(                                                                                  \
      std::is_same_v<Plain<decltype(OrtApi::name)>::type, Plain<decltype(Api::name)>::type>,      \
      #name " has another type");
LEAF_ORT_FUNCTIONS(LEAF_ORT_CHECK)

static_assert(sizeof(OrtLoggingLevel) == sizeof(int), "");
static_assert(std::is_same_v<Plain<OrtLoggingFunction>::type, leaf::ort::LogFunction>, "");
static_assert(offsetof(OrtApiBase, GetApi) == offsetof(leaf::ort::ApiBase, get_api), "");
static_assert(offsetof(OrtApiBase, GetVersionString) == offsetof(leaf::ort::ApiBase, version), "");
static_assert(ORT_API_VERSION >= leaf::ort::kApiVersion, "this header is too old to compare with");
static_assert(leaf::ort::kSequential == ORT_SEQUENTIAL, "");
static_assert(leaf::ort::kEnableAll == ORT_ENABLE_ALL, "");
static_assert(leaf::ort::kSeverityInfo == ORT_LOGGING_LEVEL_INFO, "");
static_assert(leaf::ort::kSeverityWarning == ORT_LOGGING_LEVEL_WARNING, "");
static_assert(leaf::ort::kSeverityError == ORT_LOGGING_LEVEL_ERROR, "");
static_assert(leaf::ort::kFloat == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, "");
static_assert(leaf::ort::kUint8 == ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8, "");
static_assert(leaf::ort::kDeviceAllocator == OrtDeviceAllocator, "");
static_assert(leaf::ort::kMemDefault == OrtMemTypeDefault, "");

}  // namespace

int main() {
  printf("compared with version %d of the interface\n", ORT_API_VERSION);
  return 0;
}

#endif
