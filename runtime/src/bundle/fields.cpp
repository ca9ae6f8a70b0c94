#include "bundle/fields.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdarg>
#include <cstdio>

#include "bundle/unicode.h"
#include "error.h"
#include "leaf_edge/leaf.h"

namespace leaf {
namespace {

using json::Kind;
using json::Value;

constexpr size_t kMaxLine = 1000;

// Writes `text` to [*at, end), what is not plain ASCII as '?': it may come from the manifest.
void put(char** at, const char* end, std::string_view text) {
  for (const char c : text) {
    if (*at == end) return;
    *(*at)++ = c >= 0x20 && c < 0x7F ? c : '?';
  }
}

void put_shown(char** at, const char* end, const Value* value) {
  const char* const words[] = {"null", "false", "true", "", "", "", "a list", "an object"};
  if (value->kind != Kind::kInteger && value->kind != Kind::kReal && value->kind != Kind::kString) {
    return put(at, end, words[static_cast<int>(value->kind)]);
  }
  const char* const quote = value->kind == Kind::kString ? "\"" : "";
  put(at, end, quote);
  put(at, end, value->text.substr(0, 60));
  put(at, end, value->text.size() > 60 ? "..." : quote);
}

}  // namespace

void Reading::refuse(int why, const char* format, ...) {
  if (code) return;
  char text[600];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  code = fail(why, "%s", text);
}

Fields::Fields(Reading* reading, const Value* value, const Fields* parent, std::string_view name,
               int64_t index)
    : reading_(reading), parent_(parent), name_(name), index_(index) {
  if (!value) return;
  if (value->kind == Kind::kObject) {
    object_ = value;
  } else {
    char path[200], found[100], *at = path, *end = found;
    write_path(&at, path + sizeof path);
    put_shown(&end, found + sizeof found, value);
    reading->refuse(LEAF_E_BUNDLE_MANIFEST, "manifest field %.*s: expected an object; found %.*s",
                    static_cast<int>(at - path), path, static_cast<int>(end - found), found);
  }
}

const Value* Fields::find(std::string_view name) const {
  for (uint32_t at = first(); at < last(); at = document()[at + 1].next) {
    if (document()[at].text == name) return &document()[at + 1];
  }
  return nullptr;
}

bool Fields::has(std::string_view name) const { return find(name) != nullptr; }

const Value* Fields::take(std::string_view name) {
  if (reading_->code) return nullptr;
  const Value* const value = find(name);
  if (!value) refuse(name, "a value; found nothing", nullptr);
  taken_names_[taken_++] = name;
  return value;
}

std::string_view Fields::text(std::string_view name) {
  const Value* const value = take(name);
  if (!value) return {};
  if (!is_line(*value)) {
    refuse(name, "one line of text, 1000 characters at most", value);
    return {};
  }
  return value->text;
}

std::string_view Fields::match(std::string_view name, bool (*matches)(std::string_view),
                               const char* expected) {
  const Value* const value = take(name);
  if (!value) return {};
  if (value->kind != Kind::kString || !matches(value->text)) {
    refuse(name, expected, value);
    return {};
  }
  return value->text;
}

bool Fields::boolean(std::string_view name) {
  const Value* const value = take(name);
  if (value && value->kind != Kind::kTrue && value->kind != Kind::kFalse) {
    refuse(name, "true or false", value);
  }
  return value && value->kind == Kind::kTrue;
}

int64_t Fields::integer(std::string_view name, int64_t low, int64_t high) {
  const Value* const value = take(name);
  if (!value) return 0;
  int64_t number = 0;
  const char* const end = value->text.data() + value->text.size();
  const bool read = value->kind == Kind::kInteger &&
                    std::from_chars(value->text.data(), end, number).ec == std::errc();
  if (!read || number < low || number > high) {
    char expected[80];
    snprintf(expected, sizeof expected, "a whole number, %lld to %lld", static_cast<long long>(low),
             static_cast<long long>(high));
    refuse(name, expected, value);
    return 0;
  }
  return number;
}

double Fields::number(std::string_view name, double low, double high) {
  const Value* const value = take(name);
  return value ? number(value, name, -1, low, high) : 0;
}

double Fields::number(const Value* value, std::string_view name, int64_t index, double low,
                      double high) {
  double number = 0;
  if (value->kind != Kind::kInteger && value->kind != Kind::kReal) {
    refuse(name, "a number", value, index);
    return 0;
  }
  if (!json::to_double(value->text, &number) || number < low || number > high) {
    char expected[80] = "a finite number";
    if (!std::isinf(low)) snprintf(expected, sizeof expected, "a number, %g to %g", low, high);
    refuse(name, expected, value, index);
    return 0;
  }
  return value->kind == Kind::kInteger && number == 0 ? 0 : number;  // -0 is the whole number 0
}

const Value* Fields::list(std::string_view name) {
  const Value* const value = take(name);
  if (!value || value->kind == Kind::kList) return value;
  refuse(name, "a list", value);
  return nullptr;
}

void Fields::done() {
  if (all_taken_) return;
  for (uint32_t at = first(); at < last() && !reading_->code; at = document()[at + 1].next) {
    const std::string_view name = document()[at].text;
    if (std::find(taken_names_, taken_names_ + taken_, name) == taken_names_ + taken_) {
      refuse(name, "no field of this name in the schema", &document()[at + 1]);
    }
  }
}

void Fields::refuse(std::string_view name, const char* expected, const Value* found,
                    int64_t index) {
  char path[200], shown[100] = "", *at = path, *end = shown;
  const Fields field(reading_, nullptr, this, name, index);
  field.write_path(&at, path + sizeof path);
  if (found) {
    put(&end, shown + sizeof shown, "; found ");
    put_shown(&end, shown + sizeof shown, found);
  }
  reading_->refuse(LEAF_E_BUNDLE_MANIFEST, "manifest field %.*s: expected %s%.*s",
                   static_cast<int>(at - path), path, expected, static_cast<int>(end - shown),
                   shown);
}

// A name of the schema is at most five deep, so this is as well.
void Fields::write_path(char** at, const char* end) const {
  if (!parent_) return put(at, end, "(top)");
  if (parent_->parent_) {
    parent_->write_path(at, end);
    put(at, end, ".");
  }
  put(at, end, name_.substr(0, 120));
  if (index_ < 0) return;
  char number[32];
  snprintf(number, sizeof number, "[%lld]", static_cast<long long>(index_));
  put(at, end, number);
}

bool is_line(const Value& value) {
  return value.kind == Kind::kString && count_characters(value.text) <= kMaxLine &&
         is_printable(value.text);
}

}  // namespace leaf
