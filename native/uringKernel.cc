#if __has_include(<linux/io_uring.h>)

#include "uringKernel.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

// The same numbers on every architecture but alpha; the C library's header may be older than they are.
#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#define SYS_io_uring_enter 426
#define SYS_io_uring_register 427
#endif

namespace hotfire {

namespace {

constexpr unsigned kRegisterEventfd = 4;
constexpr unsigned kRegisterProbe = 8;
constexpr uint16_t kProbeSupported = 1;
constexpr unsigned kProbeOps = 64;

// As io_uring_probe, with room for its operations.
struct Probe {
  uint8_t lastOp;
  uint8_t opsLength;
  uint16_t reserved;
  uint32_t reserved2[3];
  struct {
    uint8_t op;
    uint8_t reserved;
    uint16_t flags;
    uint32_t reserved2;
  } ops[kProbeOps];
};

unsigned Acquire(const unsigned* at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
void Release(unsigned* at, unsigned value) { __atomic_store_n(at, value, __ATOMIC_RELEASE); }

}  // namespace

bool KernelRing::Open(unsigned entries, uint32_t flags, KernelError* error) {
  io_uring_params params;
  std::memset(&params, 0, sizeof params);
  params.flags = flags;
  long fd = syscall(SYS_io_uring_setup, entries, &params);
  if (fd < 0) {
    *error = {errno, "io_uring_setup"};
    return false;
  }
  fd_ = static_cast<int>(fd);
  flags_ = flags;

  ringsBytes_ = params.sq_off.array + params.sq_entries * sizeof(unsigned);
  completionsBytes_ = params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe);
  const bool isOneMapping = (params.features & IORING_FEAT_SINGLE_MMAP) != 0;
  if (isOneMapping && completionsBytes_ > ringsBytes_) ringsBytes_ = completionsBytes_;
  auto map = [this](size_t bytes, off_t offset) {
    void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_, offset);
    return at == MAP_FAILED ? nullptr : at;
  };
  sqesBytes_ = params.sq_entries * sizeof(io_uring_sqe);
  rings_ = map(ringsBytes_, IORING_OFF_SQ_RING);
  void* sqes = rings_ == nullptr ? nullptr : map(sqesBytes_, IORING_OFF_SQES);
  sqes_ = static_cast<io_uring_sqe*>(sqes);
  void* completions = rings_;
  if (!isOneMapping && sqes != nullptr) {
    completionsMap_ = map(completionsBytes_, IORING_OFF_CQ_RING);
    completions = completionsMap_;
  }
  if (rings_ == nullptr || sqes == nullptr || completions == nullptr) {
    *error = {errno, "mmap of io_uring"};
    Close();
    return false;
  }
  char* submission = static_cast<char*>(rings_);
  char* completion = static_cast<char*>(completions);
  sqHead_ = reinterpret_cast<unsigned*>(submission + params.sq_off.head);
  sqTail_ = reinterpret_cast<unsigned*>(submission + params.sq_off.tail);
  sqFlags_ = reinterpret_cast<unsigned*>(submission + params.sq_off.flags);
  sqArray_ = reinterpret_cast<unsigned*>(submission + params.sq_off.array);
  sqMask_ = *reinterpret_cast<unsigned*>(submission + params.sq_off.ring_mask);
  cqHead_ = reinterpret_cast<unsigned*>(completion + params.cq_off.head);
  cqTail_ = reinterpret_cast<unsigned*>(completion + params.cq_off.tail);
  cqMask_ = *reinterpret_cast<unsigned*>(completion + params.cq_off.ring_mask);
  cqes_ = reinterpret_cast<io_uring_cqe*>(completion + params.cq_off.cqes);

  Probe probe;
  std::memset(&probe, 0, sizeof probe);
  known_ = 0;
  if (syscall(SYS_io_uring_register, fd_, kRegisterProbe, &probe, kProbeOps) == 0) {
    for (unsigned i = 0; i < probe.opsLength && i < kProbeOps; i++) {
      if ((probe.ops[i].flags & kProbeSupported) != 0) known_ |= 1ULL << i;
    }
  }
  return true;
}

void KernelRing::Close() {
  if (sqes_ != nullptr) munmap(sqes_, sqesBytes_);
  if (completionsMap_ != nullptr) munmap(completionsMap_, completionsBytes_);
  if (rings_ != nullptr) munmap(rings_, ringsBytes_);
  if (fd_ >= 0) close(fd_);
  sqes_ = nullptr;
  completionsMap_ = nullptr;
  rings_ = nullptr;
  fd_ = -1;
}

bool KernelRing::HasWork() const { return isDeferred() && (Acquire(sqFlags_) & kSqTaskrun) != 0; }

bool KernelRing::Knows(uint8_t opcode) const { return opcode < 64 && (known_ & (1ULL << opcode)) != 0; }

bool KernelRing::RegisterEventfd(int eventfd, KernelError* error) {
  if (syscall(SYS_io_uring_register, fd_, kRegisterEventfd, &eventfd, 1) == 0) return true;
  *error = {errno, "io_uring_register of an eventfd"};
  return false;
}

unsigned KernelRing::Waiting() const { return *sqTail_ - Acquire(sqHead_); }

io_uring_sqe* KernelRing::Take() {
  const unsigned tail = *sqTail_;
  const unsigned index = tail & sqMask_;
  io_uring_sqe* entry = &sqes_[index];
  std::memset(entry, 0, sizeof *entry);
  sqArray_[index] = index;
  // The kernel looks at the tail only when it is entered: the entry may be filled after this.
  Release(sqTail_, tail + 1);
  return entry;
}

io_uring_sqe* KernelRing::OldestWaiting() {
  const unsigned head = Acquire(sqHead_);
  return head == *sqTail_ ? nullptr : &sqes_[sqArray_[head & sqMask_]];
}

void KernelRing::DropWaiting(std::vector<uint64_t>* userData) {
  const unsigned head = Acquire(sqHead_);
  for (unsigned at = head; at != *sqTail_; at++) userData->push_back(sqes_[sqArray_[at & sqMask_]].user_data);
  Release(sqTail_, head);
}

int KernelRing::Enter(unsigned completions, bool getsEvents) {
  const unsigned flags = getsEvents || completions > 0 ? IORING_ENTER_GETEVENTS : 0;
  for (;;) {
    const long taken = syscall(SYS_io_uring_enter, fd_, Waiting(), completions, flags, nullptr, 0);
    if (taken >= 0) return static_cast<int>(taken);
    if (errno != EINTR) return -errno;
  }
}

bool KernelRing::Reap(uint64_t* userData, int32_t* result) {
  const unsigned head = *cqHead_;
  if (head == Acquire(cqTail_)) return false;
  const io_uring_cqe& entry = cqes_[head & cqMask_];
  *userData = entry.user_data;
  *result = entry.res;
  Release(cqHead_, head + 1);
  return true;
}

bool OpenBestRing(KernelRing* ring, unsigned entries, const char** name, KernelError* error) {
  const struct {
    const char* name;
    uint32_t flags;
  } choices[] = {
      {"defer", kSetupSubmitAll | kSetupSingleIssuer | kSetupDeferTaskrun | kSetupTaskrunFlag},
      {"coop", kSetupSubmitAll | kSetupCoopTaskrun},
      {"plain", 0},
  };
  for (const auto& choice : choices) {
    if (*name != nullptr && std::strcmp(*name, choice.name) != 0) continue;
    if (ring->Open(entries, choice.flags, error)) {
      *name = choice.name;
      return true;
    }
    // A kernel that does not know a flag answers EINVAL; any other answer would be the same without the flag.
    if (error->number != EINVAL) return false;
  }
  return false;
}

}  // namespace hotfire

#endif
