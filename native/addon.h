// What the parts of the addon share: how arguments are checked, how errors are thrown, where a part registers its functions.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>

namespace hotfire {

// Each part puts its functions on `exports`. A process may load the addon in many environments (worker threads): a part keeps
// what belongs to one environment in an object of that environment and cleans it up with it (`napi_add_env_cleanup_hook`).
void InitMapping(Napi::Env env, Napi::Object exports);
void InitGather(Napi::Env env, Napi::Object exports);
void InitFutex(Napi::Env env, Napi::Object exports);
void InitLocks(Napi::Env env, Napi::Object exports);
void InitTuning(Napi::Env env, Napi::Object exports);
void InitUring(Napi::Env env, Napi::Object exports);

// Throws an Error with `code` (stable), `syscall` and the message; returns undefined for the caller to return.
Napi::Value Throw(Napi::Env env, const char* code, const std::string& message);

// Throws the error that `errno` value `number` stands for: code EACCES, message `call: what the number means (detail)`.
Napi::Value ThrowErrno(Napi::Env env, int number, const char* call, const std::string& detail = "");

// The name of an errno value, as Node writes it ("ENOSPC"); "E<number>" for one without a name here.
std::string ErrnoName(int number);

// Readers of arguments. Each returns false after throwing ERR_INVALID_ARG_TYPE or ERR_OUT_OF_RANGE, naming the argument.
bool ReadInteger(const Napi::CallbackInfo& info, size_t index, const char* name, int64_t least, int64_t most,
                 int64_t* out);
bool ReadString(const Napi::CallbackInfo& info, size_t index, const char* name, std::string* out);
bool ReadBoolean(const Napi::CallbackInfo& info, size_t index, const char* name, bool* out);

}  // namespace hotfire
