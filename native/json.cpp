#include "json.h"

#include <charconv>
#include <cmath>
#include <stdexcept>

namespace flotilla::json {

namespace {

[[noreturn]] void mismatch(std::string_view what, const char* expected) {
  throw std::invalid_argument("'" + std::string(what) + "' is not " + expected);
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Value document() {
    Value value = read(0);
    skipSpace();
    if (position_ != text_.size()) fail("text after the value");
    return value;
  }

 private:
  static constexpr int deepest = 64;

  Value read(int depth) {
    if (depth > deepest) fail("nested too deeply");
    skipSpace();
    Value value;
    switch (peek()) {
      case '{':
        value.kind = Value::Kind::object;
        readList('}', [&] {
          skipSpace();
          std::string name = readString();
          skipSpace();
          expect(':');
          value.members.emplace_back(std::move(name), read(depth + 1));
        });
        break;
      case '[':
        value.kind = Value::Kind::array;
        readList(']', [&] { value.items.push_back(read(depth + 1)); });
        break;
      case '"':
        value.kind = Value::Kind::string;
        value.string = readString();
        break;
      case 't':
        readWord("true");
        value.kind = Value::Kind::boolean;
        value.boolean = true;
        break;
      case 'f':
        readWord("false");
        value.kind = Value::Kind::boolean;
        break;
      case 'n':
        readWord("null");
        break;
      default:
        value.kind = Value::Kind::number;
        value.number = readNumber();
    }
    return value;
  }

  template <typename ReadOne>
  void readList(char end, ReadOne readOne) {
    position_++;
    skipSpace();
    if (peek() == end) {
      position_++;
      return;
    }
    for (;;) {
      readOne();
      skipSpace();
      if (peek() == end) {
        position_++;
        return;
      }
      expect(',');
    }
  }

  std::string readString() {
    expect('"');
    std::string out;
    for (;;) {
      const char c = peek();
      position_++;
      if (c == '"') return out;
      if (static_cast<unsigned char>(c) < 0x20) fail("control character in a string");
      if (c != '\\') {
        out += c;
        continue;
      }
      const char escape = peek();
      position_++;
      switch (escape) {
        case '"': case '\\': case '/': out += escape; break;
        case 'b': out += '\b'; break;
        case 'f': out += '\f'; break;
        case 'n': out += '\n'; break;
        case 'r': out += '\r'; break;
        case 't': out += '\t'; break;
        case 'u': appendUtf8(out, readCodePoint()); break;
        default: fail("unknown escape");
      }
    }
  }

  uint32_t readCodePoint() {
    const uint32_t first = readHex();
    if (first < 0xD800 || first > 0xDFFF) return first;
    if (first > 0xDBFF || text_.substr(position_, 2) != "\\u") fail("half of a surrogate pair");
    position_ += 2;
    const uint32_t second = readHex();
    if (second < 0xDC00 || second > 0xDFFF) fail("half of a surrogate pair");
    return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
  }

  uint32_t readHex() {
    uint32_t value = 0;
    const std::string_view digits = text_.substr(position_, 4);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (error != std::errc() || end != digits.data() + 4) fail("bad \\u escape");
    position_ += 4;
    return value;
  }

  static void appendUtf8(std::string& out, uint32_t code) {
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else if (code < 0x800) {
      out += static_cast<char>(0xC0 | code >> 6);
      out += static_cast<char>(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
      out += static_cast<char>(0xE0 | code >> 12);
      out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
      out += static_cast<char>(0x80 | (code & 0x3F));
    } else {
      out += static_cast<char>(0xF0 | code >> 18);
      out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
      out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
      out += static_cast<char>(0x80 | (code & 0x3F));
    }
  }

  double readNumber() {
    double value = 0;
    const char* begin = text_.data() + position_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    // from_chars also reads "inf" and "nan", which JSON has not.
    if (error != std::errc() || !(*begin == '-' || (*begin >= '0' && *begin <= '9')) || !std::isfinite(value)) fail("no value");
    position_ += end - begin;
    return value;
  }

  void readWord(std::string_view word) {
    if (text_.substr(position_, word.size()) != word) fail("no value");
    position_ += word.size();
  }

  void skipSpace() {
    while (position_ < text_.size() && (text_[position_] == ' ' || text_[position_] == '\n' || text_[position_] == '\t' || text_[position_] == '\r'))
      position_++;
  }

  char peek() const {
    if (position_ >= text_.size()) fail("the text ends early");
    return text_[position_];
  }

  void expect(char c) {
    if (peek() != c) fail((std::string("expected '") + c + "'").c_str());
    position_++;
  }

  [[noreturn]] void fail(const char* why) const {
    throw std::invalid_argument("JSON, byte " + std::to_string(position_) + ": " + why);
  }

  std::string_view text_;
  size_t position_ = 0;
};

}  // namespace

const Value* Value::find(std::string_view name) const {
  for (const auto& [key, value] : members)
    if (key == name) return value.isNull() ? nullptr : &value;
  return nullptr;
}

const Value& Value::at(std::string_view name) const {
  for (const auto& [key, value] : members)
    if (key == name) return value;
  throw std::invalid_argument("field '" + std::string(name) + "' is missing");
}

const std::string& Value::asString(std::string_view what) const {
  if (kind != Kind::string) mismatch(what, "a string");
  return string;
}

double Value::asNumber(std::string_view what) const {
  if (kind != Kind::number) mismatch(what, "a number");
  return number;
}

int64_t Value::asInteger(std::string_view what) const {
  const double value = asNumber(what);
  if (value != std::floor(value) || std::fabs(value) > 9007199254740992.0) mismatch(what, "an integer");
  return static_cast<int64_t>(value);
}

const std::vector<Value>& Value::asArray(std::string_view what) const {
  if (kind != Kind::array) mismatch(what, "a list");
  return items;
}

std::vector<int64_t> Value::asIntegers(std::string_view what) const {
  std::vector<int64_t> integers;
  for (const Value& item : asArray(what)) integers.push_back(item.asInteger(what));
  return integers;
}

Value parse(std::string_view text) { return Reader(text).document(); }

}  // namespace flotilla::json
