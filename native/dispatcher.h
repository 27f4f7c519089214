// The one thread of the process that waits for words on behalf of all event loops (futex_waitv(2), Linux 5.16).
#pragma once

#include "mapping.h"

#include <cstdint>

namespace hotfire {

enum class WaitResult : uint8_t { kWoken = 0, kChanged = 1, kTimeout = 2 };

// Who is told of ended waits. Called on the dispatcher's thread with its mutex held: hand over and return, call nothing of it.
class WaitOwner {
 public:
  virtual void Ended(uint64_t id, WaitResult result) = 0;

 protected:
  ~WaitOwner() = default;
};

// Time of CLOCK_MONOTONIC, nanoseconds.
int64_t MonotonicNow();

// No deadline.
constexpr int64_t kForever = INT64_MAX;

// A shared futex wait of the calling thread until `deadline` (MonotonicNow's clock).
WaitResult WaitOnWord(const int32_t* address, int32_t expected, int64_t deadline);

// Each owner joins before it waits and leaves before it ends; with the last one the thread ends, before DispatcherLeave returns.
// After that no call of its `Ended` comes. Joining gives 0, or the error number of the thread that could not be made: the owner has not
// joined then.
int DispatcherJoin(WaitOwner* owner);
void DispatcherLeave(WaitOwner* owner);

// Waits until the word is woken or is no longer `expected`, or until the deadline; then calls `Ended` once. Takes over the hold on
// the word's mapping.
void DispatcherAdd(WaitOwner* owner, uint64_t id, Word word, int32_t expected, int64_t deadline);

// Ends the owner's waits on words of a mapping as timed out.
void DispatcherCancel(WaitOwner* owner, const Mapping* mapping);

// How it waits: "futex_waitv" or "polling".
const char* DispatcherMethod();

}  // namespace hotfire
