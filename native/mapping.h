// Which memory is mapped. A mapping stays as long as its buffer lives in JavaScript or anything native waits on a word of it.
#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>

namespace hotfire {

struct Mapping;

// The mapping that `size` bytes from `address` lie in, held until `Release`; nullptr if they lie in none.
Mapping* Acquire(const void* address, size_t size);
void Release(Mapping* mapping);

// A word of a mapping that a caller named by an Int32Array and an index.
struct Word {
  Mapping* mapping = nullptr;
  int32_t* address = nullptr;
};

// Reads (words, index) from two arguments and holds the mapping. False after throwing.
bool AcquireWord(const Napi::CallbackInfo& info, size_t wordsIndex, Word* out);

}  // namespace hotfire
