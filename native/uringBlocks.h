// Memory that the kernel reads and writes on behalf of operations in flight.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <vector>

namespace hotfire {

// Most bytes of one operation; what is longer is done in parts.
constexpr size_t kMostBytes = 1 << 20;

/**
 * Blocks of 4 KiB to 1 MiB in powers of two, aligned for O_DIRECT. An operation's bytes lie in one of these and never in memory of
 * the engine: no collection, transfer or resizing of a caller's buffer can take memory away from under the kernel. Blocks that come
 * back are kept for the next operation, up to 8 MiB.
 */
class Blocks {
 public:
  static constexpr size_t kAlignment = 4096;
  static constexpr size_t kKeptMost = 8 << 20;

  Blocks() = default;
  Blocks(const Blocks&) = delete;
  Blocks& operator=(const Blocks&) = delete;
  ~Blocks() {
    for (auto& list : free_) {
      for (void* block : list) std::free(block);
    }
  }

  // A block of at least `bytes` (at most kMostBytes); null when there is no memory. `kind` is given back to Put.
  void* Get(size_t bytes, int* kind) {
    int k = 0;
    while ((kAlignment << k) < bytes) k++;
    *kind = k;
    auto& list = free_[k];
    if (!list.empty()) {
      void* block = list.back();
      list.pop_back();
      kept_ -= kAlignment << k;
      return block;
    }
    void* block = nullptr;
    return posix_memalign(&block, kAlignment, kAlignment << k) == 0 ? block : nullptr;
  }

  void Put(void* block, int kind) {
    const size_t bytes = kAlignment << kind;
    if (kept_ + bytes > kKeptMost) {
      std::free(block);
      return;
    }
    kept_ += bytes;
    free_[kind].push_back(block);
  }

 private:
  std::vector<void*> free_[9];
  size_t kept_ = 0;
};

}  // namespace hotfire
