// What the machine gives a thread and a process: limits, processors, the timer's slack.
#include "addon.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace hotfire {
namespace {

// Processors that a mask of ours has room for; Linux's own limit on x64 is 8192.
constexpr int kProcessors = 8192;

Napi::Value Limit(Napi::Env env, rlim_t value) {
  return Napi::Number::New(env, value == RLIM_INFINITY ? -1.0 : static_cast<double>(value));
}

// memlockLimit(): { soft, hard }
Napi::Value MemlockLimit(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  struct rlimit limit;
  if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return ThrowErrno(env, errno, "getrlimit");
  Napi::Object result = Napi::Object::New(env);
  result.Set("soft", Limit(env, limit.rlim_cur));
  result.Set("hard", Limit(env, limit.rlim_max));
  return result;
}

// threadId(): the kernel's number of the calling thread, by which tests ask other tools about it
Napi::Value ThreadId(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(syscall(SYS_gettid)));
}

// getAffinity(): processors that the calling thread may run on
Napi::Value GetAffinity(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  cpu_set_t* set = CPU_ALLOC(kProcessors);
  if (set == nullptr) return ThrowErrno(env, ENOMEM, "sched_getaffinity");
  const size_t size = CPU_ALLOC_SIZE(kProcessors);
  CPU_ZERO_S(size, set);
  if (sched_getaffinity(0, size, set) != 0) {
    const int error = errno;
    CPU_FREE(set);
    return ThrowErrno(env, error, "sched_getaffinity");
  }
  Napi::Array result = Napi::Array::New(env);
  uint32_t length = 0;
  for (int cpu = 0; cpu < kProcessors; cpu++) {
    if (CPU_ISSET_S(cpu, size, set)) result.Set(length++, Napi::Number::New(env, cpu));
  }
  CPU_FREE(set);
  return result;
}

// setAffinity(cpus): binds the calling thread, and no other, to these processors
Napi::Value SetAffinity(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[0].IsArray()) return Throw(env, "ERR_INVALID_ARG_TYPE", "cpus: expected an array of numbers");
  Napi::Array cpus = info[0].As<Napi::Array>();
  const uint32_t length = cpus.Length();
  if (length == 0 || length > kProcessors) {
    return Throw(env, "ERR_OUT_OF_RANGE", "cpus: expected 1.." + std::to_string(kProcessors) + " processors");
  }
  cpu_set_t* set = CPU_ALLOC(kProcessors);
  if (set == nullptr) return ThrowErrno(env, ENOMEM, "sched_setaffinity");
  const size_t size = CPU_ALLOC_SIZE(kProcessors);
  CPU_ZERO_S(size, set);
  for (uint32_t i = 0; i < length; i++) {
    Napi::Value value = cpus.Get(i);
    // A getter of the array may have thrown; then there is no value, and its error goes on.
    const bool isNumber = !env.IsExceptionPending() && value.IsNumber();
    const double cpu = isNumber ? value.As<Napi::Number>().DoubleValue() : -1;
    if (!(cpu >= 0 && cpu < kProcessors) || cpu != static_cast<double>(static_cast<int>(cpu))) {
      CPU_FREE(set);
      if (env.IsExceptionPending()) return env.Undefined();
      return Throw(env, "ERR_OUT_OF_RANGE", "cpus: expected integers of 0.." + std::to_string(kProcessors - 1));
    }
    CPU_SET_S(static_cast<int>(cpu), size, set);
  }
  const int failed = sched_setaffinity(0, size, set);
  const int error = errno;
  CPU_FREE(set);
  if (failed != 0) return ThrowErrno(env, error, "sched_setaffinity");
  return env.Undefined();
}

// getTimerSlack(): nanoseconds by which the kernel may be late with a time-out of the calling thread
Napi::Value GetTimerSlack(const Napi::CallbackInfo& info) {
  const int slack = prctl(PR_GET_TIMERSLACK);
  if (slack < 0) return ThrowErrno(info.Env(), errno, "PR_GET_TIMERSLACK");
  return Napi::Number::New(info.Env(), slack);
}

// setTimerSlack(ns)
Napi::Value SetTimerSlack(const Napi::CallbackInfo& info) {
  int64_t ns;
  if (!ReadInteger(info, 0, "ns", 1, 1000000000, &ns)) return info.Env().Undefined();
  if (prctl(PR_SET_TIMERSLACK, static_cast<unsigned long>(ns), 0, 0, 0) != 0) {
    return ThrowErrno(info.Env(), errno, "PR_SET_TIMERSLACK");
  }
  return info.Env().Undefined();
}

}  // namespace

void InitTuning(Napi::Env env, Napi::Object exports) {
  exports.Set("memlockLimit", Napi::Function::New(env, MemlockLimit, "memlockLimit"));
  exports.Set("threadId", Napi::Function::New(env, ThreadId, "threadId"));
  exports.Set("getAffinity", Napi::Function::New(env, GetAffinity, "getAffinity"));
  exports.Set("setAffinity", Napi::Function::New(env, SetAffinity, "setAffinity"));
  exports.Set("getTimerSlack", Napi::Function::New(env, GetTimerSlack, "getTimerSlack"));
  exports.Set("setTimerSlack", Napi::Function::New(env, SetTimerSlack, "setTimerSlack"));
}

}  // namespace hotfire
