#include "common/text.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace leaf_tools {
namespace {

void put_escape(std::string* text, uint32_t unit) {
  char escape[8];
  snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(unit & 0xffff));
  *text += escape;
}

// The character at `at` and its bytes; 0 bytes where they are no UTF-8 (Unicode 15, table 3-7).
uint32_t decode(const std::string& bytes, size_t at, size_t* length) {
  const auto byte = [&](size_t offset) {
    return at + offset < bytes.size() ? static_cast<uint8_t>(bytes[at + offset]) : uint8_t{0};
  };
  const uint8_t first = byte(0);
  *length = first < 0x80                     ? 1
            : first >= 0xc2 && first < 0xe0  ? 2
            : (first & 0xf0) == 0xe0         ? 3
            : first >= 0xf0 && first <= 0xf4 ? 4
                                             : 0;
  if (*length < 2) return first;
  uint32_t code = first & (0xffu >> (*length + 1));
  for (size_t offset = 1; offset < *length; ++offset) {
    if ((byte(offset) & 0xc0) != 0x80) *length = 0;
    code = code << 6 | (byte(offset) & 0x3fu);
    if (!*length) return 0;
  }
  const bool overlong = (*length == 3 && code < 0x800) || (*length == 4 && code < 0x10000);
  if (overlong || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) *length = 0;
  return code;
}

}  // namespace

std::string number_text(double value) {
  char digits[32];
  // d.ddde+xx; where the point goes is Python's rule.
  const auto end =
      std::to_chars(digits, digits + sizeof digits - 1, value, std::chars_format::scientific).ptr;
  *end = '\0';
  char* mark = strchr(digits, 'e');
  if (!mark) return digits;  // not finite, which no field is
  const int exponent = atoi(mark + 1);
  *mark = '\0';
  std::string sign = digits[0] == '-' ? "-" : "", figures = digits + sign.size();
  if (figures.size() > 1) figures.erase(1, 1);  // the point
  const int count = static_cast<int>(figures.size());
  if (exponent < -4 || exponent >= 16) {
    if (count > 1) figures.insert(1, ".");
    char tail[16];
    snprintf(tail, sizeof tail, "e%c%02d", exponent < 0 ? '-' : '+', std::abs(exponent));
    return sign + figures + tail;
  }
  if (exponent < 0)
    return sign + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + figures;
  if (count <= exponent + 1) {
    return sign + figures + std::string(static_cast<size_t>(exponent + 1 - count), '0') + ".0";
  }
  return sign + figures.insert(static_cast<size_t>(exponent + 1), ".");
}

double rounded(double value, int decimals) {
  char text[400];  // the largest double has 309 digits
  snprintf(text, sizeof text, "%.*f", decimals, value);
  return strtod(text, nullptr);
}

std::string json_text(const std::string& bytes) {
  std::string text = "\"";
  for (size_t at = 0; at < bytes.size();) {
    size_t length = 0;
    const uint32_t code = decode(bytes, at, &length);
    if (!length) {
      put_escape(&text, 0xdc00u + static_cast<uint8_t>(bytes[at++]));
      continue;
    }
    at += length;
    switch (code) {
      case '"':
        text += "\\\"";
        break;
      case '\\':
        text += "\\\\";
        break;
      case '\n':
        text += "\\n";
        break;
      case '\r':
        text += "\\r";
        break;
      case '\t':
        text += "\\t";
        break;
      case '\f':
        text += "\\f";
        break;
      case '\b':
        text += "\\b";
        break;
      default:
        if (code >= 0x20 && code < 0x7f) {
          text += static_cast<char>(code);
        } else if (code < 0x10000) {
          put_escape(&text, code);
        } else {
          put_escape(&text, 0xd800 + ((code - 0x10000) >> 10));
          put_escape(&text, 0xdc00 + ((code - 0x10000) & 0x3ff));
        }
    }
  }
  return text + "\"";
}

std::string csv_text(const std::string& bytes) {
  if (bytes.find_first_of(",\"\n\r") == std::string::npos) return bytes;
  std::string text = "\"";
  for (const char byte : bytes) {
    if (byte == '"') text += '"';
    text += byte;
  }
  return text + "\"";
}

std::string printable(const std::string& bytes) {
  std::string text;
  for (size_t at = 0; at < bytes.size();) {
    size_t length = 0;
    const uint32_t code = decode(bytes, at, &length);
    if (length && code >= 0x20 && code != 0x7f && !(code >= 0x80 && code < 0xa0)) {
      text.append(bytes, at, length);
    } else {
      for (size_t offset = 0; offset < (length ? length : 1); ++offset) {
        char escape[8];
        snprintf(escape, sizeof escape, "\\x%02x", static_cast<uint8_t>(bytes[at + offset]));
        text += escape;
      }
    }
    at += length ? length : 1;
  }
  return text;
}

}  // namespace leaf_tools
