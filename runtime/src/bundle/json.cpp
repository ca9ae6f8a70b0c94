#include "bundle/json.h"

#include <algorithm>
#include <charconv>

#include "bundle/unicode.h"

namespace leaf::json {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

const char* Document::parse(std::string_view text) {
  text_ = text;
  if (text.size() > INT32_MAX) return "it is too long";
  if (!is_utf8(text)) return "it is not UTF-8";
  for (;;) {
    bool opened = false;
    if (const char* wrong = value(&opened)) return wrong;
    if (opened) continue;
    // A value is whole: what is around it goes on or ends with it.
    for (;;) {
      skip_space();
      if (depth_ == 0) return at_ == text_.size() ? nullptr : "there is more after its end";
      const bool object = values_[open_[depth_ - 1]].kind == Kind::kObject;
      if (at(',')) {
        ++at_;
        if (object) {
          skip_space();
          if (const char* wrong = name()) return wrong;
        }
        break;
      }
      if (!at(object ? '}' : ']')) return "expected a comma or the end of a list or object";
      if (const char* wrong = close()) return wrong;
    }
  }
}

void Document::skip_space() {
  while (at(' ') || at('\t') || at('\n') || at('\r')) ++at_;
}

// One value, or the begin of a list or object that is not empty: `opened`, and a value is to
// follow.
const char* Document::value(bool* opened) {
  skip_space();
  if (at('{')) return open(Kind::kObject, opened);
  if (at('[')) return open(Kind::kList, opened);
  if (at('-') || (at_ < text_.size() && is_digit(text_[at_]))) return number();
  if (!at('"')) return word();
  std::string_view text;
  if (const char* wrong = string(&text)) return wrong;
  values_.push_back({Kind::kString, static_cast<uint32_t>(values_.size() + 1), text});
  return nullptr;
}

const char* Document::open(Kind kind, bool* opened) {
  if (depth_ == kMaxDepth) return "lists and objects are nested too deep";
  open_[depth_++] = static_cast<uint32_t>(values_.size());
  values_.push_back({kind, 0, {}});
  ++at_;
  skip_space();
  if (at(kind == Kind::kObject ? '}' : ']')) return close();
  *opened = true;
  return kind == Kind::kObject ? name() : nullptr;
}

const char* Document::close() {
  ++at_;
  const uint32_t start = open_[--depth_];
  values_[start].next = static_cast<uint32_t>(values_.size());
  return values_[start].kind == Kind::kObject ? check_names(start) : nullptr;
}

// A member's name and its colon.
const char* Document::name() {
  if (!at('"')) return "expected a name in quotes";
  std::string_view text;
  if (const char* wrong = string(&text)) return wrong;
  values_.push_back({Kind::kString, static_cast<uint32_t>(values_.size() + 1), text});
  skip_space();
  if (!at(':')) return "expected a colon after a name";
  ++at_;
  return nullptr;
}

const char* Document::check_names(uint32_t object) {
  names_.clear();
  for (uint32_t i = object + 1; i < values_[object].next; i = values_[i + 1].next) {
    names_.push_back(values_[i].text);
  }
  std::sort(names_.begin(), names_.end());
  const bool unique = std::adjacent_find(names_.begin(), names_.end()) == names_.end();
  return unique ? nullptr : "a field is given twice in one object";
}

const char* Document::number() {
  const size_t start = at_;
  const auto digits = [this] {
    const size_t first = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    return at_ - first;
  };
  if (at('-')) ++at_;
  const bool zero = at('0');
  const size_t whole = digits();
  if (whole == 0 || (zero && whole > 1)) return "a number is not written as JSON has it";
  bool integer = true;
  if (at('.')) {
    integer = false;
    ++at_;
    if (digits() == 0) return "a number is not written as JSON has it";
  }
  if (at('e') || at('E')) {
    integer = false;
    ++at_;
    if (at('+') || at('-')) ++at_;
    if (digits() == 0) return "a number is not written as JSON has it";
  }
  const std::string_view text = text_.substr(start, at_ - start);
  double unused;
  if (integer ? whole > kMaxDigits : !to_double(text, &unused)) return "a number is too large";
  values_.push_back(
      {integer ? Kind::kInteger : Kind::kReal, static_cast<uint32_t>(values_.size() + 1), text});
  return nullptr;
}

const char* Document::word() {
  constexpr struct {
    std::string_view text;
    Kind kind;
  } kWords[] = {{"null", Kind::kNull}, {"false", Kind::kFalse}, {"true", Kind::kTrue}};
  for (const auto& known : kWords) {
    if (text_.substr(at_, known.text.size()) != known.text) continue;
    at_ += known.text.size();
    values_.push_back({known.kind, static_cast<uint32_t>(values_.size() + 1), {}});
    return nullptr;
  }
  return at_ == text_.size() ? "it is cut off" : "expected a value";
}

const char* Document::string(std::string_view* out) {
  const size_t start = ++at_;
  while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\') {
    if (static_cast<uint8_t>(text_[at_]) < 0x20) return "a string has a control character";
    ++at_;
  }
  if (at('"')) {
    *out = text_.substr(start, at_++ - start);
    return nullptr;
  }
  // Never longer than the text: once reserved, it does not move, and views of it stay.
  if (unescaped_.capacity() < text_.size()) unescaped_.reserve(text_.size());
  const size_t begin = unescaped_.size();
  unescaped_.append(text_.substr(start, at_ - start));
  while (at_ < text_.size() && text_[at_] != '"') {
    if (static_cast<uint8_t>(text_[at_]) < 0x20) return "a string has a control character";
    if (text_[at_] != '\\') {
      unescaped_.push_back(text_[at_++]);
    } else if (const char* wrong = escape()) {
      return wrong;
    }
  }
  if (at_ == text_.size()) return "a string has no end";
  ++at_;
  *out = std::string_view(unescaped_).substr(begin);
  return nullptr;
}

const char* Document::escape() {
  constexpr std::string_view kEscapes = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
  ++at_;
  if (!at('u')) {
    const size_t found = at_ < text_.size() ? kEscapes.find(text_[at_]) : std::string_view::npos;
    if (found == std::string_view::npos) return "a string has an unknown escape";
    unescaped_.push_back(kMeanings[found]);
    ++at_;
    return nullptr;
  }
  ++at_;
  uint32_t code = 0, low = 0;
  if (!hex4(&code)) return "a string has an unknown escape";
  if (code >= 0xD800 && code < 0xE000) {
    if (code >= 0xDC00 || text_.substr(at_, 2) != "\\u") return "a string has half a character";
    at_ += 2;
    if (!hex4(&low)) return "a string has an unknown escape";
    if (low < 0xDC00 || low >= 0xE000) return "a string has half a character";
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  char bytes[4];
  unescaped_.append(bytes, encode_utf8(code, bytes));
  return nullptr;
}

bool Document::hex4(uint32_t* out) {
  if (text_.size() - at_ < 4) return false;
  const char* first = text_.data() + at_;
  // from_chars would take fewer digits and a sign, so its end must be the fourth digit's.
  const auto result = std::from_chars(first, first + 4, *out, 16);
  if (*first == '-' || result.ec != std::errc() || result.ptr != first + 4) return false;
  at_ += 4;
  return true;
}

bool to_double(std::string_view number, double* out) {
  const char* const first = number.data();
  const char* const last = first + number.size();
  double value = 0;
  const auto result = std::from_chars(first, last, value);
  if (result.ec == std::errc()) {
    *out = value;
    return true;
  }
  // Out of range: too small where the first digit that counts is behind the decimal point.
  const size_t mark = number.find_first_of("eE");
  const std::string_view mantissa = number.substr(0, mark);
  int64_t exponent = 0;
  if (mark != std::string_view::npos) {
    const bool plus = number[mark + 1] == '+';
    const auto read = std::from_chars(first + mark + (plus ? 2 : 1), last, exponent);
    if (read.ec != std::errc()) exponent = number[mark + 1] == '-' ? INT32_MIN : INT32_MAX;
  }
  const size_t point = std::min(mantissa.find('.'), mantissa.size());
  const size_t digit = std::min(mantissa.find_first_of("123456789"), mantissa.size());
  if (static_cast<int64_t>(point) - static_cast<int64_t>(digit) + exponent > 0) return false;
  *out = number[0] == '-' ? -0.0 : 0.0;
  return true;
}

}  // namespace leaf::json
