#include "common/arguments.h"

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "common/errors.h"
#include "readers/source.h"

namespace leaf_tools {

Arguments::Arguments(int argc, char** argv, std::initializer_list<Option> options) {
  bool only_names = false;
  for (int at = 1; at < argc; ++at) {
    const std::string word = argv[at];
    if (only_names || word.size() < 2 || word[0] != '-') {
      names_.push_back(word);
      continue;
    }
    if (word == "--") {
      only_names = true;
      continue;
    }
    const size_t equals = word.find('=');
    const std::string name = word == "-h" ? "--help" : word.substr(0, equals);
    const Option* found = nullptr;
    for (const Option& option : options) {
      if (name == option.name) found = &option;
    }
    if (!found) throw UsageError("there is no option " + name);
    if (!found->takes_value) {
      if (equals != std::string::npos) throw UsageError(name + " takes no value");
      values_[name] = "";
    } else if (equals != std::string::npos) {
      values_[name] = word.substr(equals + 1);
    } else if (at + 1 < argc) {
      values_[name] = argv[++at];
    } else {
      throw UsageError(name + " needs a value");
    }
  }
}

std::optional<std::string> Arguments::text(const char* name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) return std::nullopt;
  return found->second;
}

int64_t Arguments::whole(const char* name, int64_t low, int64_t high, int64_t otherwise) const {
  const auto value = text(name);
  if (!value) return otherwise;
  const int64_t parsed = parse_whole(*value);
  if (parsed < low || parsed > high) {
    throw UsageError(std::string(name) + " is " + quoted(*value) + "; expected a whole number, " +
                     std::to_string(low) + " to " + std::to_string(high));
  }
  return parsed;
}

double Arguments::number(const char* name, double otherwise) const {
  const auto value = text(name);
  if (!value) return otherwise;
  char* end = nullptr;
  const double parsed = strtod(value->c_str(), &end);
  if (value->empty() || *end || !std::isfinite(parsed)) {
    throw UsageError(std::string(name) + " is " + quoted(*value) + "; expected a number");
  }
  return parsed;
}

int Arguments::choice(const char* name, std::initializer_list<const char*> names,
                      int otherwise) const {
  const auto value = text(name);
  if (!value) return otherwise;
  int place = 0;
  std::string known;
  for (const char* item : names) {
    if (*value == item) return place;
    known += (place++ ? ", " : "") + std::string(item);
  }
  throw UsageError(std::string(name) + " is " + quoted(*value) + "; expected one of: " + known);
}

int64_t parse_whole(const std::string& text, size_t digits) {
  const size_t start = text.find_first_not_of(" \t");
  const size_t end = text.find_last_not_of(" \t");
  if (start == std::string::npos || end - start + 1 > digits) return -1;
  int64_t value = 0;
  for (size_t at = start; at <= end; ++at) {
    if (text[at] < '0' || text[at] > '9') return -1;
    value = value * 10 + (text[at] - '0');
  }
  return value;
}

std::string lower(std::string text) {
  for (char& letter : text) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  const size_t start = text.find_first_not_of(" \t");
  if (start == std::string::npos) return "";
  return text.substr(start, text.find_last_not_of(" \t") - start + 1);
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  size_t start = 0;
  for (size_t end; (end = text.find(at, start)) != std::string::npos; start = end + 1) {
    parts.push_back(text.substr(start, end - start));
  }
  parts.push_back(text.substr(start));
  return parts;
}

void set_engines(const std::string& text, leaf_settings* settings) {
  std::string known;
  for (int code = LEAF_ENGINE_NONE + 1; code < LEAF_ENGINES; ++code) {
    known += (known.empty() ? "" : ", ") + std::string(leaf_engine_name(code));
  }
  int count = 0;
  memset(settings->engines, 0, sizeof settings->engines);
  for (const std::string& part : split(text, ',')) {
    const std::string name = lower(part);
    int code = LEAF_ENGINE_NONE + 1;
    while (code < LEAF_ENGINES && name != leaf_engine_name(code)) ++code;
    if (code == LEAF_ENGINES) {
      throw UsageError("--engine: " + quoted(name.substr(0, 40)) +
                       " is not an engine; expected some of: " + known);
    }
    for (int at = 0; at < count; ++at) {
      if (settings->engines[at] == code) {
        throw UsageError("--engine: engine " + name + " is named twice");
      }
    }
    settings->engines[count++] = code;
  }
}

}  // namespace leaf_tools
