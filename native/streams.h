// Where launches run: streams, each of which works in order, and events that order one stream after another. The executor hands a
// step over launch by launch and waits for nothing until its end, so the same plan (stream_plan.h) serves a device whose streams run by
// themselves (CUDA), the executor's own thread (the CPU), and threads that a test holds and starves.
#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace flotilla {

class Waits;
class Waiter;

// Times of one launch in seconds since the step began: when its stream took it up, when it was done with it, and, for communication,
// when the data was known to have arrived (NaN for the rest). Where streams run by themselves these are the device's times.
struct LaunchTimes {
  double start = 0;
  double end = 0;
  double completed = 0;
};

// One launch, as a stream runs it.
class StreamTask {
 public:
  virtual ~StreamTask() = default;

  // A kernel: all of it, or its hand-over to the device. Communication: its beginning; returns at once.
  virtual void start() = 0;

  // Communication: when it returns, what follows on this stream sees the data, and the input may be overwritten.
  virtual void finish(Waits& waits) {}

  // Communication that is traced: `callback` runs when the data has arrived, on any thread, where the backend can tell.
  virtual void onCompletion(std::function<void()> callback) {}
};

class Streams {
 public:
  static constexpr int compute = 0;  // kernels and copies; every other stream carries communication

  virtual ~Streams() = default;

  // Once, by the thread that will launch, before all else: what the device makes lazily (handles, workspaces) is made here.
  virtual void attach() {}

  // A program is about to be loaded that uses so many streams and events, and has so many launches.
  virtual void reserve(int streams, size_t events, size_t launches) = 0;

  // A step begins. `times` has an entry a launch, written by the end of finish(); null where the step is not traced.
  virtual void begin(std::vector<LaunchTimes>* times) = 0;

  // Launch `index` of the program. May throw what the task throws; a stream that runs by itself keeps that for finish().
  virtual void launch(int stream, size_t index, StreamTask& task) = 0;

  // The event happens when the stream has come so far.
  virtual void record(size_t event, int stream) = 0;

  // The stream goes on once the event, as it was recorded last, has happened.
  virtual void wait(int stream, size_t event) = 0;

  // Of a traced step: launch `index` takes place between the two, waits for its sake included.
  virtual void beginLaunch(size_t index, int stream) {}
  virtual void endLaunch(size_t index, int stream) {}

  // The host waits for everything launched. Throws what went wrong, or EngineError 'aborted' within a second of an abort.
  virtual void finish() = 0;

  // Seconds in which the host waited for communication or for the device during the last step.
  virtual double waitSeconds() const = 0;

  // Bytes that libraries held at the most inside each launch of the last traced step, beyond the arena; null where nobody knows.
  virtual const std::vector<double>* libraryBytes() const { return nullptr; }
};

// The streams of a device: inline_streams.h for the CPU, device_streams.h for CUDA. `kind` names others, which a test build has; empty
// for the device's own. Throws EngineError 'device-unknown' where there are none of that kind.
std::unique_ptr<Streams> makeStreams(const std::string& kind, c10::Device device, Waiter& waiter);

// Adds a kind of streams under a name, before main. `argument` is what stands behind a colon in the name asked for.
using StreamsFactory = std::unique_ptr<Streams> (*)(const std::string& argument, Waiter& waiter);
struct StreamsRegistration {
  StreamsRegistration(const char* name, StreamsFactory factory);
};

}  // namespace flotilla
