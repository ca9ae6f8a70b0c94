// Numbers and names as the Python command writes them.
#pragma once

#include <string>

namespace leaf_tools {

// The shortest text that gives the same double, as Python's repr(): "3.25", "1.0", "1e-05".
std::string number_text(double value);

// `value` rounded to `decimals`, as Python's round(): exact, ties to even.
double rounded(double value, int decimals);

// A string of JSON, all ASCII, as json.dumps() writes one. Bytes that are no UTF-8, which file
// names may have, become lone surrogates, as os.fsdecode() makes them.
std::string json_text(const std::string& bytes);

// A field of a CSV file, in quotes where it needs them.
std::string csv_text(const std::string& bytes);

// `bytes` for a terminal: what it cannot show, or should not obey, is escaped.
std::string printable(const std::string& bytes);

}  // namespace leaf_tools
