// Command lines: --name VALUE, --name=VALUE, --flag, and names of things.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "leaf_edge/leaf.h"

namespace leaf_tools {

struct Option {
  const char* name;  // "--size"
  bool takes_value;
};

class Arguments {
 public:
  // Throws UsageError for an unknown option, or one without its value. The last of equals counts.
  Arguments(int argc, char** argv, std::initializer_list<Option> options);

  bool has(const char* name) const { return values_.count(name) != 0; }
  // The value of an option; nullopt where it was not given.
  std::optional<std::string> text(const char* name) const;
  // The same as a whole number within the limits, `otherwise` where it was not given.
  int64_t whole(const char* name, int64_t low, int64_t high, int64_t otherwise) const;
  // The same as a finite number.
  double number(const char* name, double otherwise) const;
  // The place of the value in `names`; `otherwise` where it was not given.
  int choice(const char* name, std::initializer_list<const char*> names, int otherwise) const;

  const std::vector<std::string>& names() const { return names_; }

 private:
  std::map<std::string, std::string> values_;
  std::vector<std::string> names_;
};

// A whole number of `digits` digits at most, spaces around it allowed; -1 where it is none.
int64_t parse_whole(const std::string& text, size_t digits = 9);

std::string lower(std::string text);
std::vector<std::string> split(const std::string& text, char at);

// --engine NAME[,NAME...] into settings->engines. Throws UsageError.
void set_engines(const std::string& text, leaf_settings* settings);

// The raw Ed25519 keys in the PEM file of --key. Throws UsageError.
struct Keys {
  uint8_t bytes[LEAF_MAX_KEYS][LEAF_KEY_BYTES];
  int count = 0;
};
Keys read_keys(const std::string& path);

}  // namespace leaf_tools
