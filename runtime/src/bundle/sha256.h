// SHA-256 (FIPS 180-4), and hashes as hexadecimal text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace leaf {

void sha256(const uint8_t* data, size_t size, uint8_t (&hash)[32]);

// Whether `text` is exactly `digits` digits of 0-9 and a-f.
bool is_hex(std::string_view text, size_t digits);

// The bytes that `text`, of an even number of such digits, stands for.
void from_hex(std::string_view text, uint8_t* out);

// `size` bytes as 2 * size digits and a final 0.
void to_hex(const uint8_t* bytes, size_t size, char* out);

}  // namespace leaf
