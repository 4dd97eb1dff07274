// The rendezvous store for the runtime: heartbeats, hashes, votes. A thread of its own with a connection of its own, so that a key
// awaited for minutes holds up neither the event loop nor the executor nor another key.
#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "async.h"

namespace flotilla {

// One operation on the store. Settles with undefined (set), the value as a Uint8Array (get: waits for the key), the sum (add).
class StoreJob : public AsyncJob {
 public:
  enum class Kind { set, get, add };

  // `owner` keeps `completions` alive.
  StoreJob(std::shared_ptr<void> owner, Completions& completions, int rank, Kind kind, std::string key, std::chrono::milliseconds timeout);

  std::vector<uint8_t> value;  // set: what to write; get: what was read
  int64_t number = 0;          // add: the amount, then the sum

  // Tries without blocking; false when what is awaited is not there yet.
  bool attempt(c10d::Store& store);
  // Makes it fail: the engine closes.
  void cancel();

 protected:
  void work() override;
  Napi::Value result(Napi::Env env) override;

 private:
  bool tryOnce(c10d::Store& store);

  std::shared_ptr<void> owner_;
  Kind kind_;
  std::string key_;
  std::chrono::steady_clock::time_point deadline_;
  std::exception_ptr failure_;
};

class StoreClient {
 public:
  explicit StoreClient(c10::intrusive_ptr<c10d::Store> store);
  // Fails what is still awaited.
  ~StoreClient();

  void submit(StoreJob& job);

  // From now on adds one to a counter every so often, whatever the other threads do: who reads it sees that this process runs.
  void beat(const std::string& key, std::chrono::milliseconds interval);

 private:
  using Clock = std::chrono::steady_clock;

  void loop();
  void beatWhenDue();

  c10::intrusive_ptr<c10d::Store> store_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<StoreJob*> submitted_;
  bool stopping_ = false;
  std::string beatKey_;  // empty: no beat
  std::chrono::milliseconds beatInterval_{0};
  Clock::time_point nextBeat_;
  std::thread thread_;
};

}  // namespace flotilla
