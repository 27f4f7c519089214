// The module: registers the parts. Nothing here is shared between environments.
#include "addon.h"

#include <cerrno>
#include <cmath>
#include <cstring>

namespace hotfire {

Napi::Value Throw(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  error.ThrowAsJavaScriptException();
  return env.Undefined();
}

std::string ErrnoName(int number) {
  // glibc 2.32 has strerrorname_np, musl has not; the addon is built on both.
  switch (number) {
#define HOTFIRE_ERRNO(name) \
  case name:                \
    return #name;
    HOTFIRE_ERRNO(EPERM)
    HOTFIRE_ERRNO(ENOENT)
    HOTFIRE_ERRNO(ESRCH)
    HOTFIRE_ERRNO(EINTR)
    HOTFIRE_ERRNO(EIO)
    HOTFIRE_ERRNO(EBADF)
    HOTFIRE_ERRNO(EAGAIN)
    HOTFIRE_ERRNO(ENOMEM)
    HOTFIRE_ERRNO(EACCES)
    HOTFIRE_ERRNO(EFAULT)
    HOTFIRE_ERRNO(EBUSY)
    HOTFIRE_ERRNO(EEXIST)
    HOTFIRE_ERRNO(ENODEV)
    HOTFIRE_ERRNO(ENOTDIR)
    HOTFIRE_ERRNO(EISDIR)
    HOTFIRE_ERRNO(EINVAL)
    HOTFIRE_ERRNO(ENFILE)
    HOTFIRE_ERRNO(EMFILE)
    HOTFIRE_ERRNO(EFBIG)
    HOTFIRE_ERRNO(ENOSPC)
    HOTFIRE_ERRNO(EROFS)
    HOTFIRE_ERRNO(ENOLCK)
    HOTFIRE_ERRNO(ENOSYS)
    HOTFIRE_ERRNO(ENAMETOOLONG)
    HOTFIRE_ERRNO(ELOOP)
    HOTFIRE_ERRNO(EOPNOTSUPP)
    HOTFIRE_ERRNO(ETIMEDOUT)
    HOTFIRE_ERRNO(ECANCELED)
    HOTFIRE_ERRNO(EDQUOT)
#undef HOTFIRE_ERRNO
    default:
      return "E" + std::to_string(number);
  }
}

Napi::Value ThrowErrno(Napi::Env env, int number, const char* call, const std::string& detail) {
  std::string message = std::string(call) + ": " + std::strerror(number);
  if (!detail.empty()) message += " (" + detail + ")";
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, ErrnoName(number)));
  error.Set("syscall", Napi::String::New(env, call));
  error.Set("errno", Napi::Number::New(env, number));
  error.ThrowAsJavaScriptException();
  return env.Undefined();
}

bool ReadInteger(const Napi::CallbackInfo& info, size_t index, const char* name, int64_t least, int64_t most,
                 int64_t* out) {
  double number;
  // It refuses what is no number by itself: one call where waits and wakes are counted in nanoseconds.
  if (napi_get_value_double(info.Env(), info[index], &number) != napi_ok) {
    Throw(info.Env(), "ERR_INVALID_ARG_TYPE", std::string(name) + ": expected a number");
    return false;
  }
  if (!(std::floor(number) == number) || number < static_cast<double>(least) || number > static_cast<double>(most)) {
    Throw(info.Env(), "ERR_OUT_OF_RANGE",
          std::string(name) + ": expected an integer of " + std::to_string(least) + ".." + std::to_string(most) +
              ", got " + std::to_string(number));
    return false;
  }
  *out = static_cast<int64_t>(number);
  return true;
}

bool ReadString(const Napi::CallbackInfo& info, size_t index, const char* name, std::string* out) {
  Napi::Value value = info[index];
  if (!value.IsString()) {
    Throw(info.Env(), "ERR_INVALID_ARG_TYPE", std::string(name) + ": expected a string");
    return false;
  }
  *out = value.As<Napi::String>().Utf8Value();
  if (out->find('\0') != std::string::npos) {
    Throw(info.Env(), "ERR_INVALID_ARG_VALUE", std::string(name) + ": expected a string without null bytes");
    return false;
  }
  return true;
}

bool ReadBoolean(const Napi::CallbackInfo& info, size_t index, const char* name, bool* out) {
  Napi::Value value = info[index];
  if (!value.IsBoolean()) {
    Throw(info.Env(), "ERR_INVALID_ARG_TYPE", std::string(name) + ": expected true or false");
    return false;
  }
  *out = value.As<Napi::Boolean>().Value();
  return true;
}

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  InitMapping(env, exports);
  InitGather(env, exports);
  InitFutex(env, exports);
  InitLocks(env, exports);
  InitTuning(env, exports);
  InitUring(env, exports);
  return exports;
}

NODE_API_MODULE(hotfire, Init)

}  // namespace hotfire
