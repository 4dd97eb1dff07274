#include "strict_backend.h"

#include <ATen/Functions.h>
#include <torch/csrc/distributed/c10d/Work.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "../groups.h"

namespace flotilla {

// What several members do together; over once `done`.
struct Meeting {
  std::string what;  // the first member's words for it
  int first;         // who that was
  std::vector<at::Tensor> tensors;  // by member
  int come = 0;
  bool done = false;
};

using MeetingRef = std::shared_ptr<Meeting>;

// What one member launches at once: a collective, or the messages of a group.
struct Operation {
  std::vector<std::function<MeetingRef()>> parts;
  std::vector<MeetingRef> meetings;  // once begun
  bool begun = false;
  bool done = false;
};

using OperationRef = std::shared_ptr<Operation>;

class Communicator {
 public:
  explicit Communicator(int size) : size_(size), next_(size, 0), queues_(size) {}

  // A member's next operation: it begins when the member's operation before it is over, as on the communicator's stream.
  OperationRef add(int member, std::vector<std::function<MeetingRef()>> parts) {
    const std::lock_guard<std::mutex> lock(mutex_);
    queues_[member].push_back(std::make_shared<Operation>(Operation{std::move(parts)}));
    const OperationRef added = queues_[member].back();
    goOn();
    return added;
  }

  // As a part of an operation: the last member to come carries the collective out.
  MeetingRef collective(int member, const std::string& what, const at::Tensor& tensor, const std::function<void(std::vector<at::Tensor>&)>& carryOut) {
    const size_t turn = next_[member]++;
    if (turn == meetings_.size()) meetings_.push_back(std::make_shared<Meeting>(Meeting{what, member, std::vector<at::Tensor>(size_)}));
    const MeetingRef meeting = meetings_[turn];
    if (meeting->what != what)
      fail("collective " + std::to_string(turn) + " of a communicator is " + meeting->what + " on member " + std::to_string(meeting->first) + " and " +
           what + " on member " + std::to_string(member));
    meeting->tensors[member] = tensor;
    if (++meeting->come == size_ && failure_.empty()) {
      carryOut(meeting->tensors);
      meeting->done = true;
    }
    return meeting;
  }

  // As a part of an operation: one side of a message; whoever comes second copies it.
  MeetingRef message(int from, int to, const at::Tensor& tensor, bool sends) {
    auto& sides = messages_[{from, to}];
    std::deque<MeetingRef>&ours = sides[sends], &theirs = sides[!sends];  // those that nobody has met yet
    if (theirs.empty()) {
      ours.push_back(std::make_shared<Meeting>(Meeting{"", sends ? from : to, {tensor}}));
      return ours.back();
    }
    const MeetingRef meeting = theirs.front();
    theirs.pop_front();
    at::Tensor source = sends ? tensor : meeting->tensors[0], target = sends ? meeting->tensors[0] : tensor;
    if (source.nbytes() != target.nbytes())
      fail("a send of " + std::to_string(source.nbytes()) + " bytes from member " + std::to_string(from) + " meets a receive of " +
           std::to_string(target.nbytes()) + " on member " + std::to_string(to));
    else if (failure_.empty()) target.copy_(source);
    meeting->done = true;
    return meeting;
  }

  bool over(const Operation& operation) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return operation.done || !failure_.empty();
  }

  // Throws what failed; false where the time ran out.
  bool wait(const Operation& operation, std::chrono::milliseconds time) {
    std::unique_lock<std::mutex> lock(mutex_);
    const bool over = changed_.wait_for(lock, time, [&] { return operation.done || !failure_.empty(); });
    if (!failure_.empty()) throw std::runtime_error(failure_);
    return over;
  }

  void abort(const std::string& why) {
    const std::lock_guard<std::mutex> lock(mutex_);
    fail(why);
  }

 private:
  // Begins and ends what can be, until nothing changes any more.
  void goOn() {
    for (bool changes = true; changes;) {
      changes = false;
      for (std::deque<OperationRef>& queue : queues_) {
        if (queue.empty()) continue;
        Operation& operation = *queue.front();
        if (!operation.begun) {
          operation.begun = changes = true;
          for (const auto& part : operation.parts) operation.meetings.push_back(part());
        }
        operation.done = std::all_of(operation.meetings.begin(), operation.meetings.end(), [](const MeetingRef& meeting) { return meeting->done; });
        if (!operation.done) continue;
        queue.pop_front();
        changes = true;
      }
    }
    changed_.notify_all();
  }

  void fail(const std::string& why) {
    if (failure_.empty()) failure_ = why;
    changed_.notify_all();
  }

  const int size_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string failure_;
  std::vector<size_t> next_;                      // by member, its next collective
  std::vector<MeetingRef> meetings_;              // of collectives, by turn
  std::vector<std::deque<OperationRef>> queues_;  // by member, what is not over
  std::map<std::pair<int, int>, std::map<bool, std::deque<MeetingRef>>> messages_;  // by from and to, then receives and sends
};

namespace {

// A test that waits longer than this hangs.
constexpr std::chrono::milliseconds longest{20'000};

class StrictWork final : public c10d::Work {
 public:
  StrictWork(std::shared_ptr<Communicator> communicator, OperationRef operation)
      : communicator_(std::move(communicator)), operation_(std::move(operation)) {}

  bool isCompleted() override { return communicator_->over(*operation_); }
  void synchronize() override { wait(kNoTimeout); }
  void abort() override { communicator_->abort("the work was aborted"); }

  bool wait(std::chrono::milliseconds timeout) override {
    const bool timed = timeout != kNoTimeout;
    if (communicator_->wait(*operation_, timed ? timeout : longest)) return true;
    const std::string why = timed ? "a timed wait of " + std::to_string(timeout.count()) + " ms ran out, which aborts the communicator" : "nobody came";
    communicator_->abort(why);
    throw std::runtime_error(why);
  }

 private:
  std::shared_ptr<Communicator> communicator_;
  OperationRef operation_;
};

// What a thread has collected between startCoalescing and endCoalescing; null outside.
thread_local std::unique_ptr<std::vector<std::function<MeetingRef()>>> coalescing;

// Members find their communicator by a name that they pass through the store.
std::mutex knownMutex;
std::map<std::string, std::weak_ptr<Communicator>> known;

std::shared_ptr<Communicator> meet(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size) {
  if (rank == 0) {
    static std::atomic<int> made{0};
    const std::string name = std::to_string(made++);
    auto communicator = std::make_shared<Communicator>(size);
    {
      const std::lock_guard<std::mutex> lock(knownMutex);
      known[name] = communicator;
    }
    store->set("strict", std::vector<uint8_t>(name.begin(), name.end()));
    // All must have it before the first may go.
    for (store->add("members", 1); store->add("members", 0) < size;) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return communicator;
  }
  const std::vector<uint8_t> name = store->get("strict");
  std::shared_ptr<Communicator> communicator;
  {
    const std::lock_guard<std::mutex> lock(knownMutex);
    communicator = known.at(std::string(name.begin(), name.end())).lock();
  }
  store->add("members", 1);
  return communicator;
}

std::string describe(const char* kind, const at::Tensor& tensor, int64_t detail) {
  return std::string(kind) + " " + std::to_string(detail) + " of " + std::to_string(tensor.numel()) + " " + c10::toString(tensor.scalar_type());
}

}  // namespace

StrictBackend::StrictBackend(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size) : Backend(rank, size), communicator_(meet(store, rank, size)) {}

StrictBackend::~StrictBackend() = default;

void StrictBackend::startCoalescing() { coalescing = std::make_unique<std::vector<std::function<MeetingRef()>>>(); }

c10::intrusive_ptr<c10d::Work> StrictBackend::endCoalescing() {
  const auto collected = std::move(coalescing);
  return begin(std::move(*collected));
}

c10::intrusive_ptr<c10d::Work> StrictBackend::allreduce(std::vector<at::Tensor>& tensors, const c10d::AllreduceOptions& options) {
  const bool max = options.reduceOp == c10d::ReduceOp::MAX;
  const auto carryOut = [max](std::vector<at::Tensor>& all) {
    at::Tensor total = all[0].clone();
    for (size_t member = 1; member < all.size(); member++) max ? at::maximum_out(total, total, all[member]) : total.add_(all[member]);
    for (at::Tensor& tensor : all) tensor.copy_(total);
  };
  const std::string what = describe("all_reduce", tensors[0], max);
  return begin({[=, this, tensor = tensors[0]] { return communicator_->collective(getRank(), what, tensor, carryOut); }});
}

c10::intrusive_ptr<c10d::Work> StrictBackend::broadcast(std::vector<at::Tensor>& tensors, const c10d::BroadcastOptions& options) {
  const auto carryOut = [root = options.rootRank](std::vector<at::Tensor>& all) {
    for (at::Tensor& tensor : all) tensor.copy_(all[root]);
  };
  const std::string what = describe("broadcast", tensors[0], options.rootRank);
  return begin({[=, this, tensor = tensors[0]] { return communicator_->collective(getRank(), what, tensor, carryOut); }});
}

c10::intrusive_ptr<c10d::Work> StrictBackend::send(std::vector<at::Tensor>& tensors, int peer, int) { return message(tensors[0], getRank(), peer); }

c10::intrusive_ptr<c10d::Work> StrictBackend::recv(std::vector<at::Tensor>& tensors, int peer, int) { return message(tensors[0], peer, getRank()); }

c10::intrusive_ptr<c10d::Work> StrictBackend::message(const at::Tensor& tensor, int from, int to) {
  const auto part = [=, this] { return communicator_->message(from, to, tensor, from == getRank()); };
  if (!coalescing) return begin({part});
  coalescing->push_back(part);
  return nullptr;  // endCoalescing gives the work of all
}

c10::intrusive_ptr<c10d::Work> StrictBackend::begin(std::vector<std::function<MeetingRef()>> parts) {
  return c10::make_intrusive<StrictWork>(communicator_, communicator_->add(getRank(), std::move(parts)));
}

namespace {

const BackendRegistration strict("strict", [](const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                                              std::chrono::milliseconds) -> c10::intrusive_ptr<c10d::Backend> {
  return c10::make_intrusive<StrictBackend>(store, rank, size);
});

}  // namespace

}  // namespace flotilla
