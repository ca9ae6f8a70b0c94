// The little of Unicode that the manifest's rules need.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace leaf {

// Whether `text` is UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text);

// Takes the first character off `text`, which is UTF-8 and not empty.
uint32_t next_character(std::string_view* text);

// Writes U+`code` as UTF-8 and returns its bytes, 1 to 4.
size_t encode_utf8(uint32_t code, char* out);

// Characters of `text`, which is UTF-8.
size_t count_characters(std::string_view text);

// Whether every character can be shown as it is, by Unicode 14: Python 3.11's str.isprintable().
bool is_printable(std::string_view text);

// Whether str.isspace() holds for it: bidirectional type WS, B or S, or category Zs.
bool is_space(uint32_t code);

// `text` without white space at its ends, as Python's str.strip() takes it off.
std::string_view strip(std::string_view text);

}  // namespace leaf
