/* Producer and consumer of a bus in C, written on the generated header alone: what a foreign program needs to take part.
 *
 * Words that two sides write or wait for are accessed sequentially consistent, all others plainly. Lanes from which the router evicts are read
 * while their entries and payloads may be written anew: there both sides copy by relaxed accesses, and the claim decides whether the copy counts. */
#ifndef PEER_H
#define PEER_H

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "hotfire_indexbus.h"

/* The memory orders that a planted bug weakens. */
#ifndef ORDER_SOURCE_TAIL
#define ORDER_SOURCE_TAIL __ATOMIC_SEQ_CST
#endif
#ifndef ORDER_CLAIM
#define ORDER_CLAIM __ATOMIC_SEQ_CST
#endif
/* Words of a cut: those between its sequences, too. */
#ifdef PLAIN_CUT
#define CUT_LOAD(word) (*(word))
#define CUT_STORE(word, value) (*(word) = (value))
#else
#define CUT_LOAD(word) load(word)
#define CUT_STORE(word, value) store(word, value)
#endif

struct bus {
  uint32_t *words;
  struct hfib_sizes sizes;
  struct hfib_layout at;
  /* Whether a lane may be evicted from while it is read. */
  int evicts;
};

static inline uint32_t load(const uint32_t *word) { return __atomic_load_n(word, __ATOMIC_SEQ_CST); }
static inline void store(uint32_t *word, uint32_t value) { __atomic_store_n(word, value, __ATOMIC_SEQ_CST); }

/* A word of a descriptor in a lane, or of a slot. */
static inline uint32_t copied(const struct bus *bus, const uint32_t *word) {
  return bus->evicts ? __atomic_load_n(word, __ATOMIC_RELAXED) : *word;
}
static inline void put(const struct bus *bus, uint32_t *word, uint32_t value) {
  if (bus->evicts) __atomic_store_n(word, value, __ATOMIC_RELAXED);
  else *word = value;
}

static inline struct hfib_sizes sizes_of(const uint32_t *words) {
  const struct hfib_sizes sizes = {
      .producers = words[HFIB_HEADER_PRODUCERS],
      .lanes = words[HFIB_HEADER_LANES],
      .slots = 1u << words[HFIB_HEADER_SLOTS_LOG_2],
      .lane_ring = 1u << words[HFIB_HEADER_LANE_RING_LOG_2],
      .slot_bytes = words[HFIB_HEADER_SLOT_BYTES],
      .topics = words[HFIB_HEADER_TOPICS],
  };
  return sizes;
}

static inline void futex_wake(uint32_t *word) { syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0); }

static inline void futex_wait(uint32_t *word, uint32_t expected, long milliseconds) {
  const struct timespec bound = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000};
  syscall(SYS_futex, word, FUTEX_WAIT, expected, milliseconds < 0 ? NULL : &bound, NULL, 0);
}

static inline void wake(uint32_t *sleeping, uint32_t *sequence) {
  if (load(sleeping) == 0) return;
  __atomic_fetch_add(sequence, 1, __ATOMIC_SEQ_CST);
  futex_wake(sequence);
}

static inline void wake_router(struct bus *bus) {
  wake(&bus->words[HFIB_HEADER_ROUTER_SLEEPING], &bus->words[HFIB_HEADER_ROUTER_WAKE]);
}

/* Sleeps until `look` finds something; `bound` in milliseconds a sleep, -1 for none. */
static inline void sleep_until(uint32_t *sleeping, uint32_t *sequence, int (*look)(void *), void *on, long bound) {
  while (!look(on)) {
    store(sleeping, 1);
    const uint32_t expected = load(sequence);
    if (!look(on)) futex_wait(sequence, expected, bound);
    store(sleeping, 0);
  }
}

/* ---- producer ---- */

struct publisher {
  struct bus *bus;
  uint32_t number, live, tail, flushed, return_head, sequence, count;
  uint32_t *seat, *cursors, *ring, *returns, *pool;
  uint32_t *stack;
};

/* On a seat that is live: all slots are at home. */
static inline void publisher_open(struct publisher *p, struct bus *bus, uint32_t number) {
  const struct hfib_sizes *s = &bus->sizes;
  *p = (struct publisher){.bus = bus, .number = number, .count = s->slots};
  p->seat = bus->words + bus->at.producer_seats + number * HFIB_SEAT_WORDS;
  p->cursors = bus->words + bus->at.producer_cursors + number * HFIB_CURSOR_WORDS;
  p->ring = bus->words + bus->at.sources + (uint64_t)number * s->slots * HFIB_DESCRIPTOR_WORDS;
  p->returns = bus->words + bus->at.returns + (uint64_t)number * s->slots;
  p->pool = bus->words + bus->at.pools + (uint64_t)number * s->slots * (s->slot_bytes / 4);
  p->live = load(p->seat);
  p->tail = p->flushed = load(&p->cursors[HFIB_PRODUCER_SOURCE_TAIL]);
  p->return_head = load(&p->cursors[HFIB_PRODUCER_RETURN_HEAD]);
  p->stack = malloc(s->slots * sizeof(uint32_t));
  for (uint32_t slot = 0; slot < s->slots; slot++) p->stack[slot] = s->slots - 1 - slot;
}

static inline int publisher_fetch(struct publisher *p) {
  const uint32_t tail = load(&p->cursors[HFIB_PRODUCER_RETURN_TAIL]);
  if (tail == p->return_head) return 0;
  for (; p->return_head != tail; p->return_head++) {
    p->stack[p->count++] = p->returns[p->return_head & (p->bus->sizes.slots - 1)];
  }
  store(&p->cursors[HFIB_PRODUCER_RETURN_HEAD], tail);
  return 1;
}

/* Tells the router of all that was published; 0 if the seat was taken. */
static inline int publisher_flush(struct publisher *p) {
  if (p->tail == p->flushed) return load(p->seat) == p->live;
  __atomic_store_n(&p->cursors[HFIB_PRODUCER_SOURCE_TAIL], p->tail, ORDER_SOURCE_TAIL);
  p->flushed = p->tail;
  uint32_t *bell = &p->bus->words[HFIB_HEADER_DOORBELL + p->number / 32];
  const uint32_t bit = 1u << (p->number % 32);
  if ((load(bell) & bit) == 0) __atomic_fetch_or(bell, bit, __ATOMIC_SEQ_CST);
  wake_router(p->bus);
  return load(p->seat) == p->live;
}

/* 1: it is published, and will be told with the next flush; 0: no credit. */
static inline int publisher_publish(struct publisher *p, uint32_t topic, const uint32_t *payload, uint32_t bytes) {
  struct bus *bus = p->bus;
  if (p->count == 0 && !publisher_fetch(p)) return 0;
  const uint32_t slot = p->stack[--p->count];
  uint32_t *at = p->pool + (uint64_t)slot * (bus->sizes.slot_bytes / 4);
  put(bus, &at[HFIB_SLOT_SEQUENCE], p->sequence);
  put(bus, &at[HFIB_SLOT_BYTE_LENGTH], bytes);
  put(bus, &at[HFIB_SLOT_PUBLISHED_AT], 0);
  put(bus, &at[HFIB_SLOT_CHECK], 0);
  for (uint32_t word = 0; word < (bytes + 3) / 4; word++) put(bus, &at[HFIB_SLOT_HEADER_WORDS + word], payload[word]);
  uint32_t *entry = p->ring + (uint64_t)(p->tail & (bus->sizes.slots - 1)) * HFIB_DESCRIPTOR_WORDS;
  entry[0] = slot;
  entry[1] = bytes;
  entry[2] = topic;
  entry[3] = p->sequence++;
  p->tail++;
  return 1;
}

static inline int publisher_has_credit(void *publisher) {
  struct publisher *p = publisher;
  return p->count > 0 || publisher_fetch(p) || load(p->seat) != p->live;
}

/* Sleeps until a slot comes home. What is published is told before: it would not come home else. */
static inline void publisher_wait(struct publisher *p, long bound) {
  publisher_flush(p);
  sleep_until(&p->cursors[HFIB_PRODUCER_WAITING], &p->cursors[HFIB_PRODUCER_WAKE], publisher_has_credit, p, bound);
}

/* ---- consumer, by copy ---- */

struct message {
  uint32_t producer, sequence, topic, flags, bytes;
  const uint32_t *payload;
};

struct receiver {
  struct bus *bus;
  uint32_t live, head;
  uint32_t *seat, *cursors, *ring;
  uint32_t most;
  struct message *messages;
  uint32_t *payloads;
};

static inline void receiver_open(struct receiver *r, struct bus *bus, uint32_t number, uint32_t most) {
  const struct hfib_sizes *s = &bus->sizes;
  *r = (struct receiver){.bus = bus, .most = most};
  r->seat = bus->words + bus->at.lane_seats + number * HFIB_SEAT_WORDS;
  r->cursors = bus->words + bus->at.lane_cursors + number * HFIB_CURSOR_WORDS;
  r->ring = bus->words + bus->at.lane_rings + (uint64_t)number * s->lane_ring * HFIB_DESCRIPTOR_WORDS;
  r->live = load(r->seat);
  const uint32_t head = load(&r->cursors[HFIB_LANE_HEAD]);
  r->head = hfib_is_frozen(head, load(&r->cursors[HFIB_LANE_TAIL])) ? hfib_frozen(head) : head;
  r->messages = malloc(most * sizeof(struct message));
  r->payloads = malloc((size_t)most * s->slot_bytes);
}

/* Copies what stands at the head; fewer where it makes no sense, since it was written over meanwhile. */
static inline uint32_t receiver_copy(struct receiver *r, uint32_t count) {
  const struct bus *bus = r->bus;
  const uint32_t slot_words = bus->sizes.slot_bytes / 4;
  for (uint32_t index = 0; index < count; index++) {
    const uint32_t *entry = r->ring + (uint64_t)((r->head + index) & (bus->sizes.lane_ring - 1)) * HFIB_DESCRIPTOR_WORDS;
    const uint32_t word0 = copied(bus, &entry[0]), word1 = copied(bus, &entry[1]);
    const uint32_t owner = word0 >> HFIB_DESCRIPTOR_SLOT_BITS, slot = word0 & ((1u << HFIB_DESCRIPTOR_SLOT_BITS) - 1);
    const uint32_t bytes = word1 & HFIB_DESCRIPTOR_MAX_BYTES;
    if (owner >= bus->sizes.producers || slot >= bus->sizes.slots) return index;
    if (bytes > bus->sizes.slot_bytes - HFIB_SLOT_HEADER_WORDS * 4) return index;
    const uint32_t *from = bus->words + bus->at.pools + ((uint64_t)owner * bus->sizes.slots + slot) * slot_words;
    uint32_t *to = r->payloads + (uint64_t)index * slot_words;
    for (uint32_t word = 0; word < (bytes + 3) / 4; word++) to[word] = copied(bus, &from[HFIB_SLOT_HEADER_WORDS + word]);
    r->messages[index] = (struct message){
        .producer = owner,
        .sequence = copied(bus, &entry[3]),
        .topic = copied(bus, &entry[2]) & 0xffff,
        .flags = word1 & ~HFIB_DESCRIPTOR_MAX_BYTES,
        .bytes = bytes,
        .payload = to,
    };
  }
  return count;
}

/* How many messages were taken into `messages`; -1 if the lane was taken from this consumer. Ends what was received before. */
static inline int receiver_receive(struct receiver *r) {
  store(&r->cursors[HFIB_LANE_DONE], r->head);
  for (int tries = 0; tries < 8; tries++) {
    uint32_t head = load(&r->cursors[HFIB_LANE_HEAD]);
    if (hfib_is_frozen(head, r->head)) return load(r->seat) == r->live ? 0 : -1;
    r->head = head;
    const int32_t ahead = hfib_distance(load(&r->cursors[HFIB_LANE_TAIL]), head);
    if (ahead <= 0) return load(r->seat) == r->live ? 0 : -1;
    const uint32_t count = receiver_copy(r, (uint32_t)ahead < r->most ? (uint32_t)ahead : r->most);
    if (count == 0) continue;
    if (!__atomic_compare_exchange_n(&r->cursors[HFIB_LANE_HEAD], &head, head + count, 0, ORDER_CLAIM, __ATOMIC_RELAXED)) {
      continue;
    }
    r->head += count;
    wake_router(r->bus);
    return (int)count;
  }
  return 0;
}

static inline int receiver_has_news(void *receiver) {
  struct receiver *r = receiver;
  if (load(r->seat) != r->live) return 1;
  const uint32_t head = load(&r->cursors[HFIB_LANE_HEAD]);
  if (hfib_is_frozen(head, r->head)) return 0;
  return hfib_distance(load(&r->cursors[HFIB_LANE_TAIL]), head) > 0;
}

static inline void receiver_wait(struct receiver *r, long bound) {
  sleep_until(&r->cursors[HFIB_LANE_SLEEPING], &r->cursors[HFIB_LANE_WAKE], receiver_has_news, r, bound);
}

/* ---- counters ---- */

/* Copies the latest cut; 0 where there is none, or the router wrote it meanwhile: read again. */
static inline int cut_read(const struct bus *bus, uint32_t *into) {
  const uint32_t *sample = bus->words + bus->at.sample;
  const uint32_t first = load(&sample[HFIB_CUT_AFTER]), second = load(&sample[HFIB_CUT_WORDS + HFIB_CUT_AFTER]);
  if (first == 0 && second == 0) return 0;
  const uint32_t *from = sample + (((second - first) & 0x7fffffffu) < 1u << 30 ? HFIB_CUT_WORDS : 0);
  const uint32_t after = load(&from[HFIB_CUT_AFTER]);
  for (uint32_t word = HFIB_CUT_BODY; word < HFIB_CUT_WORDS; word++) into[word] = CUT_LOAD(&from[word]);
  return load(&from[HFIB_CUT_BEFORE]) == after && load(&from[HFIB_CUT_AFTER]) == after;
}

#endif
