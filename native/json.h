// A strict JSON reader (RFC 8259), for programs: no comments, no trailing commas, nothing after the value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace flotilla::json {

// A JSON value. Accessors throw std::invalid_argument naming the field when the kind is another.
class Value {
 public:
  enum class Kind { null, boolean, number, string, array, object };

  Kind kind = Kind::null;
  bool boolean = false;
  double number = 0;
  std::string string;
  std::vector<Value> items;                            // of an array
  std::vector<std::pair<std::string, Value>> members;  // of an object

  bool isNull() const { return kind == Kind::null; }

  // The member of that name; throws when there is none.
  const Value& at(std::string_view name) const;
  // The member of that name, or nullptr when it is absent or null.
  const Value* find(std::string_view name) const;

  const std::string& asString(std::string_view what) const;
  double asNumber(std::string_view what) const;
  int64_t asInteger(std::string_view what) const;  // throws for fractions and beyond 2^53
  const std::vector<Value>& asArray(std::string_view what) const;
  std::vector<int64_t> asIntegers(std::string_view what) const;
};

// Throws std::invalid_argument with the byte where reading failed.
Value parse(std::string_view text);

}  // namespace flotilla::json
