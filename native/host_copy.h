// Bytes between the host's memory and a device's.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>

namespace flotilla {

// On the current stream, after what was launched there. Into a device it returns when the host's bytes may change: they wait in pinned memory,
// and the stream is not stopped. Out of a device it returns when the bytes are there.
void copyToDevice(char* inside, const char* outside, int64_t bytes, c10::Device device);
void copyFromDevice(char* outside, const char* inside, int64_t bytes, c10::Device device);

}  // namespace flotilla
