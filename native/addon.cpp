// What TypeScript sees of the engine: one function each, documented and typed in src/engine/native/bridge.ts.
#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/util/Logging.h>
#include <dlfcn.h>
#include <napi.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <sstream>

#include "async.h"
#include "content_hash.h"
#include "cpu.h"
#include "engine.h"
#include "host_copy.h"
#include "program.h"
#include "store_client.h"

namespace flotilla {

namespace {

// An engine and what ties it to JavaScript.
class Handle {
 public:
  Handle(Napi::Env env, std::unique_ptr<Engine> opened) : engine(std::move(opened)), completions(env), env_(env) {
    // Hooks run in reverse order: this one while `completions` still works.
    napi_add_env_cleanup_hook(env_, end, this);
  }
  ~Handle() {
    if (!ended_) napi_remove_env_cleanup_hook(env_, end, this);
  }

  Engine& open() {
    if (!engine) throw EngineError("closed", "the engine is closed");
    return *engine;
  }

  std::unique_ptr<Engine> engine;  // null once closed
  std::unique_ptr<StoreClient> store;
  Completions completions;
  int executing = 0;  // promises of the executor that are not settled yet

 private:
  // Node ends the environment: from here on no thread of ours may call into it.
  static void end(void* self) {
    auto* handle = static_cast<Handle*>(self);
    handle->ended_ = true;
    handle->store.reset();
    if (handle->engine && !handle->engine->executor->waitIdle(0)) handle->engine->abort("the process is ending");
    handle->engine.reset();
    handle->completions.end();
  }

  napi_env env_;
  bool ended_ = false;
};

using HandleRef = std::shared_ptr<Handle>;

class RunJob;

struct LoadedProgram {
  HandleRef handle;
  std::unique_ptr<Program> program;
  std::unique_ptr<RunJob> job;
};

using ProgramRef = std::shared_ptr<LoadedProgram>;

template <typename T>
Napi::Value wrap(Napi::Env env, std::shared_ptr<T> value) {
  return Napi::External<std::shared_ptr<T>>::New(env, new std::shared_ptr<T>(std::move(value)),
                                                 [](Napi::Env, std::shared_ptr<T>* held) { delete held; });
}

HandleRef handleOf(const Napi::CallbackInfo& info) { return *info[0].As<Napi::External<HandleRef>>().Data(); }
ProgramRef programOf(const Napi::CallbackInfo& info) { return *info[0].As<Napi::External<ProgramRef>>().Data(); }

int64_t integer(const Napi::Value& value) { return value.As<Napi::Number>().Int64Value(); }

// Runs `body`; its C++ exceptions become errors of JavaScript.
template <typename Body>
Napi::Value guarded(const Napi::CallbackInfo& info, Body body) {
  try {
    return body(info.Env());
  } catch (const EngineError& error) {
    throw toJsError(info.Env(), error, -1);
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& error) {
    throw toJsError(info.Env(), EngineError("engine-failed", describeException(error)), -1);
  }
}

// Work on the executor thread whose outcome is a value.
class Task : public AsyncJob {
 public:
  using Work = std::function<void()>;
  using Result = std::function<Napi::Value(Napi::Env)>;

  Task(HandleRef handle, Work work, Result result)
      : AsyncJob(handle->completions, handle->open().rank), handle_(std::move(handle)), work_(std::move(work)), result_(std::move(result)) {}

 protected:
  void work() override { work_(); }
  Napi::Value result(Napi::Env env) override { return result_(env); }
  void finished() override {
    handle_->executing--;
    delete this;
  }

 private:
  HandleRef handle_;
  Work work_;
  Result result_;
};

Napi::Value onExecutor(Napi::Env env, const HandleRef& handle, Task::Work work, Task::Result result) {
  auto* task = new Task(handle, std::move(work), std::move(result));
  const Napi::Promise promise = task->begin(env);
  handle->executing++;
  handle->open().executor->submit(*task);
  return promise;
}

// One step. Kept with its program and used again, so that a step allocates nothing here.
class RunJob : public AsyncJob {
 public:
  RunJob(Handle& handle, Program& program) : AsyncJob(handle.completions, handle.open().rank), handle_(handle), program_(program) {}

  Napi::Value start(Napi::Env env, ProgramRef self, bool traced) {
    if (self_) throw EngineError("program-running", "the program is already running");
    Engine& engine = handle_.open();
    self_ = std::move(self);
    traced_ = traced;
    const Napi::Promise promise = begin(env);
    handle_.executing++;
    engine.executor->submit(*this);
    return promise;
  }

 protected:
  void work() override {
    Engine& engine = *handle_.engine;
    engine.waiter->check();
    report_ = program_.run(traced_);
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Object report = Napi::Object::New(env);
    report.Set("seconds", report_.seconds);
    report.Set("waitSeconds", report_.waitSeconds);
    report.Set("launches", static_cast<double>(program_.launches()));
    report.Set("trace", traced_ ? trace(env) : env.Null());
    report.Set("libraryBytes", traced_ ? libraryBytes(env) : env.Null());
    if (program_.nonFinite().launch >= 0) report.Set("nonFinite", nonFinite(env));
    return report;
  }

  void finished() override {
    handle_.executing--;
    self_.reset();  // may free this
  }

 private:
  Napi::Value nonFinite(Napi::Env env) {
    const NonFinite& seen = program_.nonFinite();
    Napi::Object object = Napi::Object::New(env);
    object.Set("launch", static_cast<double>(seen.launch));
    object.Set("operand", static_cast<double>(seen.operand));
    object.Set("kind", seen.nan ? "NaN" : "Infinity");
    Napi::Uint8Array elements = Napi::Uint8Array::New(env, seen.elements.size());
    std::copy(seen.elements.begin(), seen.elements.end(), elements.Data());
    object.Set("elements", elements);
    return object;
  }

  Napi::Value trace(Napi::Env env) {
    const std::vector<LaunchTimes>& times = program_.times();
    static_assert(sizeof(LaunchTimes) == 3 * sizeof(double));
    Napi::Float64Array values = Napi::Float64Array::New(env, times.size() * 3);
    if (!times.empty()) std::memcpy(values.Data(), times.data(), times.size() * sizeof(LaunchTimes));
    return values;
  }

  Napi::Value libraryBytes(Napi::Env env) {
    const std::vector<double>* bytes = program_.libraryBytes();
    if (!bytes) return env.Null();
    Napi::Float64Array values = Napi::Float64Array::New(env, program_.launches());
    std::copy_n(bytes->begin(), program_.launches(), values.Data());
    return values;
  }

  Handle& handle_;
  Program& program_;
  ProgramRef self_;  // keeps the program alive while it runs
  bool traced_ = false;
  StepReport report_;
};

std::vector<std::string> words(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), {}};
}

// The torch package whose libraries this process has loaded.
std::string torchPath() {
  Dl_info found;
  if (!dladdr(reinterpret_cast<const void*>(&c10::GetCPUAllocator), &found)) return "";
  return std::filesystem::canonical(found.dli_fname).parent_path().parent_path();
}

Napi::Value describe(const Napi::CallbackInfo& info) {
  return guarded(info, [&](Napi::Env env) {
    const auto list = [&](const std::vector<std::string>& names) {
      Napi::Array array = Napi::Array::New(env, names.size());
      for (size_t i = 0; i < names.size(); i++) array.Set(static_cast<uint32_t>(i), names[i]);
      return array;
    };
    const std::string cuda = FLOTILLA_TORCH_CUDA;
    const int gpus = cuda.empty() ? 0 : at::detail::getCUDAHooks().deviceCount();
    Napi::Object described = Napi::Object::New(env);
    described.Set("torch", FLOTILLA_TORCH_VERSION);
    described.Set("torchCuda", cuda.empty() ? env.Null() : Napi::Value::From(env, cuda));
    described.Set("torchPath", torchPath());
    described.Set("ncclLacks", list(words(FLOTILLA_NCCL_LACKS)));
    described.Set("gpus", gpus);
    described.Set("cpu", list(cpuFeatures()));
    described.Set("backends", list(backends()));
    described.Set("kernels", list(kernelNames()));
    described.Set("threads", at::get_num_threads());
    return Napi::Value(described);
  });
}

Napi::Value open(const Napi::CallbackInfo& info) {
  return guarded(info, [&](Napi::Env env) {
    const Napi::Object options = info[0].As<Napi::Object>();
    const auto text = [&](const char* field) { return options.Get(field).IsString() ? options.Get(field).As<Napi::String>().Utf8Value() : std::string(); };
    auto engine = std::make_unique<Engine>(text("device"), text("streams"), integer(options.Get("threads")), integer(options.Get("arenaBytes")),
                                           integer(options.Get("rank")));
    return wrap(env, std::make_shared<Handle>(env, std::move(engine)));
  });
}

Napi::Value rendezvous(const Napi::CallbackInfo& info) {
  return guarded(info, [&](Napi::Env env) {
    const HandleRef handle = handleOf(info);
    const Napi::Object from = info[1].As<Napi::Object>();
    RendezvousOptions options;
    options.address = from.Get("address").As<Napi::String>().Utf8Value();
    options.port = integer(from.Get("port"));
    options.rank = integer(from.Get("rank"));
    options.worldSize = integer(from.Get("worldSize"));
    options.hostStore = from.Get("hostStore").As<Napi::Boolean>().Value();
    if (from.Get("listenFd").IsNumber()) options.listenFd = integer(from.Get("listenFd"));
    options.generation = from.Get("generation").As<Napi::String>().Utf8Value();
    options.storeOnly = from.Get("storeOnly").ToBoolean().Value();
    if (from.Get("backend").IsString()) options.backend = from.Get("backend").As<Napi::String>().Utf8Value();
    options.timeout = std::chrono::milliseconds(static_cast<int64_t>(1000 * from.Get("timeoutSeconds").As<Napi::Number>().DoubleValue()));
    options.operationTimeout = std::chrono::milliseconds(static_cast<int64_t>(1000 * from.Get("operationTimeoutSeconds").As<Napi::Number>().DoubleValue()));
    return onExecutor(
        env, handle,
        [handle, options] {
          Engine& engine = handle->open();
          engine.requireReady();
          if (engine.groups) throw EngineError("rendezvous-failed", "this rank has already met the others");
          engine.rank = options.rank;
          auto groups = std::make_unique<Groups>(options, engine.device);
          handle->store = std::make_unique<StoreClient>(groups->cloneStore());
          engine.groups = std::move(groups);
        },
        [handle](Napi::Env e) { return Napi::Number::New(e, handle->open().groups->port()); });
  });
}

Napi::Value storeOperation(const Napi::CallbackInfo& info, StoreJob::Kind kind) {
  return guarded(info, [&](Napi::Env env) {
    const HandleRef handle = handleOf(info);
    Engine& engine = handle->open();
    if (!handle->store) throw EngineError("rendezvous-failed", "there is no store before rendezvous()");
    const double seconds = kind == StoreJob::Kind::get ? info[2].As<Napi::Number>().DoubleValue() : 0;
    auto job = std::make_unique<StoreJob>(handle, handle->completions, engine.rank, kind, info[1].As<Napi::String>().Utf8Value(),
                                          std::chrono::milliseconds(static_cast<int64_t>(1000 * seconds)));
    if (kind == StoreJob::Kind::set) {
      const Napi::Uint8Array bytes = info[2].As<Napi::Uint8Array>();
      job->value.assign(bytes.Data(), bytes.Data() + bytes.ByteLength());
    }
    if (kind == StoreJob::Kind::add) job->number = integer(info[2]);
    const Napi::Promise promise = job->begin(env);
    handle->store->submit(*job.release());
    return Napi::Value(promise);
  });
}

Napi::Value storeSet(const Napi::CallbackInfo& info) { return storeOperation(info, StoreJob::Kind::set); }
Napi::Value storeGet(const Napi::CallbackInfo& info) { return storeOperation(info, StoreJob::Kind::get); }
Napi::Value storeAdd(const Napi::CallbackInfo& info) { return storeOperation(info, StoreJob::Kind::add); }

Napi::Value storeBeat(const Napi::CallbackInfo& info) {
  return guarded(info, [&](Napi::Env env) {
    const HandleRef handle = handleOf(info);
    if (!handle->store) throw EngineError("rendezvous-failed", "there is no store before rendezvous()");
    handle->store->beat(info[1].As<Napi::String>().Utf8Value(), std::chrono::milliseconds(static_cast<int64_t>(1000 * info[2].As<Napi::Number>().DoubleValue())));
    return env.Undefined();
  });
}

Napi::Value load(const Napi::CallbackInfo& info) {
  return guarded(info, [&](Napi::Env env) {
    const HandleRef handle = handleOf(info);
    auto text = std::make_shared<std::string>(info[1].As<Napi::String>().Utf8Value());
    const bool watch = info[2].As<Napi::Boolean>().Value();
    auto loaded = std::make_shared<LoadedProgram>();
    loaded->handle = handle;
    return onExecutor(
        env, handle,
        [handle, text, watch, loaded] {
          Engine& engine = handle->open();
          engine.waiter->check();
          engine.requireReady();
          loaded->program = std::make_unique<Program>(parseProgram(*text), *engine.arena, engine.groups.get(), *engine.streams, watch);
          loaded->job = std::make_unique<RunJob>(*handle, *loaded->program);
        },
        [loaded](Napi::Env e) {
          Napi::Object result = Napi::Object::New(e);
          result.Set("program", wrap(e, loaded));
          result.Set("launches", static_cast<double>(loaded->program->launches()));
          return result;
        });
  });
}

Napi::Value run(const Napi::CallbackInfo& info) {
  return guarded(info, [&](Napi::Env env) {
    const ProgramRef program = programOf(info);
    return program->job->start(env, program, info[1].As<Napi::Boolean>().Value());
  });
}

Napi::Value memory(const Napi::CallbackInfo& info) {
  return guarded(info, [&](Napi::Env env) {
    Engine& engine = handleOf(info)->open();
    if (!engine.device.is_cpu()) throw EngineError("memory-not-mapped", "memory on " + engine.device.str() + " has no window: use read() and write()");
    const int64_t bytes = integer(info[2]);
    char* address = engine.arena->address(integer(info[1]), bytes);
    if (bytes == 0) return Napi::Value(Napi::ArrayBuffer::New(env, 0));
    // The window keeps the arena's memory, also beyond close().
    auto* held = new std::shared_ptr<Arena>(engine.arena);
    return Napi::Value(Napi::ArrayBuffer::New(env, address, bytes, [](Napi::Env, void*, std::shared_ptr<Arena>* arena) { delete arena; }, held));
  });
}

// Copies between a Uint8Array and the arena, on any device.
Napi::Value copyBytes(const Napi::CallbackInfo& info, bool intoArena) {
  return guarded(info, [&](Napi::Env env) {
    const HandleRef handle = handleOf(info);
    Engine& engine = handle->open();
    const Napi::Uint8Array host = info[2].As<Napi::Uint8Array>();
    const int64_t bytes = host.ByteLength();
    char* address = engine.arena->address(integer(info[1]), bytes);
    auto kept = std::make_shared<Napi::ObjectReference>(Napi::Persistent(host.As<Napi::Object>()));
    void* data = const_cast<uint8_t*>(host.Data());
    return onExecutor(
        env, handle,
        [handle, address, data, bytes, intoArena] {
          Engine& engine = handle->open();
          engine.requireReady();
          char* outside = reinterpret_cast<char*>(data);
          if (intoArena) copyToDevice(address, outside, bytes, engine.device);
          else copyFromDevice(outside, address, bytes, engine.device);
        },
        [kept](Napi::Env e) {
          kept->Reset();
          return e.Undefined();
        });
  });
}

Napi::Value read(const Napi::CallbackInfo& info) { return copyBytes(info, false); }
Napi::Value write(const Napi::CallbackInfo& info) { return copyBytes(info, true); }

// Boxes as numbers, one behind the other: hash, offset, bytes of an element, start, elements of a run, dimensions, sizes, strides.
std::vector<HashedBox> boxesOf(const Napi::Float64Array& numbers, const Arena& arena) {
  std::vector<HashedBox> boxes;
  const double* at = numbers.Data();
  const double* const end = at + numbers.ElementLength();
  const auto next = [&] { return static_cast<int64_t>(*at++); };
  while (at < end) {
    HashedBox box;
    box.hash = next();
    const int64_t offset = next();
    box.elementBytes = next();
    box.start = next();
    box.run = next();
    const int64_t dimensions = next();
    int64_t elements = box.run;
    for (int64_t d = 0; d < dimensions; d++) elements *= box.sizes.emplace_back(next());
    for (int64_t d = 0; d < dimensions; d++) box.strides.push_back(next());
    box.data = arena.address(offset, elements * box.elementBytes);
    boxes.push_back(std::move(box));
  }
  return boxes;
}

Napi::Value hash(const Napi::CallbackInfo& info) {
  return guarded(info, [&](Napi::Env env) {
    const HandleRef handle = handleOf(info);
    auto boxes = std::make_shared<std::vector<HashedBox>>(boxesOf(info[1].As<Napi::Float64Array>(), *handle->open().arena));
    auto sums = std::make_shared<std::vector<uint32_t>>(2 * integer(info[2]));
    return onExecutor(
        env, handle,
        [handle, boxes, sums] {
          Engine& engine = handle->open();
          engine.requireReady();
          addContent(*boxes, engine.device, sums->data());
        },
        [sums](Napi::Env e) {
          Napi::Uint32Array words = Napi::Uint32Array::New(e, sums->size());
          std::copy(sums->begin(), sums->end(), words.Data());
          return words;
        });
  });
}

// What torch's allocator holds on the engine's device, beside the arena that it holds too.
Napi::Value deviceMemory(const Napi::CallbackInfo& info) {
  return guarded(info, [&](Napi::Env env) {
    const Engine& engine = handleOf(info)->open();
    if (engine.device.is_cpu()) return env.Null();
    const auto stats = c10::getDeviceAllocator(engine.device.type())->getDeviceStats(engine.device.index());
    Napi::Object memory = Napi::Object::New(env);
    const auto set = [&](const char* name, int64_t value) { memory.Set(name, static_cast<double>(value)); };
    set("allocatedBytes", stats.allocated_bytes[0].current);
    set("peakAllocatedBytes", stats.allocated_bytes[0].peak);
    set("peakReservedBytes", stats.reserved_bytes[0].peak);
    set("allocations", stats.allocation[0].allocated);
    set("deviceAllocations", stats.num_device_alloc);
    return Napi::Value(memory);
  });
}

Napi::Value abortEngine(const Napi::CallbackInfo& info) {
  return guarded(info, [&](Napi::Env env) {
    const HandleRef handle = handleOf(info);
    if (handle->engine) handle->engine->abort(info[1].As<Napi::String>().Utf8Value());
    return env.Undefined();
  });
}

Napi::Value close(const Napi::CallbackInfo& info) {
  return guarded(info, [&](Napi::Env env) {
    const HandleRef handle = handleOf(info);
    if (!handle->engine) return env.Undefined();
    if (handle->executing > 0 && !handle->engine->waiter->aborted())
      throw EngineError("program-running", "the engine is closed while it works: await its promises or abort it first");
    handle->store.reset();
    handle->engine.reset();
    return env.Undefined();
  });
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  // c10d logs what it also throws; the exception is what reaches the user.
  setenv("TORCH_CPP_LOG_LEVEL", "FATAL", 0);
  c10::initLogging();
  const auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) { exports.Set(name, Napi::Function::New(env, function, name)); };
  add("describe", describe);
  add("open", open);
  add("rendezvous", rendezvous);
  add("storeSet", storeSet);
  add("storeGet", storeGet);
  add("storeAdd", storeAdd);
  add("storeBeat", storeBeat);
  add("load", load);
  add("run", run);
  add("memory", memory);
  add("read", read);
  add("write", write);
  add("hash", hash);
  add("deviceMemory", deviceMemory);
  add("abort", abortEngine);
  add("close", close);
  return exports;
}

}  // namespace

}  // namespace flotilla

static Napi::Object initializeAddon(Napi::Env env, Napi::Object exports) { return flotilla::initialize(env, exports); }

NODE_API_MODULE(flotilla, initializeAddon)
