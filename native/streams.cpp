#include "streams.h"

#include <map>

#include "device_streams.h"
#include "error.h"
#include "inline_streams.h"

namespace flotilla {

namespace {

std::map<std::string, StreamsFactory>& table() {
  static std::map<std::string, StreamsFactory> kinds;
  return kinds;
}

}  // namespace

StreamsRegistration::StreamsRegistration(const char* name, StreamsFactory factory) { table().emplace(name, factory); }

std::unique_ptr<Streams> makeStreams(const std::string& kind, c10::Device device, Waiter& waiter) {
  if (kind.empty() && device.is_cpu()) return std::make_unique<InlineStreams>(waiter);
  if (kind.empty()) return std::make_unique<DeviceStreams>(device, waiter);
  const size_t colon = kind.find(':');
  const auto found = table().find(kind.substr(0, colon));
  if (found == table().end()) throw EngineError("device-unknown", "this build has no streams of the kind '" + kind + "'");
  return found->second(colon == std::string::npos ? "" : kind.substr(colon + 1), waiter);
}

}  // namespace flotilla
