// The part of ONNX Runtime's C interface that is used here, so that neither its headers nor its
// library are needed to build.
//
// A program gets a table of function pointers from OrtGetApiBase()->GetApi(version). The table only
// ever grows: version N of the interface (release 1.N) has the functions of N - 1 in the same
// places. Place and type of each function below are compared with the real header by
// runtime/tests/onnxruntime_abi_test.cpp, where that header is at hand.
#pragma once

#include <cstddef>
#include <cstdint>

// Names of ONNX Runtime, never defined here.
struct OrtAllocator;
struct OrtCUDAProviderOptionsV2;
struct OrtEnv;
struct OrtMemoryInfo;
struct OrtRunOptions;
struct OrtSession;
struct OrtSessionOptions;
struct OrtStatus;
struct OrtTensorTypeAndShapeInfo;
struct OrtTypeInfo;
struct OrtValue;

namespace leaf::ort {

// Release 1.17, the first whose sessions take a logger of their own.
constexpr uint32_t kApiVersion = 17;

// Values of enumerations, which are int in the interface.
constexpr int kSequential = 0;    // ORT_SEQUENTIAL
constexpr int kEnableAll = 99;    // ORT_ENABLE_ALL
constexpr int kSeverityInfo = 1;  // ORT_LOGGING_LEVEL_INFO, and so on
constexpr int kSeverityWarning = 2;
constexpr int kSeverityError = 3;
constexpr int kFloat = 1;            // ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT
constexpr int kUint8 = 2;            // ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8
constexpr int kDeviceAllocator = 0;  // OrtDeviceAllocator
constexpr int kMemDefault = 0;       // OrtMemTypeDefault

using LogFunction = void (*)(void* cookie, int severity, const char* category, const char* id,
                             const char* location, const char* message);

struct ApiBase {
  const void* (*get_api)(uint32_t version);  // NULL where the library is older
  const char* (*version)();                  // "1.32.0"
};

using GetApiBase = const ApiBase* (*)();

// X(name, place in the table, type of what it returns, its arguments)
#define LEAF_ORT_FUNCTIONS(X)                                                                   \
  X(GetErrorMessage, 2, const char*, (const OrtStatus*))                                        \
  X(CreateEnvWithCustomLogger, 4, OrtStatus*, (LogFunction, void*, int, const char*, OrtEnv**)) \
  X(CreateSessionFromArray, 8, OrtStatus*,                                                      \
    (const OrtEnv*, const void*, size_t, const OrtSessionOptions*, OrtSession**))               \
  X(Run, 9, OrtStatus*,                                                                         \
    (OrtSession*, const OrtRunOptions*, const char* const*, const OrtValue* const*, size_t,     \
     const char* const*, size_t, OrtValue**))                                                   \
  X(CreateSessionOptions, 10, OrtStatus*, (OrtSessionOptions**))                                \
  X(SetSessionExecutionMode, 13, OrtStatus*, (OrtSessionOptions*, int))                         \
  X(SetSessionLogSeverityLevel, 22, OrtStatus*, (OrtSessionOptions*, int))                      \
  X(SetSessionGraphOptimizationLevel, 23, OrtStatus*, (OrtSessionOptions*, int))                \
  X(SetIntraOpNumThreads, 24, OrtStatus*, (OrtSessionOptions*, int))                            \
  X(SetInterOpNumThreads, 25, OrtStatus*, (OrtSessionOptions*, int))                            \
  X(SessionGetInputCount, 30, OrtStatus*, (const OrtSession*, size_t*))                         \
  X(SessionGetOutputCount, 31, OrtStatus*, (const OrtSession*, size_t*))                        \
  X(SessionGetInputTypeInfo, 33, OrtStatus*, (const OrtSession*, size_t, OrtTypeInfo**))        \
  X(SessionGetOutputTypeInfo, 34, OrtStatus*, (const OrtSession*, size_t, OrtTypeInfo**))       \
  X(SessionGetInputName, 36, OrtStatus*, (const OrtSession*, size_t, OrtAllocator*, char**))    \
  X(SessionGetOutputName, 37, OrtStatus*, (const OrtSession*, size_t, OrtAllocator*, char**))   \
  X(CreateTensorWithDataAsOrtValue, 49, OrtStatus*,                                             \
    (const OrtMemoryInfo*, void*, size_t, const int64_t*, size_t, int, OrtValue**))             \
  X(CastTypeInfoToTensorInfo, 55, OrtStatus*,                                                   \
    (const OrtTypeInfo*, const OrtTensorTypeAndShapeInfo**))                                    \
  X(GetTensorElementType, 60, OrtStatus*, (const OrtTensorTypeAndShapeInfo*, int*))             \
  X(GetDimensionsCount, 61, OrtStatus*, (const OrtTensorTypeAndShapeInfo*, size_t*))            \
  X(GetDimensions, 62, OrtStatus*, (const OrtTensorTypeAndShapeInfo*, int64_t*, size_t))        \
  X(CreateCpuMemoryInfo, 69, OrtStatus*, (int, int, OrtMemoryInfo**))                           \
  X(AllocatorFree, 76, OrtStatus*, (OrtAllocator*, void*))                                      \
  X(GetAllocatorWithDefaultOptions, 78, OrtStatus*, (OrtAllocator**))                           \
  X(ReleaseStatus, 93, void, (OrtStatus*))                                                      \
  X(ReleaseMemoryInfo, 94, void, (OrtMemoryInfo*))                                              \
  X(ReleaseSession, 95, void, (OrtSession*))                                                    \
  X(ReleaseValue, 96, void, (OrtValue*))                                                        \
  X(ReleaseTypeInfo, 98, void, (OrtTypeInfo*))                                                  \
  X(ReleaseSessionOptions, 100, void, (OrtSessionOptions*))                                     \
  X(GetAvailableProviders, 125, OrtStatus*, (char***, int*))                                    \
  X(ReleaseAvailableProviders, 126, OrtStatus*, (char**, int))                                  \
  X(AddSessionConfigEntry, 130, OrtStatus*, (OrtSessionOptions*, const char*, const char*))     \
  X(SessionOptionsAppendExecutionProvider_CUDA_V2, 204, OrtStatus*,                             \
    (OrtSessionOptions*, const OrtCUDAProviderOptionsV2*))                                      \
  X(CreateCUDAProviderOptions, 205, OrtStatus*, (OrtCUDAProviderOptionsV2**))                   \
  X(UpdateCUDAProviderOptions, 206, OrtStatus*,                                                 \
    (OrtCUDAProviderOptionsV2*, const char* const*, const char* const*, size_t))                \
  X(ReleaseCUDAProviderOptions, 208, void, (OrtCUDAProviderOptionsV2*))                         \
  X(UpdateCUDAProviderOptionsWithValue, 263, OrtStatus*,                                        \
    (OrtCUDAProviderOptionsV2*, const char*, void*))                                            \
  X(SetUserLoggingFunction, 266, OrtStatus*, (OrtSessionOptions*, LogFunction, void*))

// The functions, by name. A status that is returned is NULL for success, else the caller's to
// release.
struct Api {
#define LEAF_ORT_MEMBER(name, place, result, arguments) result(*name) arguments = nullptr;
  LEAF_ORT_FUNCTIONS(LEAF_ORT_MEMBER)
#undef LEAF_ORT_MEMBER

  Api() = default;

  // table: of GetApi, for kApiVersion or later.
  explicit Api(const void* table) {
    using Slot = void (*)();
    const Slot* slots = static_cast<const Slot*>(table);
#define LEAF_ORT_TAKE(name, place, result, arguments) \
  name = reinterpret_cast<result(*) arguments>(slots[place]);
    LEAF_ORT_FUNCTIONS(LEAF_ORT_TAKE)
#undef LEAF_ORT_TAKE
  }
};

}  // namespace leaf::ort
