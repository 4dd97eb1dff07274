// What goes wrong in the engine, with its place: addon.cpp turns it into an error of TypeScript's with the same fields.
#pragma once

#include <stdexcept>
#include <string>

namespace flotilla {

struct EngineError : std::runtime_error {
  // One of the codes that src/engine/native/diagnostics.ts knows.
  std::string code;
  std::string op;  // a kernel's or collective's name; empty for none
  std::string at;  // the place in the model that the launch names; empty for none
  int group = -1;  // the group of a collective; -1 for none

  EngineError(std::string code, const std::string& message, std::string op = "", std::string at = "", int group = -1)
      : std::runtime_error(message), code(std::move(code)), op(std::move(op)), at(std::move(at)), group(group) {}
};

// The text of any exception, without the C++ backtrace that c10::Error appends.
std::string describeException(const std::exception& error);

}  // namespace flotilla
