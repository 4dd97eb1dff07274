#include "error.h"

#include <c10/util/Exception.h>

namespace flotilla {

std::string describeException(const std::exception& error) {
  if (const auto* torchError = dynamic_cast<const c10::Error*>(&error)) return torchError->what_without_backtrace();
  return error.what();
}

}  // namespace flotilla
