#include "engines/onnxruntime_contract.h"

#include <cstdio>
#include <cstring>

#include "error.h"

namespace leaf::ort {
namespace {

constexpr size_t kMaxRank = 8;
constexpr size_t kMaxNamed = 8;  // inputs or outputs that a message names

// What is expected of an input or output; the free batch comes before `shape`.
struct Expected {
  const char* name;
  int type;
  size_t rank;
  int64_t shape[4];
};

constexpr Expected kInputs[] = {{kInputName, kUint8, 4, {2, 3, LEAF_VIEWS_SIZE, LEAF_VIEWS_SIZE}}};
constexpr Expected kGiven[kOutputs] = {{kOutputNames[0], kFloat, 0, {}},
                                       {kOutputNames[1], kFloat, 0, {}},
                                       {kOutputNames[2], kFloat, 1, {LEAF_FAULTS}}};

// Text that grows to its room and no further.
struct Text {
  char bytes[256] = "";
  size_t length = 0;

  void add(const char* format, long long number, const char* text) {
    const int more = text ? snprintf(bytes + length, sizeof bytes - length, format, text)
                          : snprintf(bytes + length, sizeof bytes - length, format, number);
    if (more > 0) length += static_cast<size_t>(more);
    if (length >= sizeof bytes) length = sizeof bytes - 1;
  }
  void put(const char* text) { add("%s", 0, text); }
};

// Type and dimensions of an input or output.
struct Found {
  bool tensor = false;
  int type = 0;
  size_t rank = 0;
  int64_t shape[kMaxRank] = {};  // -1: free
};

void describe(Text* text, int type, const int64_t* shape, size_t rank) {
  if (type == kUint8 || type == kFloat) {
    text->put(type == kFloat ? "tensor(float) [" : "tensor(uint8) [");
  } else {
    text->add("tensor of type %lld [", type, nullptr);
  }
  for (size_t at = 0; at < rank; ++at) {
    if (at) text->put(", ");
    if (shape[at] < 0) {
      text->put("N");
    } else {
      text->add("%lld", shape[at], nullptr);
    }
  }
  text->put("]");
}

class Checker {
 public:
  Checker(const Library& library, const OrtSession* session)
      : library_(library), api_(library.api), session_(session) {}

  int check(bool inputs, const Expected* expected, size_t count) const {
    size_t found = 0;
    OrtStatus* status =
        (inputs ? api_.SessionGetInputCount : api_.SessionGetOutputCount)(session_, &found);
    if (status) return unreadable(status);
    bool seen[kOutputs] = {};
    bool same = found == count;
    Text names;
    for (size_t index = 0; index < found; ++index) {
      char* name = nullptr;
      status = (inputs ? api_.SessionGetInputName : api_.SessionGetOutputName)(
          session_, index, library_.allocator, &name);
      if (status) return unreadable(status);
      size_t match = 0;
      while (match < count && strcmp(expected[match].name, name) != 0) ++match;
      if (match == count) {
        same = false;
      } else {
        seen[match] = true;
      }
      if (index < kMaxNamed) names.add(index ? ", %.24s" : "%.24s", 0, name);
      status = api_.AllocatorFree(library_.allocator, name);
      if (status) return unreadable(status);
      if (match < count) {
        const int error = check_one(inputs, index, expected[match]);
        if (error && same) return error;
      }
    }
    for (size_t at = 0; at < count; ++at) same = same && seen[at];
    if (same) return 0;
    Text wanted;
    for (size_t at = 0; at < count; ++at) wanted.add(at ? ", %s" : "%s", 0, expected[at].name);
    return fail(LEAF_E_BUNDLE_MODEL, "%s of the network are %s; expected %s",
                inputs ? "inputs" : "outputs", names.length ? names.bytes : "none", wanted.bytes);
  }

 private:
  int unreadable(OrtStatus* status) const {
    return fail(LEAF_E_BUNDLE_MODEL, "the network's inputs and outputs cannot be read (%s)",
                Reason(api_, status).text());
  }

  int check_one(bool inputs, size_t index, const Expected& expected) const {
    Found found;
    OrtTypeInfo* info = nullptr;
    OrtStatus* status = (inputs ? api_.SessionGetInputTypeInfo : api_.SessionGetOutputTypeInfo)(
        session_, index, &info);
    if (!status) status = read(info, &found);
    if (info) api_.ReleaseTypeInfo(info);
    if (status) return unreadable(status);
    int64_t shape[5] = {-1};
    memcpy(shape + 1, expected.shape, expected.rank * sizeof *shape);
    const size_t rank = expected.rank + 1;
    if (found.tensor && found.type == expected.type && found.rank == rank &&
        memcmp(found.shape, shape, rank * sizeof *shape) == 0) {
      return 0;
    }
    Text is, wanted;
    if (found.tensor) {
      describe(&is, found.type, found.shape, found.rank < kMaxRank ? found.rank : kMaxRank);
    } else {
      is.put("no tensor");
    }
    describe(&wanted, expected.type, shape, rank);
    return fail(LEAF_E_BUNDLE_MODEL, "%s of the network is %s; expected %s", expected.name,
                is.bytes, wanted.bytes);
  }

  OrtStatus* read(const OrtTypeInfo* info, Found* found) const {
    const OrtTensorTypeAndShapeInfo* tensor = nullptr;  // belongs to `info`
    OrtStatus* status = api_.CastTypeInfoToTensorInfo(info, &tensor);
    if (status || !tensor) return status;
    found->tensor = true;
    status = api_.GetTensorElementType(tensor, &found->type);
    if (!status) status = api_.GetDimensionsCount(tensor, &found->rank);
    if (!status) {
      const size_t rank = found->rank < kMaxRank ? found->rank : kMaxRank;
      status = api_.GetDimensions(tensor, found->shape, rank);
    }
    return status;
  }

  const Library& library_;
  const Api& api_;
  const OrtSession* session_;
};

}  // namespace

int check_contract(const Library& library, const OrtSession* session) {
  const Checker checker(library, session);
  const int error = checker.check(true, kInputs, 1);
  return error ? error : checker.check(false, kGiven, kOutputs);
}

}  // namespace leaf::ort
