#include "async.h"

namespace flotilla {

Napi::Error toJsError(Napi::Env env, const EngineError& error, int rank) {
  Napi::Error thrown = Napi::Error::New(env, error.what());
  const auto orNull = [&](bool known, auto value) -> Napi::Value { return known ? Napi::Value::From(env, value) : env.Null(); };
  thrown.Set("code", Napi::String::New(env, error.code));
  thrown.Set("op", orNull(!error.op.empty(), error.op));
  thrown.Set("at", orNull(!error.at.empty(), error.at));
  thrown.Set("rank", orNull(rank >= 0, rank));
  thrown.Set("group", orNull(error.group >= 0, error.group));
  return thrown;
}

Completions::Completions(Napi::Env env) : function_(Function::New(env, "flotilla", 0, 1, this)) { function_.Unref(env); }

Completions::~Completions() {
  if (!ended_) function_.Release();
}

void Completions::deliver(AsyncJob& job) {
  if (!ended_) function_.NonBlockingCall(&job);
}

void Completions::settle(Napi::Env env, Napi::Function, Completions* completions, AsyncJob* job) {
  if (env == nullptr) return;  // the process is ending
  if (--completions->underWay_ == 0) completions->function_.Unref(env);
  const Napi::HandleScope scope(env);
  const Napi::Promise::Deferred promise = *job->promise_;
  if (job->error_) {
    const Napi::Value error = toJsError(env, *job->error_, job->rank_).Value();
    job->finished();
    promise.Reject(error);
  } else {
    const Napi::Value value = job->result(env);
    job->finished();
    promise.Resolve(value);
  }
}

Napi::Promise AsyncJob::begin(Napi::Env env) {
  if (completions_.underWay_++ == 0) completions_.function_.Ref(env);
  error_.reset();
  promise_.emplace(Napi::Promise::Deferred::New(env));
  return promise_->Promise();
}

void AsyncJob::run() {
  try {
    work();
  } catch (const EngineError& error) {
    error_ = error;
  } catch (const std::exception& error) {
    error_.emplace("engine-failed", describeException(error));
  }
  completions_.deliver(*this);
}

}  // namespace flotilla
