#include "bundle/paths.h"

#include <algorithm>

namespace leaf {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_word(char c) { return (lower(c) >= 'a' && lower(c) <= 'z') || is_digit(c) || c == '_'; }

// Names that Windows gives to devices, with any ending.
bool is_device(std::string_view part) {
  part = part.substr(0, part.find('.'));
  const auto is = [part](std::string_view name) {
    return std::equal(name.begin(), name.end(), part.begin(),
                      [](char a, char b) { return a == lower(b); });
  };
  if (part.size() == 3) return is("con") || is("prn") || is("aux") || is("nul");
  return part.size() == 4 && is_digit(part[3]) && (is("com") || is("lpt"));
}

bool is_plain_part(std::string_view part) {
  return !part.empty() && is_word(part.front()) && (is_word(part.back()) || part.back() == '-') &&
         std::all_of(part.begin(), part.end(),
                     [](char c) { return is_word(c) || c == '.' || c == '-'; }) &&
         !is_device(part);
}

}  // namespace

bool is_plain_path(std::string_view name) {
  if (name.size() > 200) return false;
  for (int parts = 1; parts <= 4; ++parts) {
    const size_t slash = name.find('/');
    if (!is_plain_part(name.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    name.remove_prefix(slash + 1);
  }
  return false;
}

bool can_be_together(std::string_view a, std::string_view b) {
  bool differ = false;
  const size_t common = std::min(a.size(), b.size());
  for (size_t i = 0; i < common; ++i) {
    if (lower(a[i]) != lower(b[i])) return true;
    if (a[i] == '/' && differ) return false;
    differ = differ || a[i] != b[i];
  }
  if (a.size() == b.size()) return false;
  return (a.size() > common ? a : b)[common] != '/';
}

Shown::Shown(std::string_view name) {
  char* at = text;
  for (const char c : name.substr(0, 80)) *at++ = c >= 0x20 && c < 0x7F ? c : '?';
  *at = '\0';
}

}  // namespace leaf
