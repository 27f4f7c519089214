// Waiting for a word of a mapping and waking its waiters in any process: shared futexes (futex(2)).
#include "addon.h"
#include "dispatcher.h"
#include "mapping.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace hotfire {
namespace {

// The waits of one environment. The dispatcher's thread puts ended ones into `ended` and calls the thread-safe function once; the
// environment's own thread settles their promises.
class LoopWaits final : public WaitOwner {
 public:
  explicit LoopWaits(napi_env env) : env_(env) {}

  // Gives 0, or why it cannot: ENOTSUP after an error of Node-API, else the error number of the thread that could not be made.
  int Start() {
    if (function_ != nullptr) return 0;
    napi_value name;
    if (napi_create_string_utf8(env_, "hotfire.futex", NAPI_AUTO_LENGTH, &name) != napi_ok) return ENOTSUP;
    if (napi_create_threadsafe_function(env_, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, Settle,
                                        &function_) != napi_ok) {
      function_ = nullptr;
      return ENOTSUP;
    }
    napi_unref_threadsafe_function(env_, function_);
    // After the thread-safe function, whose own hook must run after this one: hooks run in reverse.
    napi_add_env_cleanup_hook(env_, Leave, this);
    const int error = DispatcherJoin(this);
    if (error != 0) {
      napi_remove_env_cleanup_hook(env_, Leave, this);
      napi_release_threadsafe_function(function_, napi_tsfn_abort);
      function_ = nullptr;
    }
    return error;
  }

  bool started() const { return function_ != nullptr; }

  // A promise for the end of a wait; an open one keeps the event loop alive.
  bool Add(Word word, int32_t expected, int64_t deadline, napi_value* promise) {
    napi_deferred deferred;
    if (napi_create_promise(env_, &deferred, promise) != napi_ok) return false;
    if (pending_.empty()) napi_ref_threadsafe_function(env_, function_);
    const uint64_t id = ++lastId_;
    pending_.emplace(id, deferred);
    DispatcherAdd(this, id, word, expected, deadline);
    return true;
  }

  void Ended(uint64_t id, WaitResult result) override {
    bool first;
    {
      std::lock_guard<std::mutex> guard(mutex_);
      first = ended_.empty();
      ended_.emplace_back(id, result);
    }
    if (first) napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
  }

 private:
  static void Leave(void* data) { DispatcherLeave(static_cast<LoopWaits*>(data)); }

  static void Settle(napi_env env, napi_value, void* context, void*) {
    // Without an environment the thread-safe function is ending, and nobody can hear.
    if (env == nullptr) return;
    auto* self = static_cast<LoopWaits*>(context);
    std::vector<std::pair<uint64_t, WaitResult>> ended;
    {
      std::lock_guard<std::mutex> guard(self->mutex_);
      ended.swap(self->ended_);
    }
    for (const auto& [id, result] : ended) {
      auto found = self->pending_.find(id);
      if (found == self->pending_.end()) continue;
      napi_value value;
      if (napi_create_uint32(env, static_cast<uint32_t>(result), &value) == napi_ok) {
        napi_resolve_deferred(env, found->second, value);
      }
      self->pending_.erase(found);
    }
    if (self->pending_.empty()) napi_unref_threadsafe_function(env, self->function_);
  }

  napi_env env_;
  napi_threadsafe_function function_ = nullptr;
  uint64_t lastId_ = 0;
  std::unordered_map<uint64_t, napi_deferred> pending_;  // the environment's thread only
  std::mutex mutex_;
  std::vector<std::pair<uint64_t, WaitResult>> ended_;  // guarded by mutex_
};

bool ReadWait(const Napi::CallbackInfo& info, Word* word, int32_t* expected, int64_t* deadline) {
  int64_t value;
  if (!ReadInteger(info, 2, "expected", INT32_MIN, INT32_MAX, &value)) return false;
  double ms;
  if (napi_get_value_double(info.Env(), info[3], &ms) != napi_ok || std::isnan(ms)) {
    Throw(info.Env(), "ERR_INVALID_ARG_TYPE", "timeoutMs: expected a number");
    return false;
  }
  // 30 years are for ever, and no sum of them overflows.
  *deadline = ms >= 1e12 ? kForever : MonotonicNow() + static_cast<int64_t>(std::fmax(ms, 0) * 1e6);
  *expected = static_cast<int32_t>(value);
  return AcquireWord(info, 0, word);
}

// futexWait(words, index, expected, timeoutMs): 0 woken, 1 changed, 2 timeout. Blocks the thread.
Napi::Value FutexWait(const Napi::CallbackInfo& info) {
  Word word;
  int32_t expected;
  int64_t deadline;
  if (!ReadWait(info, &word, &expected, &deadline)) return info.Env().Undefined();
  const WaitResult result = WaitOnWord(word.address, expected, deadline);
  Release(word.mapping);
  return Napi::Number::New(info.Env(), static_cast<double>(result));
}

// futexWaitAsync(words, index, expected, timeoutMs): a promise of the same
Napi::Value FutexWaitAsync(const Napi::CallbackInfo& info) {
  auto* waits = static_cast<LoopWaits*>(info.Data());
  Word word;
  int32_t expected;
  int64_t deadline;
  if (!ReadWait(info, &word, &expected, &deadline)) return info.Env().Undefined();
  napi_value promise;
  const int error = waits->Start();
  if (error != 0 && error != ENOTSUP) {
    Release(word.mapping);
    return ThrowErrno(info.Env(), error, "pthread_create");
  }
  if (error != 0 || !waits->Add(word, expected, deadline, &promise)) {
    Release(word.mapping);
    return Throw(info.Env(), "ENOTSUP", "futexWaitAsync: Node made no promise or no thread-safe function");
  }
  return Napi::Value(info.Env(), promise);
}

// futexWake(words, index, count): how many waiters were woken, in all processes
Napi::Value FutexWake(const Napi::CallbackInfo& info) {
  int64_t count;
  Word word;
  if (!ReadInteger(info, 2, "count", 0, INT32_MAX, &count)) return info.Env().Undefined();
  if (!AcquireWord(info, 0, &word)) return info.Env().Undefined();
  // The kernel wakes one even when none is asked for.
  const long woken = count == 0 ? 0 : syscall(SYS_futex, word.address, FUTEX_WAKE, static_cast<int>(count), nullptr, nullptr, 0);
  const int error = errno;
  Release(word.mapping);
  if (woken < 0) return ThrowErrno(info.Env(), error, "futex");
  return Napi::Number::New(info.Env(), static_cast<double>(woken));
}

// futexCancel(words): the waits of this environment on words of the same mapping end as timed out
Napi::Value FutexCancel(const Napi::CallbackInfo& info) {
  auto* waits = static_cast<LoopWaits*>(info.Data());
  Word word;
  if (!AcquireWord(info, 0, &word)) return info.Env().Undefined();
  if (waits->started()) DispatcherCancel(waits, word.mapping);
  Release(word.mapping);
  return info.Env().Undefined();
}

// futexMethod(): how asynchronous waits are done, "futex_waitv" or "polling"
Napi::Value FutexMethod(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), DispatcherMethod());
}

}  // namespace

void InitFutex(Napi::Env env, Napi::Object exports) {
  // Ends with its environment. This hook is the first of ours, so the last to run: nothing calls it any more.
  auto* waits = new LoopWaits(env);
  napi_add_env_cleanup_hook(
      env, [](void* data) { delete static_cast<LoopWaits*>(data); }, waits);
  exports.Set("futexWait", Napi::Function::New(env, FutexWait, "futexWait"));
  exports.Set("futexWaitAsync", Napi::Function::New(env, FutexWaitAsync, "futexWaitAsync", waits));
  exports.Set("futexWake", Napi::Function::New(env, FutexWake, "futexWake"));
  exports.Set("futexCancel", Napi::Function::New(env, FutexCancel, "futexCancel", waits));
  exports.Set("futexMethod", Napi::Function::New(env, FutexMethod, "futexMethod"));
}

}  // namespace hotfire
