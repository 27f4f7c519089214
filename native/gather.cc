// Many short copies by one call: what a loop in JavaScript pays for each word of them, checks and conversions, is paid once here.
#include "addon.h"

#include <cstring>

namespace hotfire {

namespace {

struct Words {
  int32_t* data;
  size_t length;
};

bool ReadWords(const Napi::CallbackInfo& info, size_t index, const char* name, Words* out) {
  napi_typedarray_type type = napi_uint8_array;
  void* data = nullptr;
  const napi_status status = napi_get_typedarray_info(info.Env(), info[index], &type, &out->length, &data, nullptr, nullptr);
  if (status != napi_ok || type != napi_int32_array) {
    Throw(info.Env(), "ERR_INVALID_ARG_TYPE", std::string(name) + ": expected an Int32Array");
    return false;
  }
  out->data = static_cast<int32_t*>(data);
  return true;
}

// Where a copy begins, where it goes, how many words it has: as JavaScript writes them, three numbers behind each other.
struct Run {
  uint32_t from;
  uint32_t to;
  uint32_t count;
};
static_assert(sizeof(Run) == 3 * sizeof(int32_t));

bool IsWithin(uint32_t at, uint32_t count, size_t length) { return at <= length && count <= length - at; }

// Others may write what is read. Whether what was read is of one piece is the caller's to find out afterwards, by a word that it compares and exchanges: a
// call between that and the loads keeps the compiler from moving them, the exchange the processor.
void CopyRun(const int32_t* from, int32_t* to, uint32_t count) {
  constexpr uint32_t kBlock = 8;
  for (; count >= kBlock; count -= kBlock, from += kBlock, to += kBlock) memcpy(to, from, kBlock * sizeof *to);
  for (; count > 0; count -= 1) *to++ = *from++;
}

// Runs ahead whose first lines are asked for: memory answers many questions at once.
constexpr uint32_t kAhead = 8;
constexpr uint32_t kLineWords = 16;

// gather(words, runs, count, to): copies run i of `words`, from word runs[3i] on, runs[3i + 2] words, to word runs[3i + 1] of `to`
Napi::Value Gather(const Napi::CallbackInfo& info) {
  Words words, runs, to;
  int64_t count;
  if (!ReadWords(info, 0, "words", &words) || !ReadWords(info, 1, "runs", &runs) ||
      !ReadInteger(info, 2, "count", 0, static_cast<int64_t>(runs.length / 3), &count) || !ReadWords(info, 3, "to", &to)) {
    return info.Env().Undefined();
  }
  const Run* run = reinterpret_cast<const Run*>(runs.data);
  const auto end = static_cast<uint32_t>(count);
  // All are looked at before the first is copied: a wrong one changes nothing.
  for (uint32_t index = 0; index < end; index += 1) {
    if (IsWithin(run[index].from, run[index].count, words.length) && IsWithin(run[index].to, run[index].count, to.length)) continue;
    return Throw(info.Env(), "ERR_OUT_OF_RANGE",
                 "runs: run " + std::to_string(index) + " has " + std::to_string(run[index].count) + " words from " +
                     std::to_string(run[index].from) + " to " + std::to_string(run[index].to) + ", expected within " +
                     std::to_string(words.length) + " and " + std::to_string(to.length));
  }
  for (uint32_t index = 0; index < end; index += 1) {
    if (index + kAhead < end) {
      const Run& ahead = run[index + kAhead];
      __builtin_prefetch(words.data + ahead.from);
      if (ahead.count > kLineWords) __builtin_prefetch(words.data + ahead.from + kLineWords);
    }
    CopyRun(words.data + run[index].from, to.data + run[index].to, run[index].count);
  }
  return info.Env().Undefined();
}

}  // namespace

void InitGather(Napi::Env env, Napi::Object exports) {
  exports.Set("gather", Napi::Function::New(env, Gather, "gather"));
}

}  // namespace hotfire
