// Strict reading of JSON objects: every field by name and type, and none left over. The counterpart
// of leaf_edge/bundle/reader.py: what is refused, and in which order, is the same.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

#include "bundle/json.h"

namespace leaf {

// A document while it is read. The first refusal counts: after it every field reads as empty and no
// other refusal is kept, so that a reader needs to look at code() only where it would go on for
// long or put what it read to use.
struct Reading {
  explicit Reading(const json::Document& values) : document(values) {}

  const json::Document& document;
  int code = 0;

  // Keeps the message of the first refusal. `format` as in printf.
#if defined(__GNUC__)
  __attribute__((format(printf, 3, 4)))
#endif
  void refuse(int why, const char* format, ...);
};

// One object while it is read. Take each field once, then call done().
class Fields {
 public:
  static constexpr double kInfinity = std::numeric_limits<double>::infinity();

  // `value`, in field `name` of `parent` or, with an index, in the list there; NULL after a
  // refusal.
  Fields(Reading* reading, const json::Value* value, const Fields* parent = nullptr,
         std::string_view name = {}, int64_t index = -1);

  bool has(std::string_view name) const;
  const json::Value* take(std::string_view name);  // NULL where refused
  std::string_view text(std::string_view name);    // one line, at most 1,000 characters
  std::string_view match(std::string_view name, bool (*matches)(std::string_view),
                         const char* expected);
  bool boolean(std::string_view name);
  int64_t integer(std::string_view name, int64_t low, int64_t high);
  double number(std::string_view name, double low = -kInfinity, double high = kInfinity);
  const json::Value* list(std::string_view name);  // NULL where refused
  Fields inner(std::string_view name) { return Fields(reading_, take(name), this, name); }
  void done();

  // The list `name` of numbers: add(number) for each.
  template <class Add>
  void numbers(std::string_view name, double low, double high, Add add) {
    each_of(list(name), [&](const json::Value& value, int64_t index) {
      add(number(&value, name, index, low, high));
    });
  }

  // The list `name` of objects: all are objects before the first is read(fields).
  template <class Read>
  void inners(std::string_view name, Read read) {
    const json::Value* values = list(name);
    each_of(values, [&](const json::Value& value, int64_t index) {
      Fields(reading_, &value, this, name, index);
    });
    each_of(values, [&](const json::Value& value, int64_t index) {
      read(Fields(reading_, &value, this, name, index));
    });
  }

  // Every field, each an object: read(name, fields). For an object of which none was taken.
  template <class Read>
  void members(Read read) {
    all_taken_ = true;
    for (uint32_t at = first(); at < last() && !reading_->code; at = document()[at + 1].next) {
      const std::string_view name = document()[at].text;
      read(name, Fields(reading_, &document()[at + 1], this, name));
    }
  }

  // each(value, index) over a list, NULL for none.
  template <class Each>
  void each_of(const json::Value* list, Each each) {
    if (!list) return;
    const uint32_t begin = index_of(list) + 1;
    int64_t index = 0;
    for (uint32_t at = begin; at < list->next && !reading_->code; at = document()[at].next) {
      each(document()[at], index++);
    }
  }

  // Refuses the manifest because of field `name`, which holds `found` (NULL: not to be shown).
  void refuse(std::string_view name, const char* expected, const json::Value* found,
              int64_t index = -1);

  Reading& reading() { return *reading_; }

 private:
  const json::Document& document() const { return reading_->document; }
  uint32_t index_of(const json::Value* value) const {
    return static_cast<uint32_t>(value - &document()[0]);
  }
  uint32_t first() const { return object_ ? index_of(object_) + 1 : 0; }
  uint32_t last() const { return object_ ? object_->next : 0; }
  const json::Value* find(std::string_view name) const;
  double number(const json::Value* value, std::string_view name, int64_t index, double low,
                double high);
  void write_path(char** at, const char* end) const;

  Reading* reading_;
  const json::Value* object_ = nullptr;
  const Fields* parent_;
  std::string_view name_;
  int64_t index_;
  bool all_taken_ = false;
  int taken_ = 0;
  std::string_view taken_names_[20];  // more than any object of the schema has
};

// Whether `value` is a string of one line that can be shown, of at most 1,000 characters.
bool is_line(const json::Value& value);

}  // namespace leaf
