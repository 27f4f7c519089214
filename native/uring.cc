// io_uring for JavaScript: one ring an environment, and the operations that its callers may begin.
#include "addon.h"

#if __has_include(<linux/io_uring.h>)

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "uringRing.h"

namespace hotfire {

namespace {

constexpr int kSlotsMost = 2048;
// Largest integer that a double holds exactly.
constexpr int64_t kSafeInteger = (1LL << 53) - 1;

// What belongs to one environment.
struct Environment {
  Ring* ring = nullptr;
  napi_async_cleanup_hook_handle hook = nullptr;
};

Environment* EnvironmentOf(const Napi::CallbackInfo& info) { return static_cast<Environment*>(info.Data()); }

// Zeros for everybody: the kernel only reads them.
const void* Zeros() {
  static const void* zeros = [] {
    void* at = mmap(nullptr, kMostBytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? nullptr : at;
  }();
  return zeros;
}

void OnEnvironmentEnd(napi_async_cleanup_hook_handle handle, void* data) {
  auto* environment = static_cast<Environment*>(data);
  auto after = [](void* at) {
    auto* ended = static_cast<Environment*>(at);
    napi_async_cleanup_hook_handle hook = ended->hook;
    delete ended;
    napi_remove_async_cleanup_hook(hook);
  };
  environment->hook = handle;
  if (environment->ring == nullptr) after(environment);
  else EndRing(environment->ring, after, environment);
}

Napi::Value ThrowKernel(Napi::Env env, const KernelError& error) { return ThrowErrno(env, error.number, error.call); }

// uringStart(slots, mode, callback): opens the ring. `mode` is '' for the best or the name of one ('defer', 'coop', 'plain').
Napi::Value Start(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Environment* environment = EnvironmentOf(info);
  int64_t slots;
  std::string mode;
  if (!ReadInteger(info, 0, "slots", 1, kSlotsMost, &slots) || !ReadString(info, 1, "mode", &mode)) {
    return env.Undefined();
  }
  const char* names[] = {"defer", "coop", "plain"};
  const char* name = nullptr;
  for (const char* known : names) {
    if (mode == known) name = known;
  }
  if (name == nullptr && !mode.empty()) {
    return Throw(env, "ERR_INVALID_ARG_VALUE", "mode: expected '', 'defer', 'coop' or 'plain'");
  }
  if (!info[2].IsFunction()) return Throw(env, "ERR_INVALID_ARG_TYPE", "callback: expected a function");
  if (environment->ring != nullptr) return Throw(env, "ERR_URING_STARTED", "this thread has a ring; stop it first");

  auto* ring = new Ring();
  ring->env = env;
  unsigned entries = 2;
  while (entries < 2 * slots) entries <<= 1;
  KernelError error;
  if (!OpenBestRing(&ring->kernel, entries, &name, &error)) {
    delete ring;
    return ThrowKernel(env, error);
  }
  ring->mode = name;
  ring->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (ring->eventfd < 0) {
    error = {errno, "eventfd"};
  } else if (ring->kernel.RegisterEventfd(ring->eventfd, &error)) {
    error.number = 0;
  }
  napi_value resource, resourceName;
  uv_loop_t* loop = nullptr;
  if (error.number == 0 && napi_get_uv_event_loop(env, reinterpret_cast<struct uv_loop_s**>(&loop)) != napi_ok) {
    error = {ENOSYS, "napi_get_uv_event_loop"};
  }
  if (error.number != 0) {
    EndRing(ring, nullptr, nullptr);
    return ThrowKernel(env, error);
  }
  const int failed = OpenHandles(ring, loop);
  if (failed != 0) {
    EndRing(ring, nullptr, nullptr);
    return ThrowErrno(env, -failed, "uv_poll");
  }
  napi_create_object(env, &resource);
  napi_create_string_utf8(env, "hotfire:uring", NAPI_AUTO_LENGTH, &resourceName);
  napi_create_reference(env, resource, 1, &ring->resource);
  napi_create_reference(env, info[2], 1, &ring->callback);
  napi_async_init(env, resource, resourceName, &ring->context);
  ring->slots.resize(slots);
  for (int slot = static_cast<int>(slots) - 1; slot >= 0; slot--) ring->freeSlots.push_back(slot);
  environment->ring = ring;
  return Napi::String::New(env, ring->mode);
}

// uringStop(): ends the ring. Refused while operations are in flight: their callers are owed an answer. Programs need it not, as a ring ends with
// its environment; tests start several on one thread.
Napi::Value Stop(const Napi::CallbackInfo& info) {
  Environment* environment = EnvironmentOf(info);
  Ring* ring = environment->ring;
  if (ring == nullptr) return info.Env().Undefined();
  if (ring->inFlight > 0 || ring->isDelivering) {
    return Throw(info.Env(), "ERR_URING_BUSY", std::to_string(ring->inFlight) + " operations are in flight");
  }
  environment->ring = nullptr;
  if (ring->isTurning) ring->endsAfterTurn = true;
  else EndRing(ring, nullptr, nullptr);
  return info.Env().Undefined();
}

// ---- operations

// The ring of this environment; null after throwing.
Ring* RunningRing(const Napi::CallbackInfo& info) {
  Ring* ring = EnvironmentOf(info)->ring;
  if (ring == nullptr) Throw(info.Env(), "ERR_URING_STOPPED", "this thread has no ring; start it first");
  return ring;
}

struct Bytes {
  uint8_t* data = nullptr;
  size_t length = 0;
};

bool ReadBytes(napi_env env, napi_value value, const char* name, Bytes* out) {
  bool isTyped = false;
  napi_typedarray_type type;
  void* data = nullptr;
  if (napi_is_typedarray(env, value, &isTyped) != napi_ok || !isTyped ||
      napi_get_typedarray_info(env, value, &type, &out->length, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array) {
    Throw(env, "ERR_INVALID_ARG_TYPE", std::string(name) + ": expected a Uint8Array");
    return false;
  }
  out->data = static_cast<uint8_t*>(data);
  return true;
}

// uringRead(fd, into, offset, length, position): callback gets the bytes read, at most 1 MiB.
Napi::Value Read(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Ring* ring = RunningRing(info);
  int64_t fd, offset, length, position;
  Bytes into;
  if (ring == nullptr || !ReadInteger(info, 0, "fd", 0, INT_MAX, &fd) || !ReadBytes(env, info[1], "into", &into) ||
      !ReadInteger(info, 2, "offset", 0, static_cast<int64_t>(into.length), &offset) ||
      !ReadInteger(info, 3, "length", 1, static_cast<int64_t>(into.length) - offset, &length) ||
      !ReadInteger(info, 4, "position", 0, kSafeInteger, &position)) {
    return env.Undefined();
  }
  const size_t bytes = std::min(static_cast<size_t>(length), kMostBytes);
  const int slot = TakeSlot(ring, bytes, true);
  if (slot < 0) return Napi::Number::New(env, slot);
  Operation& operation = ring->slots[slot];
  operation.targetOffset = static_cast<size_t>(offset);
  if (napi_create_reference(env, info[1], 1, &operation.target) != napi_ok) {
    operation.target = nullptr;
    Release(ring, slot);
    return Throw(env, "ERR_INVALID_ARG_TYPE", "into: no reference can be held to it");
  }
  io_uring_sqe* entry = Entry(ring, slot, kOpRead, fd);
  entry->addr = reinterpret_cast<uintptr_t>(operation.block);
  entry->len = static_cast<uint32_t>(bytes);
  entry->off = static_cast<uint64_t>(position);
  return Napi::Number::New(env, slot);
}

void LinkSync(Ring* ring, int slot, io_uring_sqe* entry, int64_t fd) {
  entry->flags |= IOSQE_IO_LINK;
  ring->slots[slot].pending = 2;
  io_uring_sqe* sync = Entry(ring, slot, kOpFsync, fd);
  sync->fsync_flags = kFsyncDatasync;
  sync->user_data |= 1;
}

// uringWrite(fd, buffers, position, isLinked): writes the buffers one after the other, at most 1 MiB of them; with isLinked and when
// that is all of them, fdatasync is linked behind. The callback gets the bytes written, and 0 or an error of the sync; -ECANCELED
// says that it was not made.
Napi::Value Write(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Ring* ring = RunningRing(info);
  int64_t fd, position;
  bool isLinked;
  if (ring == nullptr || !ReadInteger(info, 0, "fd", 0, INT_MAX, &fd)) return env.Undefined();
  if (!info[1].IsArray()) return Throw(env, "ERR_INVALID_ARG_TYPE", "buffers: expected an array");
  if (!ReadInteger(info, 2, "position", 0, kSafeInteger, &position) || !ReadBoolean(info, 3, "isLinked", &isLinked)) {
    return env.Undefined();
  }
  uint32_t count = 0;
  napi_get_array_length(env, info[1], &count);
  // Looked at twice: a getter or a proxy may answer otherwise the second time, so the copy keeps to the room that the first gave.
  size_t total = 0;
  uint32_t used = 0;
  for (; used < count && total < kMostBytes; used++) {
    napi_value element;
    Bytes bytes;
    if (napi_get_element(env, info[1], used, &element) != napi_ok) return env.Undefined();
    if (!ReadBytes(env, element, "buffers", &bytes)) return env.Undefined();
    total += bytes.length;
  }
  const bool isWhole = used == count && total <= kMostBytes;
  // A getter of the array may have ended the ring; from here on an operation in flight keeps it.
  ring = RunningRing(info);
  if (ring == nullptr) return env.Undefined();
  const size_t room = std::min(total, kMostBytes);
  const int slot = TakeSlot(ring, room, true);
  if (slot < 0) return Napi::Number::New(env, slot);
  Operation& operation = ring->slots[slot];
  size_t filled = 0;
  for (uint32_t index = 0; index < used && filled < room; index++) {
    napi_value element;
    Bytes bytes;
    if (napi_get_element(env, info[1], index, &element) != napi_ok || !ReadBytes(env, element, "buffers", &bytes)) {
      Release(ring, slot);
      return env.Undefined();
    }
    const size_t take = std::min(bytes.length, room - filled);
    if (take > 0) std::memcpy(static_cast<uint8_t*>(operation.block) + filled, bytes.data, take);
    filled += take;
  }
  io_uring_sqe* entry = Entry(ring, slot, kOpWrite, fd);
  entry->addr = reinterpret_cast<uintptr_t>(operation.block);
  entry->len = static_cast<uint32_t>(filled);
  entry->off = static_cast<uint64_t>(position);
  if (isLinked && isWhole) LinkSync(ring, slot, entry, fd);
  else if (isLinked) operation.results[1] = -ECANCELED;
  return Napi::Number::New(env, slot);
}

// uringZero(fd, position, length): writes zeros, at most 1 MiB.
Napi::Value Zero(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Ring* ring = RunningRing(info);
  int64_t fd, position, length;
  if (ring == nullptr || !ReadInteger(info, 0, "fd", 0, INT_MAX, &fd) ||
      !ReadInteger(info, 1, "position", 0, kSafeInteger, &position) ||
      !ReadInteger(info, 2, "length", 1, kSafeInteger, &length)) {
    return env.Undefined();
  }
  const void* zeros = Zeros();
  if (zeros == nullptr) return Napi::Number::New(env, -1);
  const int slot = TakeSlot(ring, 0, false);
  if (slot < 0) return Napi::Number::New(env, slot);
  io_uring_sqe* entry = Entry(ring, slot, kOpWrite, fd);
  entry->addr = reinterpret_cast<uintptr_t>(zeros);
  entry->len = static_cast<uint32_t>(std::min(static_cast<size_t>(length), kMostBytes));
  entry->off = static_cast<uint64_t>(position);
  return Napi::Number::New(env, slot);
}

// uringSync(fd): fdatasync.
Napi::Value Sync(const Napi::CallbackInfo& info) {
  Ring* ring = RunningRing(info);
  int64_t fd;
  if (ring == nullptr || !ReadInteger(info, 0, "fd", 0, INT_MAX, &fd)) return info.Env().Undefined();
  const int slot = TakeSlot(ring, 0, false);
  if (slot >= 0) Entry(ring, slot, kOpFsync, fd)->fsync_flags = kFsyncDatasync;
  return Napi::Number::New(info.Env(), slot);
}

// Operations on a range of a file: fd, position, length.
template <uint8_t opcode>
Napi::Value OnRange(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Ring* ring = RunningRing(info);
  int64_t fd, position, length;
  const int64_t lengthMost = opcode == kOpFadvise ? INT_MAX : kSafeInteger;
  if (ring == nullptr || !ReadInteger(info, 0, "fd", 0, INT_MAX, &fd) ||
      !ReadInteger(info, 1, "position", 0, kSafeInteger, &position) ||
      !ReadInteger(info, 2, "length", 0, lengthMost, &length)) {
    return env.Undefined();
  }
  if (!ring->kernel.Knows(opcode)) return Napi::Number::New(env, -1);
  const int slot = TakeSlot(ring, 0, false);
  if (slot < 0) return Napi::Number::New(env, slot);
  io_uring_sqe* entry = Entry(ring, slot, opcode, fd);
  entry->off = static_cast<uint64_t>(position);
  if (opcode == kOpFallocate) {
    entry->addr = static_cast<uint64_t>(length);
  } else {
    entry->len = static_cast<uint32_t>(length);
    entry->fadvise_advice = 4;  // POSIX_FADV_DONTNEED
  }
  return Napi::Number::New(env, slot);
}

// uringStats(): what the ring has done; undefined when there is none. For tests, which hold the ring to its number of system calls.
Napi::Value Stats(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Ring* ring = EnvironmentOf(info)->ring;
  if (ring == nullptr) return env.Undefined();
  Napi::Object stats = Napi::Object::New(env);
  auto set = [&](const char* name, uint64_t value) {
    stats.Set(name, Napi::Number::New(env, static_cast<double>(value)));
  };
  stats.Set("mode", Napi::String::New(env, ring->mode));
  set("slots", ring->slots.size());
  set("inFlight", ring->inFlight);
  set("enters", ring->enters);
  set("submitted", ring->submitted);
  set("completed", ring->completed);
  set("refused", ring->refused);
  return stats;
}

// uringSupport(): tries a ring and an operation in it. { ok: true, mode, operations } or { ok: false, call, code }.
Napi::Value Support(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Napi::Object answer = Napi::Object::New(env);
  auto refuse = [&](const KernelError& error) {
    answer.Set("ok", Napi::Boolean::New(env, false));
    answer.Set("call", Napi::String::New(env, error.call));
    answer.Set("code", Napi::String::New(env, ErrnoName(error.number)));
    return answer;
  };
  KernelRing ring;
  KernelError error;
  const char* mode = nullptr;
  if (!OpenBestRing(&ring, 2, &mode, &error)) return refuse(error);
  const struct {
    uint8_t opcode;
    const char* name;
    bool isNeeded;
  } operations[] = {{kOpRead, "read", true},
                    {kOpWrite, "write", true},
                    {kOpFsync, "fsync", true},
                    {kOpAsyncCancel, "cancel", true},
                    {kOpFallocate, "fallocate", false},
                    {kOpFadvise, "fadvise", false}};
  Napi::Array names = Napi::Array::New(env);
  for (const auto& operation : operations) {
    if (ring.Knows(operation.opcode)) names.Set(names.Length(), Napi::String::New(env, operation.name));
    else if (operation.isNeeded) return refuse({EOPNOTSUPP, "io_uring_register of a probe"});
  }
  const int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake < 0) return refuse({errno, "eventfd"});
  const bool isRegistered = ring.RegisterEventfd(wake, &error);
  if (isRegistered) {
    ring.Take()->opcode = kOpNop;
    const int taken = ring.Enter(1, true);
    uint64_t data;
    int32_t result = -EIO;
    if (taken < 0) error = {-taken, "io_uring_enter"};
    else if (!ring.Reap(&data, &result) || result != 0) error = {-result, "an empty operation"};
    else error.number = 0;
  }
  close(wake);
  if (error.number != 0) return refuse(error);
  answer.Set("ok", Napi::Boolean::New(env, true));
  answer.Set("mode", Napi::String::New(env, mode));
  answer.Set("operations", names);
  return answer;
}

}  // namespace

void InitUring(Napi::Env env, Napi::Object exports) {
  auto* environment = new Environment();
  if (napi_add_async_cleanup_hook(env, OnEnvironmentEnd, environment, &environment->hook) != napi_ok) {
    delete environment;
    return;
  }
  exports.Set("uringSupport", Napi::Function::New<Support>(env, "uringSupport", environment));
  exports.Set("uringStart", Napi::Function::New<Start>(env, "uringStart", environment));
  exports.Set("uringStop", Napi::Function::New<Stop>(env, "uringStop", environment));
  exports.Set("uringRead", Napi::Function::New<Read>(env, "uringRead", environment));
  exports.Set("uringWrite", Napi::Function::New<Write>(env, "uringWrite", environment));
  exports.Set("uringZero", Napi::Function::New<Zero>(env, "uringZero", environment));
  exports.Set("uringSync", Napi::Function::New<Sync>(env, "uringSync", environment));
  exports.Set("uringAllocate", Napi::Function::New<OnRange<kOpFallocate>>(env, "uringAllocate", environment));
  exports.Set("uringForget", Napi::Function::New<OnRange<kOpFadvise>>(env, "uringForget", environment));
  exports.Set("uringStats", Napi::Function::New<Stats>(env, "uringStats", environment));
}

}  // namespace hotfire

#else

namespace hotfire {

// Built where the kernel's headers know no io_uring.
void InitUring(Napi::Env env, Napi::Object exports) {
  exports.Set("uringSupport", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                Napi::Object answer = Napi::Object::New(info.Env());
                answer.Set("ok", Napi::Boolean::New(info.Env(), false));
                answer.Set("call", Napi::String::New(info.Env(), "the build, whose kernel headers lack linux/io_uring.h"));
                answer.Set("code", Napi::String::New(info.Env(), "ENOSYS"));
                return answer;
              }));
}

}  // namespace hotfire

#endif
