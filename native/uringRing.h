// A ring in a loop of Node: operations of one turn of the loop are handed to the kernel by one system call before the loop waits;
// completions come through an eventfd that the loop polls. Which operations there are is not known here.
#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "loop.h"
#include "uringBlocks.h"
#include "uringKernel.h"

extern "C" {
typedef struct uv_prepare_s uv_prepare_t;
}

namespace hotfire {

// One operation, from the call to its callback. The index in `slots` is what JavaScript knows it by.
struct Operation {
  // Completions that are still to come.
  int pending = 0;
  // Of the operation, and of the sync that is linked behind it.
  int32_t results[2] = {0, 0};
  void* block = nullptr;
  int blockKind = 0;
  size_t bytes = 0;
  // Of a read: where its bytes go when they are there.
  napi_ref target = nullptr;
  size_t targetOffset = 0;
};

struct Ring {
  KernelRing kernel;
  const char* mode = nullptr;
  int eventfd = -1;
  uv_poll_t* poll = nullptr;
  uv_prepare_t* prepare = nullptr;
  bool isPrepared = false;
  int handlesOpen = 0;
  bool isDelivering = false;
  // A turn of the loop is at work on the ring; if it is stopped meanwhile (by what promises of the turn go on with), it ends behind that.
  bool isTurning = false;
  bool endsAfterTurn = false;
  napi_env env = nullptr;
  napi_ref callback = nullptr;
  napi_ref resource = nullptr;
  napi_async_context context = nullptr;
  std::vector<Operation> slots;
  std::vector<int> freeSlots;
  std::vector<int> finished;
  Blocks blocks;
  size_t inFlight = 0;
  size_t inFlightBytes = 0;
  // Completions that the kernel owes.
  unsigned owed = 0;
  uint64_t enters = 0, submitted = 0, completed = 0, refused = 0;
  // Called when both handles of the loop are closed; the ring is gone then.
  void (*onClosed)(void*) = nullptr;
  void* onClosedData = nullptr;
};

// Puts an open ring into the loop: from here on its completions are delivered. 0, or an error of libuv; then EndRing cleans up.
int OpenHandles(Ring* ring, uv_loop_t* loop);

// Ends a ring; its memory goes when the loop has closed its handles. `then` (may be null) is called after that.
void EndRing(Ring* ring, void (*then)(void*), void* data);

// A free slot for an operation of so many bytes, with a block of them if it needs one; -1 when the ring is full.
int TakeSlot(Ring* ring, size_t bytes, bool needsBlock);

// Gives back what an operation had, which is over or was not begun.
void Release(Ring* ring, int slot);

// An entry of the submission queue for a slot, handed to the kernel before the loop waits.
io_uring_sqe* Entry(Ring* ring, int slot, uint8_t opcode, int64_t fd);

}  // namespace hotfire
