// How a ring lives in its loop: what is handed to the kernel and when, and how completions come to JavaScript.
#if __has_include(<linux/io_uring.h>)

#include "uringRing.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

extern "C" {
typedef void (*uv_prepare_cb)(uv_prepare_t* handle);
int uv_prepare_init(uv_loop_t* loop, uv_prepare_t* handle);
int uv_prepare_start(uv_prepare_t* handle, uv_prepare_cb callback);
int uv_prepare_stop(uv_prepare_t* handle);
}

namespace hotfire {

namespace {

constexpr int kUvPrepareType = 9;
// Most bytes of operations in flight; with more, the ring counts as full.
constexpr size_t kInFlightBytesMost = 32 << 20;
// Turns that completions may cause without the loop doing anything else.
constexpr int kRoundsMost = 16;
constexpr uint64_t kCancelData = ~0ULL;

// ---- between the loop and the kernel

void Wake(Ring* ring) {
  const uint64_t one = 1;
  // A full counter means that a wake-up is pending already.
  if (write(ring->eventfd, &one, sizeof one) < 0) return;
}

// The kernel took a write but not the sync linked behind it, so that the two are not linked any more: the sync must not overtake its
// write. It becomes an empty operation, and its result says that it was not made.
void UnlinkSplit(Ring* ring) {
  io_uring_sqe* oldest = ring->kernel.OldestWaiting();
  if (oldest == nullptr || (oldest->user_data & 1) == 0) return;
  const uint64_t data = oldest->user_data;
  std::memset(oldest, 0, sizeof *oldest);
  oldest->opcode = kOpNop;
  oldest->user_data = data;
  ring->slots[data >> 1].results[1] = -ECANCELED;
}

void Complete(Ring* ring, uint64_t data, int32_t result) {
  Operation& operation = ring->slots[data >> 1];
  const int part = static_cast<int>(data & 1);
  if (part == 0 || operation.results[1] == 0) operation.results[part] = result;
  if (--operation.pending == 0) ring->finished.push_back(static_cast<int>(data >> 1));
}

void Collect(Ring* ring) {
  uint64_t data;
  int32_t result;
  while (ring->kernel.Reap(&data, &result)) {
    ring->owed--;
    if (data != kCancelData) Complete(ring, data, result);
  }
}

// Hands over what waits, and runs the kernel's deferred work where this thread has to.
void Enter(Ring* ring, bool getsEvents) {
  for (bool isFirst = true; isFirst || ring->kernel.Waiting() > 0 || ring->kernel.HasWork(); isFirst = false) {
    const unsigned waiting = ring->kernel.Waiting();
    if (waiting == 0 && !getsEvents) return;
    const int taken = ring->kernel.Enter(0, getsEvents || ring->kernel.HasWork());
    ring->enters++;
    if (taken > 0) {
      ring->owed += taken;
      ring->submitted += taken;
      UnlinkSplit(ring);
      continue;
    }
    if (waiting == 0) {
      if (taken < 0) return;
      continue;
    }
    if (taken == 0 || taken == -EAGAIN || taken == -EBUSY || taken == -ENOMEM) {
      // No memory for requests, or too much to reap: what waits is handed over after the next completion or, when there is none to
      // come, in the next turn.
      if (ring->owed == 0) Wake(ring);
      return;
    }
    // The kernel forbids what it allowed before (a filter that was set up later): what it has not taken fails with that.
    std::vector<uint64_t> dropped;
    ring->kernel.DropWaiting(&dropped);
    for (uint64_t data : dropped) Complete(ring, data, taken);
    return;
  }
}

// ---- completions, to JavaScript

// Copies what was read to where the caller wants it. The caller may have taken its memory away meanwhile.
int32_t Deposit(Ring* ring, const Operation& operation, int32_t count) {
  napi_value target;
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_reference_value(ring->env, operation.target, &target) != napi_ok || target == nullptr ||
      napi_get_typedarray_info(ring->env, target, &type, &length, &data, nullptr, nullptr) != napi_ok ||
      data == nullptr || length < operation.targetOffset + static_cast<size_t>(count)) {
    return -EFAULT;
  }
  std::memcpy(static_cast<uint8_t*>(data) + operation.targetOffset, operation.block, count);
  return count;
}

// Reports an exception of the callback as Node reports any that nobody catches.
void RaisePending(napi_env env) {
  bool isPending = false;
  if (napi_is_exception_pending(env, &isPending) != napi_ok || !isPending) return;
  napi_value error;
  if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
}

// Calls JavaScript for everything that is finished: callback(slot, result, result of the linked sync).
void Deliver(Ring* ring) {
  if (ring->finished.empty()) return;
  std::vector<int> finished;
  finished.swap(ring->finished);
  napi_env env = ring->env;
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value resource, callback, undefined;
  napi_callback_scope callbacks = nullptr;
  napi_get_reference_value(env, ring->resource, &resource);
  napi_get_reference_value(env, ring->callback, &callback);
  napi_get_undefined(env, &undefined);
  // Promises that the callbacks settle go on when the scope is closed.
  napi_open_callback_scope(env, resource, ring->context, &callbacks);
  ring->isDelivering = true;
  for (int slot : finished) {
    Operation& operation = ring->slots[slot];
    napi_handle_scope inner;
    napi_open_handle_scope(env, &inner);
    int32_t results[2] = {operation.results[0], operation.results[1]};
    if (operation.target != nullptr && results[0] > 0) results[0] = Deposit(ring, operation, results[0]);
    Release(ring, slot);
    napi_value arguments[3];
    napi_create_int32(env, slot, &arguments[0]);
    napi_create_int32(env, results[0], &arguments[1]);
    napi_create_int32(env, results[1], &arguments[2]);
    napi_value ignored;
    napi_call_function(env, undefined, callback, 3, arguments, &ignored);
    RaisePending(env);
    napi_close_handle_scope(env, inner);
  }
  ring->isDelivering = false;
  if (callbacks != nullptr) napi_close_callback_scope(env, callbacks);
  RaisePending(env);
  napi_close_handle_scope(env, scope);
}

// ---- beginning and end

// Waits until the kernel has nothing of this ring in its hands. What it has not begun is cancelled.
void Quiesce(Ring* ring) {
  std::vector<uint64_t> dropped;
  ring->kernel.DropWaiting(&dropped);
  Collect(ring);
  if (ring->owed > 0) {
    io_uring_sqe* cancel = ring->kernel.Take();
    cancel->opcode = kOpAsyncCancel;
    // Kernels before 5.19 refuse the flags: then everything runs to its end.
    cancel->rw_flags = static_cast<int>(kCancelAll | kCancelAny);
    cancel->user_data = kCancelData;
    ring->owed++;
  }
  while (ring->owed > 0) {
    const int taken = ring->kernel.Enter(1, true);
    Collect(ring);
    // A kernel that does not let us wait any more: the ring is closed, and its memory is not freed.
    if (taken < 0 && taken != -EAGAIN && taken != -EBUSY) break;
  }
}

void Finish(Ring* ring) {
  if (ring->eventfd >= 0) close(ring->eventfd);
  ::operator delete(ring->poll);
  ::operator delete(ring->prepare);
  void (*then)(void*) = ring->onClosed;
  void* data = ring->onClosedData;
  delete ring;
  if (then != nullptr) then(data);
}

void OnHandleClosed(uv_handle_t* handle) {
  auto* ring = static_cast<Ring*>(uv_handle_get_data(handle));
  if (--ring->handlesOpen == 0) Finish(ring);
}

// ---- turns of the loop

void EndTurn(Ring* ring) {
  ring->isTurning = false;
  if (ring->endsAfterTurn) EndRing(ring, nullptr, nullptr);
}

void OnPrepare(uv_prepare_t* handle) {
  auto* ring = static_cast<Ring*>(uv_handle_get_data(reinterpret_cast<uv_handle_t*>(handle)));
  uv_prepare_stop(handle);
  ring->isPrepared = false;
  ring->isTurning = true;
  // Reads from the page cache are complete on return, and what their callers ask for next must not wait for the loop to wake up.
  for (int round = 0; round < kRoundsMost && ring->kernel.Waiting() > 0; round++) {
    Enter(ring, ring->kernel.isDeferred());
    Collect(ring);
    Deliver(ring);
  }
  if (ring->kernel.Waiting() > 0) Wake(ring);
  EndTurn(ring);
}

void OnReadable(uv_poll_t* handle, int, int) {
  auto* ring = static_cast<Ring*>(uv_handle_get_data(reinterpret_cast<uv_handle_t*>(handle)));
  uint64_t count;
  ring->isTurning = true;
  // A kernel that defers its work writes to the eventfd when there is some, and once more when this call has made completions of it:
  // both are read together, or each operation would wake the loop twice.
  Enter(ring, ring->kernel.isDeferred());
  // Nothing to read means that somebody else has reaped what it told of.
  if (read(ring->eventfd, &count, sizeof count) < 0 && errno != EAGAIN) return EndTurn(ring);
  // What came between the two is told of by the flag alone. It is set before the eventfd is written to.
  if (ring->kernel.HasWork()) Enter(ring, true);
  Collect(ring);
  Deliver(ring);
  EndTurn(ring);
}

}  // namespace

// ---- what callers use

int OpenHandles(Ring* ring, uv_loop_t* loop) {
  ring->prepare = static_cast<uv_prepare_t*>(::operator new(uv_handle_size(kUvPrepareType)));
  ring->poll = static_cast<uv_poll_t*>(::operator new(uv_handle_size(kUvPollType)));
  uv_prepare_init(loop, ring->prepare);
  uv_handle_set_data(reinterpret_cast<uv_handle_t*>(ring->prepare), ring);
  ring->handlesOpen = 1;
  int failed = uv_poll_init(loop, ring->poll, ring->eventfd);
  if (failed == 0) {
    uv_handle_set_data(reinterpret_cast<uv_handle_t*>(ring->poll), ring);
    ring->handlesOpen = 2;
    failed = uv_poll_start(ring->poll, kUvReadable, OnReadable);
  }
  if (failed == 0) uv_unref(reinterpret_cast<uv_handle_t*>(ring->poll));
  return failed;
}

void EndRing(Ring* ring, void (*then)(void*), void* data) {
  ring->onClosed = then;
  ring->onClosedData = data;
  if (ring->kernel.isOpen()) Quiesce(ring);
  for (auto& operation : ring->slots) {
    // What the kernel may still have in its hands is never freed.
    if (operation.block != nullptr && ring->owed == 0) ring->blocks.Put(operation.block, operation.blockKind);
    if (operation.target != nullptr) napi_delete_reference(ring->env, operation.target);
    operation = Operation();
  }
  ring->kernel.Close();
  if (ring->context != nullptr) napi_async_destroy(ring->env, ring->context);
  if (ring->callback != nullptr) napi_delete_reference(ring->env, ring->callback);
  if (ring->resource != nullptr) napi_delete_reference(ring->env, ring->resource);
  if (ring->handlesOpen == 0) {
    Finish(ring);
    return;
  }
  if (ring->isPrepared) uv_prepare_stop(ring->prepare);
  uv_close(reinterpret_cast<uv_handle_t*>(ring->prepare), OnHandleClosed);
  if (ring->handlesOpen == 2) {
    uv_poll_stop(ring->poll);
    uv_close(reinterpret_cast<uv_handle_t*>(ring->poll), OnHandleClosed);
  }
}

int TakeSlot(Ring* ring, size_t bytes, bool needsBlock) {
  if (ring->freeSlots.empty() || (ring->inFlight > 0 && ring->inFlightBytes + bytes > kInFlightBytesMost)) {
    ring->refused++;
    return -1;
  }
  const int slot = ring->freeSlots.back();
  Operation& operation = ring->slots[slot];
  if (needsBlock) {
    operation.block = ring->blocks.Get(bytes, &operation.blockKind);
    if (operation.block == nullptr) {
      ring->refused++;
      return -1;
    }
  }
  ring->freeSlots.pop_back();
  operation.pending = 1;
  operation.bytes = bytes;
  ring->inFlightBytes += bytes;
  if (ring->inFlight++ == 0) uv_ref(reinterpret_cast<uv_handle_t*>(ring->poll));
  return slot;
}

io_uring_sqe* Entry(Ring* ring, int slot, uint8_t opcode, int64_t fd) {
  if (!ring->isPrepared) {
    uv_prepare_start(ring->prepare, OnPrepare);
    ring->isPrepared = true;
  }
  io_uring_sqe* entry = ring->kernel.Take();
  entry->opcode = opcode;
  entry->fd = static_cast<int>(fd);
  entry->user_data = static_cast<uint64_t>(slot) << 1;
  return entry;
}

void Release(Ring* ring, int slot) {
  Operation& operation = ring->slots[slot];
  if (operation.block != nullptr) ring->blocks.Put(operation.block, operation.blockKind);
  if (operation.target != nullptr) napi_delete_reference(ring->env, operation.target);
  ring->inFlightBytes -= operation.bytes;
  operation = Operation();
  ring->freeSlots.push_back(slot);
  ring->completed++;
  if (--ring->inFlight == 0 && ring->poll != nullptr) uv_unref(reinterpret_cast<uv_handle_t*>(ring->poll));
}

}  // namespace hotfire

#endif
