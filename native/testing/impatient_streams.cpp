// The CPU's streams with a waiter whose polls run out after a few milliseconds: the moment in which a poll runs out and its work is completed,
// which a wait of half a second meets once in a thousand times, tests then meet within a second.
//
// Streams of the kind `impatient:MILLISECONDS` in a test build.
#include <chrono>
#include <memory>
#include <string>

#include "../inline_streams.h"
#include "../streams.h"
#include "../waiter.h"

namespace flotilla {

namespace {

const StreamsRegistration impatient("impatient", [](const std::string& milliseconds, Waiter& waiter) -> std::unique_ptr<Streams> {
  waiter.pollEvery(std::chrono::milliseconds(std::stoll(milliseconds)));
  return std::make_unique<InlineStreams>(waiter);
});

}  // namespace

}  // namespace flotilla
