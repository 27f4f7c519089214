// What the machine gives a thread and a process: limits, processors, the timer's slack.
#include "addon.h"

#include <sys/resource.h>

#include <cerrno>

namespace hotfire {

static Napi::Value Limit(Napi::Env env, rlim_t value) {
  return Napi::Number::New(env, value == RLIM_INFINITY ? -1.0 : static_cast<double>(value));
}

// memlockLimit(): { soft, hard }
static Napi::Value MemlockLimit(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  struct rlimit limit;
  if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return ThrowErrno(env, errno, "getrlimit");
  Napi::Object result = Napi::Object::New(env);
  result.Set("soft", Limit(env, limit.rlim_cur));
  result.Set("hard", Limit(env, limit.rlim_max));
  return result;
}

void InitTuning(Napi::Env env, Napi::Object exports) {
  exports.Set("memlockLimit", Napi::Function::New(env, MemlockLimit, "memlockLimit"));
}

}  // namespace hotfire
