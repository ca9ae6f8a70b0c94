// Strict JSON (RFC 8259) as a flat list of values, the way Python's json module reads it.
#pragma once

#include <array>
#include <cstdint>
#include <memory_resource>
#include <string>
#include <string_view>
#include <vector>

namespace leaf::json {

// Lists and objects within each other. Python's limit depends on its stack; this one is far above
// any manifest's depth and far below that.
constexpr uint32_t kMaxDepth = 200;
// Digits of a whole number, as Python limits them.
constexpr size_t kMaxDigits = 4300;

enum class Kind : uint8_t { kNull, kFalse, kTrue, kInteger, kReal, kString, kList, kObject };

// A value, in the order of the text. What is in a list or an object follows it: a list's values, or
// an object's names (as strings), each before its value.
struct Value {
  Kind kind = Kind::kNull;
  uint32_t next = 0;      // index of the first value that is not within this one
  std::string_view text;  // of a string without its escapes (UTF-8), of a number as it stands
};

// Text that was read. The views in it are of `text` and of the document.
class Document {
 public:
  explicit Document(std::pmr::memory_resource* memory)
      : values_(memory), names_(memory), unescaped_(memory) {}
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;

  // Reads `text`, below 2 GiB, once per document. NULL, or what is wrong: not UTF-8, not JSON, a
  // name twice in one object, a number beyond double's range or with too many digits, half a
  // surrogate pair, too deep. Throws std::bad_alloc.
  const char* parse(std::string_view text);

  const Value& operator[](uint32_t index) const { return values_[index]; }

 private:
  void skip_space();
  bool at(char c) const { return at_ < text_.size() && text_[at_] == c; }
  const char* value(bool* opened);
  const char* open(Kind kind, bool* opened);
  const char* close();
  const char* name();
  const char* number();
  const char* word();
  const char* string(std::string_view* out);
  const char* escape();
  bool hex4(uint32_t* out);
  const char* check_names(uint32_t object);

  std::string_view text_;
  size_t at_ = 0;
  std::array<uint32_t, kMaxDepth> open_ = {};
  uint32_t depth_ = 0;
  std::pmr::vector<Value> values_;
  std::pmr::vector<std::string_view> names_;  // scratch of check_names
  std::pmr::string unescaped_;                // of all strings that have escapes
};

// The number's nearest double. False where it is beyond double's range; what is too small is 0.
bool to_double(std::string_view number, double* out);

}  // namespace leaf::json
