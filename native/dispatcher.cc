#include "dispatcher.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <vector>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

namespace hotfire {
namespace {

// As struct futex_waitv of linux/futex.h, which headers older than the kernel lack.
struct WaitEntry {
  uint64_t value;
  uint64_t address;
  uint32_t flags;
  uint32_t reserved;
};
constexpr uint32_t kWord32 = 2;           // FUTEX_32: without the private flag, so it meets wakes of other processes
constexpr uint32_t kWord32Private = 130;  // FUTEX_32 | FUTEX_PRIVATE_FLAG
constexpr size_t kMostWords = 127;        // FUTEX_WAITV_MAX less the control word

// With more words than one call takes, or without futex_waitv, the thread goes round them at this pace.
constexpr int64_t kRoundNs = 1000000;
// Where only values can be looked at, a wake without a change of the word cannot be seen: a wait ends as woken after this.
constexpr int64_t kUnseenWakeNs = 50000000;

struct Waiter {
  WaitOwner* owner;
  uint64_t id;
  Word word;
  int32_t expected;
  int64_t deadline;
  int64_t since;
};

// Never destroyed: at `process.exit` Node ends without its cleanup hooks, and the thread outlives destructors of statics.
struct State {
  std::mutex mutex;  // guards all that follows but `control`
  std::vector<Waiter> waiters;
  std::vector<WaitOwner*> owners;
  pthread_t thread;      // while there are owners
  uint64_t threads = 0;  // started so far; a thread with a lower number than this, or with nobody to work for, ends
  size_t turn = 0;
  // Bumped and woken at each change of `waiters`, so that the thread looks again.
  std::atomic<uint32_t> control{0};
};
State& state = *new State;

timespec TimeOf(int64_t ns) { return timespec{static_cast<time_t>(ns / 1000000000), static_cast<long>(ns % 1000000000)}; }

int32_t Load(const int32_t* address) { return __atomic_load_n(address, __ATOMIC_SEQ_CST); }

void Nudge() {
  state.control.fetch_add(1);
  syscall(SYS_futex, &state.control, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

// A kernel or a seccomp filter without futex_waitv refuses even an empty call with another error than EINVAL.
bool ProbeWaitv() {
  const char* asked = std::getenv("HOTFIRE_FUTEX");
  if (asked != nullptr && std::strcmp(asked, "polling") == 0) return false;
  return syscall(SYS_futex_waitv, nullptr, 0, 0, nullptr, 0) == -1 && errno == EINVAL;
}

bool HasWaitv() {
  static const bool has = ProbeWaitv();
  return has;
}

// Ends waits for which `result` gives one; the mutex is held.
template <typename Judge>
void EndThose(Judge judge) {
  auto keep = state.waiters.begin();
  for (auto& waiter : state.waiters) {
    WaitResult result;
    if (judge(waiter, &result)) {
      if (waiter.owner != nullptr) waiter.owner->Ended(waiter.id, result);
      Release(waiter.word.mapping);
    } else {
      *keep++ = waiter;
    }
  }
  state.waiters.erase(keep, state.waiters.end());
}

// `blind`: the kernel tells nothing of wakes.
void EndChangedAndLate(bool blind) {
  const int64_t now = MonotonicNow();
  EndThose([now, blind](const Waiter& waiter, WaitResult* result) {
    if (Load(waiter.word.address) != waiter.expected) {
      *result = WaitResult::kChanged;
    } else if (now >= waiter.deadline) {
      *result = WaitResult::kTimeout;
    } else if (blind && now - waiter.since >= kUnseenWakeNs) {
      *result = WaitResult::kWoken;
    } else {
      return false;
    }
    return true;
  });
}

// Sleeps until the control word changes, or until the deadline.
void SleepOnControl(uint32_t seen, int64_t deadline) {
  const timespec until = TimeOf(deadline);
  syscall(SYS_futex, &state.control, FUTEX_WAIT_BITSET_PRIVATE, seen, deadline == kForever ? nullptr : &until, nullptr,
          FUTEX_BITSET_MATCH_ANY);
}

void Run(uint64_t number) {
  prctl(PR_SET_NAME, "hotfire-futex", 0, 0, 0);
  // Late by as little as the kernel can: somebody's time-out hangs on it.
  prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
  std::vector<WaitEntry> entries;
  std::vector<uint64_t> ids;
  std::vector<WaitOwner*> idOwners;
  // The kernel refuses the words (it has no memory, or a filter lets none through): their values are looked at. That is no help with a word beyond
  // the end of a file that was cut: to look at it is SIGBUS, here as in all else of this process that touches it. Nothing can be saved there.
  bool refused = false;
  std::unique_lock<std::mutex> lock(state.mutex);
  while (number == state.threads && !state.owners.empty()) {
    EndChangedAndLate(refused || !HasWaitv());
    const uint32_t seen = state.control.load();
    int64_t deadline = kForever;
    for (const auto& waiter : state.waiters) deadline = std::min(deadline, waiter.deadline);

    entries.clear();
    ids.clear();
    idOwners.clear();
    // The control word comes first: the kernel reports the last one in this order that was woken, so a report of the first says
    // that no other was.
    entries.push_back({seen, reinterpret_cast<uint64_t>(&state.control), kWord32Private, 0});
    ids.push_back(0);
    idOwners.push_back(nullptr);
    const size_t group = HasWaitv() ? std::min(state.waiters.size(), kMostWords) : 0;
    if (state.turn >= state.waiters.size()) state.turn = 0;
    for (size_t i = 0; i < group; i++) {
      const Waiter& waiter = state.waiters[(state.turn + i) % state.waiters.size()];
      entries.push_back({static_cast<uint32_t>(waiter.expected), reinterpret_cast<uint64_t>(waiter.word.address), kWord32, 0});
      ids.push_back(waiter.id);
      idOwners.push_back(waiter.owner);
    }
    if (group < state.waiters.size()) {
      state.turn += group;
      deadline = std::min(deadline, MonotonicNow() + kRoundNs);
    }
    const timespec until = TimeOf(deadline);
    lock.unlock();

    // Mappings stay: only this thread and calls that nudge it take waiters away, and they release no hold before this returns.
    long woken;
    if (HasWaitv()) {
      woken = syscall(SYS_futex_waitv, entries.data(), entries.size(), 0, deadline == kForever ? nullptr : &until,
                      CLOCK_MONOTONIC);
      refused = woken == -1 && errno != ETIMEDOUT && errno != EAGAIN && errno != EINTR;
      if (refused) SleepOnControl(seen, std::min(deadline, MonotonicNow() + kRoundNs));
    } else {
      SleepOnControl(seen, deadline);
      woken = -1;
    }

    lock.lock();
    if (woken > 0) {
      // Those before it in the order may have been woken as well, which the kernel does not tell: they end too, as a wait may end
      // for nothing but may not sleep through its wake.
      EndThose([&](const Waiter& waiter, WaitResult* result) {
        for (long i = 1; i <= woken; i++) {
          if (ids[static_cast<size_t>(i)] != waiter.id || idOwners[static_cast<size_t>(i)] != waiter.owner) continue;
          *result = WaitResult::kWoken;
          return true;
        }
        return false;
      });
    }
  }
  // What is left belongs to owners that have left, or to the thread after this one.
  EndThose([](const Waiter& waiter, WaitResult* result) {
    *result = WaitResult::kTimeout;
    return waiter.owner == nullptr;
  });
}

}  // namespace

int64_t MonotonicNow() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000000000 + now.tv_nsec;
}

WaitResult WaitOnWord(const int32_t* address, int32_t expected, int64_t deadline) {
  const timespec until = TimeOf(deadline);
  for (;;) {
    if (syscall(SYS_futex, address, FUTEX_WAIT_BITSET, expected, deadline == kForever ? nullptr : &until, nullptr,
                FUTEX_BITSET_MATCH_ANY) == 0) {
      return WaitResult::kWoken;
    }
    if (errno == EAGAIN) return WaitResult::kChanged;
    if (errno == ETIMEDOUT) return WaitResult::kTimeout;
    // A signal: on with what is left of the time. Anything else (a kernel without the call) shall not turn into a busy loop, neither here
    // nor of whoever looks at the word and waits again.
    if (errno != EINTR) {
      const timespec pause = TimeOf(std::min(kRoundNs, std::max<int64_t>(deadline - MonotonicNow(), 0)));
      nanosleep(&pause, nullptr);
      return WaitResult::kWoken;
    }
  }
}

int DispatcherJoin(WaitOwner* owner) {
  std::lock_guard<std::mutex> guard(state.mutex);
  if (state.owners.empty()) {
    // Not std::thread, which throws where a limit on threads is met: nothing here catches.
    auto* number = new uint64_t(state.threads + 1);
    const int error = pthread_create(
        &state.thread, nullptr,
        [](void* data) -> void* {
          const uint64_t given = *static_cast<uint64_t*>(data);
          delete static_cast<uint64_t*>(data);
          Run(given);
          return nullptr;
        },
        number);
    if (error != 0) {
      delete number;
      return error;
    }
    // The new thread waits for the mutex, and looks at both once it has it.
    state.threads++;
  }
  state.owners.push_back(owner);
  return 0;
}

void DispatcherLeave(WaitOwner* owner) {
  pthread_t last;
  bool isLast;
  {
    std::lock_guard<std::mutex> guard(state.mutex);
    // The thread may be in the kernel with these words: it lets go of them itself, and tells nobody.
    for (auto& waiter : state.waiters) {
      if (waiter.owner != owner) continue;
      waiter.owner = nullptr;
      waiter.deadline = 0;
    }
    auto& owners = state.owners;
    owners.erase(std::remove(owners.begin(), owners.end(), owner), owners.end());
    isLast = owners.empty();
    last = state.thread;
    Nudge();
  }
  if (isLast) pthread_join(last, nullptr);
}

void DispatcherAdd(WaitOwner* owner, uint64_t id, Word word, int32_t expected, int64_t deadline) {
  std::lock_guard<std::mutex> guard(state.mutex);
  state.waiters.push_back({owner, id, word, expected, deadline, MonotonicNow()});
  Nudge();
}

void DispatcherCancel(WaitOwner* owner, const Mapping* mapping) {
  std::lock_guard<std::mutex> guard(state.mutex);
  for (auto& waiter : state.waiters) {
    if (waiter.owner == owner && waiter.word.mapping == mapping) waiter.deadline = 0;
  }
  Nudge();
}

const char* DispatcherMethod() { return HasWaitv() ? "futex_waitv" : "polling"; }

}  // namespace hotfire
