#include "bundle/unicode.h"

#include <algorithm>
#include <iterator>

namespace leaf {
namespace {

// Characters from every other edge to the next one can be shown.
constexpr uint32_t kPrintableEdges[] = {
#include "bundle/printable.inc"
};

bool is_printable(uint32_t code) {
  const auto* edge = std::upper_bound(std::begin(kPrintableEdges), std::end(kPrintableEdges), code);
  return (edge - std::begin(kPrintableEdges)) % 2 == 1;
}

bool is_continuation(char c) { return (static_cast<uint8_t>(c) & 0xC0) == 0x80; }

// Bytes of a character whose first byte is `c`; 0 where none begins so.
size_t length(char c) {
  const auto byte = static_cast<uint8_t>(c);
  return byte < 0x80   ? 1
         : byte < 0xC2 ? 0
         : byte < 0xE0 ? 2
         : byte < 0xF0 ? 3
         : byte < 0xF5 ? 4
                       : 0;
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t bytes = length(text[0]);
    if (bytes == 0 || bytes > text.size()) return false;
    if (!std::all_of(text.begin() + 1, text.begin() + bytes, is_continuation)) return false;
    const uint32_t code = next_character(&text);
    constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < kLeast[bytes] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
  }
  return true;
}

uint32_t next_character(std::string_view* text) {
  const size_t bytes = length((*text)[0]);
  const auto first = static_cast<uint8_t>((*text)[0]);
  uint32_t code = bytes == 1 ? first : first & (0xFFU >> (bytes + 1));
  for (size_t i = 1; i < bytes; ++i) code = code << 6 | (static_cast<uint8_t>((*text)[i]) & 0x3F);
  text->remove_prefix(bytes);
  return code;
}

size_t encode_utf8(uint32_t code, char* out) {
  const size_t bytes = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  for (size_t i = bytes - 1; i > 0; --i, code >>= 6)
    out[i] = static_cast<char>(0x80 | (code & 0x3F));
  constexpr uint32_t kMark[] = {0, 0, 0xC0, 0xE0, 0xF0};
  out[0] = static_cast<char>(kMark[bytes] | code);
  return bytes;
}

size_t count_characters(std::string_view text) {
  return text.size() -
         static_cast<size_t>(std::count_if(text.begin(), text.end(), is_continuation));
}

bool is_printable(std::string_view text) {
  while (!text.empty()) {
    if (!is_printable(next_character(&text))) return false;
  }
  return true;
}

bool is_space(uint32_t code) {
  return (code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x20) || code == 0x85 ||
         code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 ||
         code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

std::string_view strip(std::string_view text) {
  while (!text.empty()) {
    std::string_view rest = text;
    if (!is_space(next_character(&rest))) break;
    text = rest;
  }
  for (size_t end = text.size(); end > 0;) {
    size_t begin = end - 1;
    while (begin > 0 && is_continuation(text[begin])) --begin;
    std::string_view last = text.substr(begin, end - begin);
    if (!is_space(next_character(&last))) break;
    text = text.substr(0, begin);
    end = begin;
  }
  return text;
}

}  // namespace leaf
