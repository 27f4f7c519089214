// Shared mappings of memory files (tmpfs, memfd, hugetlbfs) as buffers of JavaScript. Space is reserved when the file is made, so a
// shortage is an error here and no SIGBUS later. A mapping is undone when its buffer is collected, never while anything waits on it; its memory
// is given back before that when it is ended.
#include "mapping.h"

#include "addon.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <iterator>
#include <map>
#include <mutex>

#ifndef MFD_HUGETLB
#define MFD_HUGETLB 4U
#endif
#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21U << 26)
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace hotfire {

struct Mapping {
  uint8_t* base;
  size_t length;  // what is mapped: whole pages
  int holders;    // guarded by registryMutex
  bool ended;     // guarded by registryMutex: its memory was given back
};

namespace {

// A buffer may be collected, and its mapping undone, on any thread: one registry for the process.
// Neither is ever destroyed: at exit buffers are collected later than statics.
std::mutex& registryMutex = *new std::mutex;
std::map<uintptr_t, Mapping*>& registry = *new std::map<uintptr_t, Mapping*>;

Mapping* Register(void* base, size_t length) {
  auto* mapping = new Mapping{static_cast<uint8_t*>(base), length, 1, false};
  std::lock_guard<std::mutex> guard(registryMutex);
  registry.emplace(reinterpret_cast<uintptr_t>(base), mapping);
  return mapping;
}

void Collected(void*, void* hint) { Release(static_cast<Mapping*>(hint)); }
void CollectedWithEnv(napi_env, void* data, void* hint) { Collected(data, hint); }

using CreateExternalShared = napi_status (*)(napi_env env, void* data, size_t length, void (*finalize)(void*, void*),
                                             void* hint, napi_value* result);

// Experimental in Node-API: a Node may lack it, so it is looked up and not linked.
CreateExternalShared FindCreateExternalShared() {
  static const auto found =
      reinterpret_cast<CreateExternalShared>(dlsym(RTLD_DEFAULT, "node_api_create_external_sharedarraybuffer"));
  return found;
}

// A file of memory: tmpfs (memfds too) or hugetlbfs.
bool IsMemory(const struct statfs& fs) {
  const auto type = static_cast<uint32_t>(fs.f_type);
  return type == TMPFS_MAGIC || type == static_cast<uint32_t>(HUGETLBFS_MAGIC);
}

int Reserve(int fd, size_t length) {
  for (;;) {
    if (fallocate(fd, 0, 0, static_cast<off_t>(length)) == 0) return 0;
    if (errno != EINTR) return errno;
  }
}

int BindToNode(void* base, size_t length, int64_t node) {
  unsigned long mask[16] = {};
  constexpr unsigned long bits = 8 * sizeof(unsigned long);
  mask[static_cast<unsigned long>(node) / bits] = 1UL << (static_cast<unsigned long>(node) % bits);
  if (syscall(SYS_mbind, base, length, MPOL_BIND, mask, sizeof(mask) * 8, MPOL_MF_STRICT) == 0) return 0;
  return errno;
}

// Errors of reserving that mean "there is not enough".
int Shortage(int number) { return number == ENOMEM || number == EDQUOT || number == EFAULT ? ENOSPC : number; }

// createMemfd(name, hugePages): fd. An anonymous memory file of no size, closed on exec, that `sealSize` can seal.
Napi::Value CreateMemfd(const Napi::CallbackInfo& info) {
  std::string name;
  bool huge;
  if (!ReadString(info, 0, "name", &name) || !ReadBoolean(info, 1, "hugePages", &huge)) return info.Env().Undefined();
  if (name.size() > 200) return Throw(info.Env(), "ERR_OUT_OF_RANGE", "name: expected at most 200 bytes");
  unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING | (huge ? MFD_HUGETLB | MFD_HUGE_2MB : 0);
  int fd = static_cast<int>(syscall(SYS_memfd_create, name.c_str(), flags));
  if (fd < 0) return ThrowErrno(info.Env(), errno, "memfd_create");
  return Napi::Number::New(info.Env(), fd);
}

// sealSize(fd): nobody can make the memfd shorter or longer from now on, nor undo that.
Napi::Value SealSize(const Napi::CallbackInfo& info) {
  int64_t fd;
  if (!ReadInteger(info, 0, "fd", 0, INT32_MAX, &fd)) return info.Env().Undefined();
  if (fcntl(static_cast<int>(fd), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return ThrowErrno(info.Env(), errno, "F_ADD_SEALS");
  }
  return info.Env().Undefined();
}

// mapMemory(fd, bytes, reserve, numaNode, lock): { buffer, shared, numa, lock }
Napi::Value MapMemory(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int64_t fdNumber, bytes, node;
  bool reserve, lock;
  if (!ReadInteger(info, 0, "fd", 0, INT32_MAX, &fdNumber) || !ReadInteger(info, 1, "bytes", 4, 1LL << 40, &bytes) ||
      !ReadBoolean(info, 2, "reserve", &reserve) || !ReadInteger(info, 3, "numaNode", -1, 1023, &node) ||
      !ReadBoolean(info, 4, "lock", &lock)) {
    return env.Undefined();
  }
  const int fd = static_cast<int>(fdNumber);
  struct stat file;
  struct statfs fs;
  if (fstat(fd, &file) != 0) return ThrowErrno(env, errno, "fstat");
  if (fstatfs(fd, &fs) != 0) return ThrowErrno(env, errno, "fstatfs");
  if (!S_ISREG(file.st_mode) || !IsMemory(fs)) {
    return Throw(env, "ENOTMEMORY", "mapMemory: expected a file on tmpfs or hugetlbfs");
  }
  const size_t page = static_cast<uint32_t>(fs.f_type) == static_cast<uint32_t>(HUGETLBFS_MAGIC)
                          ? static_cast<size_t>(fs.f_bsize)
                          : static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t length = (static_cast<size_t>(bytes) + page - 1) / page * page;
  if (!reserve && file.st_size < bytes) {
    return Throw(env, "EINVAL", "mapMemory: the file has " + std::to_string(file.st_size) + " bytes, " +
                                    std::to_string(bytes) + " were asked for");
  }
  // The size first, the mapping and its NUMA policy next, the pages last: they are taken by that policy.
  if (reserve && ftruncate(fd, static_cast<off_t>(length)) != 0) return ThrowErrno(env, Shortage(errno), "ftruncate");
  void* base = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) return ThrowErrno(env, Shortage(errno), "mmap", std::to_string(length) + " bytes");
  const int numaError = node >= 0 ? BindToNode(base, length, node) : 0;
  if (reserve) {
    const int error = Reserve(fd, length);
    if (error != 0) {
      munmap(base, length);
      return ThrowErrno(env, Shortage(error), "fallocate", std::to_string(length) + " bytes");
    }
  }
  const int lockError = lock && mlock(base, length) != 0 ? errno : 0;
  // Page tables now and not at the first touch of each page. Kernels before 5.14 do not know it, and need not.
  if (madvise(base, length, MADV_POPULATE_WRITE) != 0 && errno != EINVAL) {
    const int error = Shortage(errno);
    munmap(base, length);
    return ThrowErrno(env, error, "madvise", "populate " + std::to_string(length) + " bytes");
  }

  Mapping* mapping = Register(base, length);
  napi_value buffer = nullptr;
  CreateExternalShared createShared = FindCreateExternalShared();
  const bool shared = createShared != nullptr;
  const napi_status status =
      shared ? createShared(env, base, static_cast<size_t>(bytes), Collected, mapping, &buffer)
             : napi_create_external_arraybuffer(env, base, static_cast<size_t>(bytes), CollectedWithEnv, mapping, &buffer);
  if (status != napi_ok) {
    Release(mapping);
    return Throw(env, "ENOTSUP", "mapMemory: this Node takes no memory from outside (status " +
                                     std::to_string(static_cast<int>(status)) + ")");
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("buffer", Napi::Value(env, buffer));
  result.Set("shared", Napi::Boolean::New(env, shared));
  result.Set("numa", Napi::String::New(env, numaError == 0 ? "" : ErrnoName(numaError)));
  result.Set("lock", Napi::String::New(env, lockError == 0 ? "" : ErrnoName(lockError)));
  return result;
}

// mappings(): { count, bytes } of this process, without those that were ended. For tests, which hold a mapping to its end.
Napi::Value Mappings(const Napi::CallbackInfo& info) {
  size_t count = 0, bytes = 0;
  {
    std::lock_guard<std::mutex> guard(registryMutex);
    for (const auto& entry : registry) {
      if (entry.second->ended) continue;
      count += 1;
      bytes += entry.second->length;
    }
  }
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("count", Napi::Number::New(info.Env(), static_cast<double>(count)));
  result.Set("bytes", Napi::Number::New(info.Env(), static_cast<double>(bytes)));
  return result;
}

// endMapping(words, index): whether the memory was given back. What is left of the mapping is private zeros until its buffer is collected: views
// of the buffer may be anywhere, so its addresses must stay good. They are moved into place in one step of the kernel, since another thread may
// wait on a word of it.
Napi::Value EndMapping(const Napi::CallbackInfo& info) {
  Word word;
  if (!AcquireWord(info, 0, &word)) return info.Env().Undefined();
  bool ended;
  {
    std::lock_guard<std::mutex> guard(registryMutex);
    Mapping* mapping = word.mapping;
    if (!mapping->ended) {
      // Where there is no room for it, everything stays as it is until the buffer is collected.
      void* zeros = mmap(nullptr, mapping->length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (zeros != MAP_FAILED) {
        mapping->ended = mremap(zeros, mapping->length, mapping->length, MREMAP_MAYMOVE | MREMAP_FIXED, mapping->base) == mapping->base;
        if (!mapping->ended) munmap(zeros, mapping->length);
      }
    }
    ended = mapping->ended;
  }
  Release(word.mapping);
  return Napi::Boolean::New(info.Env(), ended);
}

// numaNodeOf(words, index): the NUMA node whose memory the page of the word is
Napi::Value NumaNodeOf(const Napi::CallbackInfo& info) {
  Word word;
  if (!AcquireWord(info, 0, &word)) return info.Env().Undefined();
  int node = -1;
  const long failed = syscall(SYS_get_mempolicy, &node, nullptr, 0, word.address, MPOL_F_NODE | MPOL_F_ADDR);
  const int error = errno;
  Release(word.mapping);
  if (failed != 0) return ThrowErrno(info.Env(), error, "get_mempolicy");
  return Napi::Number::New(info.Env(), node);
}

// hasExternalShared(): whether this Node makes a SharedArrayBuffer over a mapping
Napi::Value HasExternalShared(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), FindCreateExternalShared() != nullptr);
}

}  // namespace

Mapping* Acquire(const void* address, size_t size) {
  const auto at = reinterpret_cast<uintptr_t>(address);
  std::lock_guard<std::mutex> guard(registryMutex);
  auto next = registry.upper_bound(at);
  if (next == registry.begin()) return nullptr;
  Mapping* mapping = std::prev(next)->second;
  const auto base = reinterpret_cast<uintptr_t>(mapping->base);
  if (at - base > mapping->length || size > mapping->length - (at - base)) return nullptr;
  mapping->holders += 1;
  return mapping;
}

void Release(Mapping* mapping) {
  {
    std::lock_guard<std::mutex> guard(registryMutex);
    mapping->holders -= 1;
    if (mapping->holders > 0) return;
    registry.erase(reinterpret_cast<uintptr_t>(mapping->base));
  }
  munmap(mapping->base, mapping->length);
  delete mapping;
}

bool AcquireWord(const Napi::CallbackInfo& info, size_t wordsIndex, Word* out) {
  napi_value words = info[wordsIndex];
  napi_typedarray_type type = napi_uint8_array;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(info.Env(), words, &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != napi_int32_array) {
    Throw(info.Env(), "ERR_INVALID_ARG_TYPE", "words: expected an Int32Array");
    return false;
  }
  if (length == 0) {
    Throw(info.Env(), "ERR_OUT_OF_RANGE", "words: expected at least one word");
    return false;
  }
  int64_t index;
  if (!ReadInteger(info, wordsIndex + 1, "index", 0, static_cast<int64_t>(length) - 1, &index)) return false;
  int32_t* address = static_cast<int32_t*>(data) + index;
  Mapping* mapping = Acquire(address, sizeof(int32_t));
  if (mapping == nullptr) {
    Throw(info.Env(), "EINVAL", "words: expected memory that mapMemory has given");
    return false;
  }
  *out = Word{mapping, address};
  return true;
}

void InitMapping(Napi::Env env, Napi::Object exports) {
  exports.Set("createMemfd", Napi::Function::New(env, CreateMemfd, "createMemfd"));
  exports.Set("sealSize", Napi::Function::New(env, SealSize, "sealSize"));
  exports.Set("mapMemory", Napi::Function::New(env, MapMemory, "mapMemory"));
  exports.Set("endMapping", Napi::Function::New(env, EndMapping, "endMapping"));
  exports.Set("mappings", Napi::Function::New(env, Mappings, "mappings"));
  exports.Set("numaNodeOf", Napi::Function::New(env, NumaNodeOf, "numaNodeOf"));
  exports.Set("hasExternalShared", Napi::Function::New(env, HasExternalShared, "hasExternalShared"));
}

}  // namespace hotfire
