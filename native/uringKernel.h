// A ring of io_uring(7) by system calls alone: no library is needed at installation. Nothing here knows of JavaScript.
#pragma once

#include <linux/io_uring.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace hotfire {

// Numbers of the kernel's interface. Headers older than the kernel that runs lack some; the numbers never change.
constexpr uint8_t kOpNop = 0;
constexpr uint8_t kOpFsync = 3;
constexpr uint8_t kOpAsyncCancel = 14;
constexpr uint8_t kOpFallocate = 17;
constexpr uint8_t kOpRead = 22;
constexpr uint8_t kOpWrite = 23;
constexpr uint8_t kOpFadvise = 24;
constexpr uint32_t kSetupSubmitAll = 1U << 7;       // Linux 5.18
constexpr uint32_t kSetupCoopTaskrun = 1U << 8;     // Linux 5.19
constexpr uint32_t kSetupTaskrunFlag = 1U << 9;     // Linux 5.19
constexpr uint32_t kSetupSingleIssuer = 1U << 12;   // Linux 6.0
constexpr uint32_t kSetupDeferTaskrun = 1U << 13;   // Linux 6.1
constexpr uint32_t kCancelAll = 1U << 0;            // Linux 5.19
constexpr uint32_t kCancelAny = 1U << 2;            // Linux 5.19
constexpr uint32_t kFsyncDatasync = 1U << 0;
constexpr uint32_t kSqTaskrun = 1U << 2;

// What failed, as the kernel reported it.
struct KernelError {
  int number = 0;
  const char* call = "";
};

// One ring and its mapped queues. One thread uses it: the one that opened it.
class KernelRing {
 public:
  KernelRing() = default;
  KernelRing(const KernelRing&) = delete;
  KernelRing& operator=(const KernelRing&) = delete;
  ~KernelRing() { Close(); }

  // Opens a ring for `entries` submissions (a power of two) with exactly these flags. False: `error` says why, nothing stays open.
  bool Open(unsigned entries, uint32_t flags, KernelError* error);
  void Close();

  bool isOpen() const { return fd_ >= 0; }
  // Whether completions come only when this thread enters the kernel for them.
  bool isDeferred() const { return (flags_ & kSetupDeferTaskrun) != 0; }

  // Whether deferred work is left: the kernel does twenty pieces of it at each entry (since Linux 6.14), and does not write to the
  // eventfd again for the others.
  bool HasWork() const;

  // Whether the kernel knows the operation. False of all before Linux 5.6, which cannot tell.
  bool Knows(uint8_t opcode) const;
  // Has the kernel write to this eventfd when there is something to reap.
  bool RegisterEventfd(int eventfd, KernelError* error);

  // Entries that are filled and that the kernel has not taken.
  unsigned Waiting() const;
  // The next free entry, cleared. There must be room.
  io_uring_sqe* Take();
  // The oldest entry that the kernel has not taken; null when there is none.
  io_uring_sqe* OldestWaiting();
  // Takes back the entries that the kernel has not taken; `userData` gets theirs, in order.
  void DropWaiting(std::vector<uint64_t>* userData);

  // Hands over all waiting entries and waits for `completions` of them: one system call, again after EINTR. Returns how many the
  // kernel has taken, or a negative errno value.
  int Enter(unsigned completions, bool getsEvents);

  // Takes the oldest completion.
  bool Reap(uint64_t* userData, int32_t* result);

 private:
  int fd_ = -1;
  uint32_t flags_ = 0;
  void* rings_ = nullptr;
  size_t ringsBytes_ = 0;
  void* completionsMap_ = nullptr;
  size_t completionsBytes_ = 0;
  io_uring_sqe* sqes_ = nullptr;
  size_t sqesBytes_ = 0;
  unsigned* sqHead_ = nullptr;
  unsigned* sqTail_ = nullptr;
  unsigned* sqArray_ = nullptr;
  unsigned* sqFlags_ = nullptr;
  unsigned* cqHead_ = nullptr;
  unsigned* cqTail_ = nullptr;
  io_uring_cqe* cqes_ = nullptr;
  unsigned sqMask_ = 0;
  unsigned cqMask_ = 0;
  uint64_t known_ = 0;
};

// Opens a ring with the best flags that this kernel takes: deferred task work (Linux 6.1), cooperative (5.19), none. `name` gets
// the name of what was taken; if it is one of 'defer', 'coop', 'plain' before the call, nothing else is tried.
bool OpenBestRing(KernelRing* ring, unsigned entries, const char** name, KernelError* error);

}  // namespace hotfire
