// Locks of single bytes of a file, owned by the open file description (fcntl(2), F_OFD_SETLK): they end with the last descriptor of it,
// so with the process that opened the file close-on-exec, however it ends, and not when another descriptor of the file is closed.
#include "addon.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace hotfire {
namespace {

// Bytes of a lock file that may be locked: those of a region and a few beyond.
constexpr int64_t kLastByte = 65535;

bool ReadLock(const Napi::CallbackInfo& info, short type, int* fd, struct flock* lock) {
  int64_t number, byte;
  if (!ReadInteger(info, 0, "fd", 0, INT32_MAX, &number) || !ReadInteger(info, 1, "byte", 0, kLastByte, &byte)) {
    return false;
  }
  *fd = static_cast<int>(number);
  *lock = {};
  lock->l_type = type;
  lock->l_whence = SEEK_SET;
  lock->l_start = static_cast<off_t>(byte);
  lock->l_len = 1;
  return true;
}

// lockByte(fd, byte): true if it is this descriptor's now, false if another open file has it
Napi::Value LockByte(const Napi::CallbackInfo& info) {
  int fd;
  struct flock lock;
  if (!ReadLock(info, F_WRLCK, &fd, &lock)) return info.Env().Undefined();
  for (;;) {
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0) return Napi::Boolean::New(info.Env(), true);
    if (errno == EAGAIN || errno == EACCES) return Napi::Boolean::New(info.Env(), false);
    if (errno != EINTR) return ThrowErrno(info.Env(), errno, "F_OFD_SETLK");
  }
}

// unlockByte(fd, byte)
Napi::Value UnlockByte(const Napi::CallbackInfo& info) {
  int fd;
  struct flock lock;
  if (!ReadLock(info, F_UNLCK, &fd, &lock)) return info.Env().Undefined();
  if (fcntl(fd, F_OFD_SETLK, &lock) != 0) return ThrowErrno(info.Env(), errno, "F_OFD_SETLK");
  return info.Env().Undefined();
}

// byteHeld(fd, byte): whether another open file description than fd's holds a lock on the byte
Napi::Value ByteHeld(const Napi::CallbackInfo& info) {
  int fd;
  struct flock lock;
  if (!ReadLock(info, F_WRLCK, &fd, &lock)) return info.Env().Undefined();
  if (fcntl(fd, F_OFD_GETLK, &lock) != 0) return ThrowErrno(info.Env(), errno, "F_OFD_GETLK");
  return Napi::Boolean::New(info.Env(), lock.l_type != F_UNLCK);
}

}  // namespace

void InitLocks(Napi::Env env, Napi::Object exports) {
  exports.Set("lockByte", Napi::Function::New(env, LockByte, "lockByte"));
  exports.Set("unlockByte", Napi::Function::New(env, UnlockByte, "unlockByte"));
  exports.Set("byteHeld", Napi::Function::New(env, ByteHeld, "byteHeld"));
}

}  // namespace hotfire
