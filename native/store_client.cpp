#include "store_client.h"

#include <cstring>

namespace flotilla {

namespace {

// How soon after its writing a key is seen; one look costs a round trip.
constexpr std::chrono::milliseconds pollInterval{10};

}  // namespace

StoreJob::StoreJob(std::shared_ptr<void> owner, Completions& completions, int rank, Kind kind, std::string key, std::chrono::milliseconds timeout)
    : AsyncJob(completions, rank), owner_(std::move(owner)), kind_(kind), key_(std::move(key)), deadline_(std::chrono::steady_clock::now() + timeout) {}

bool StoreJob::attempt(c10d::Store& store) {
  try {
    // The clock first: whatever holds this thread up between the two, a key that was there in time is found.
    const bool late = std::chrono::steady_clock::now() >= deadline_;
    if (tryOnce(store)) return true;
    if (!late) return false;
    throw EngineError("store-timeout", "no rank has written '" + key_ + "' to the store in time");
  } catch (...) {
    failure_ = std::current_exception();
    return true;
  }
}

void StoreJob::cancel() { failure_ = std::make_exception_ptr(EngineError("aborted", "the engine was closed while '" + key_ + "' was awaited")); }

bool StoreJob::tryOnce(c10d::Store& store) {
  switch (kind_) {
    case Kind::set:
      store.set(key_, value);
      return true;
    case Kind::add:
      number = store.add(key_, number);
      return true;
    case Kind::get:
      if (!store.check({key_})) return false;
      value = store.get(key_);
      return true;
  }
  return true;
}

void StoreJob::work() {
  if (!failure_) return;
  try {
    std::rethrow_exception(failure_);
  } catch (const EngineError&) {
    throw;
  } catch (const std::exception& error) {
    throw EngineError("store-failed", "'" + key_ + "': " + describeException(error));
  }
}

Napi::Value StoreJob::result(Napi::Env env) {
  if (kind_ == Kind::add) return Napi::Number::New(env, static_cast<double>(number));
  if (kind_ == Kind::set) return env.Undefined();
  Napi::Uint8Array bytes = Napi::Uint8Array::New(env, value.size());
  if (!value.empty()) std::memcpy(bytes.Data(), value.data(), value.size());
  return bytes;
}

StoreClient::StoreClient(c10::intrusive_ptr<c10d::Store> store) : store_(std::move(store)), thread_([this] { loop(); }) {}

StoreClient::~StoreClient() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void StoreClient::submit(StoreJob& job) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    submitted_.push_back(&job);
  }
  changed_.notify_all();
}

void StoreClient::beat(const std::string& key, std::chrono::milliseconds interval) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    beatKey_ = key;
    beatInterval_ = interval;
    nextBeat_ = Clock::now();
  }
  changed_.notify_all();
}

// On the thread of the loop, with mutex_ not held.
void StoreClient::beatWhenDue() {
  std::string key;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (beatKey_.empty() || Clock::now() < nextBeat_) return;
    key = beatKey_;
    nextBeat_ = Clock::now() + beatInterval_;
  }
  try {
    store_->add(key, 1);
  } catch (const std::exception&) {
    // The store is gone: whoever asks it next is told.
  }
}

void StoreClient::loop() {
  std::vector<StoreJob*> pending;
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    const auto news = [&] { return stopping_ || !submitted_.empty(); };
    if (!pending.empty()) changed_.wait_for(lock, pollInterval, news);
    else if (beatKey_.empty()) changed_.wait(lock, [&] { return news() || !beatKey_.empty(); });
    else changed_.wait_until(lock, Clock::time_point(nextBeat_), news);
    pending.insert(pending.end(), submitted_.begin(), submitted_.end());
    submitted_.clear();
    if (stopping_) break;
    lock.unlock();
    beatWhenDue();
    std::erase_if(pending, [&](StoreJob* job) {
      if (!job->attempt(*store_)) return false;
      job->run();  // settles; the job is no longer ours
      return true;
    });
    lock.lock();
  }
  for (StoreJob* job : pending) {
    job->cancel();
    job->run();
  }
}

}  // namespace flotilla
