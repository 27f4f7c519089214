/* Layout of a segment of indexbus, version 2. Written by "npm run indexbus:header" from src/engines/indexbus/layout.ts: do not edit.
 *
 * All numbers are little-endian words of 32 bits, counted from the beginning of the segment or of the part that their name begins with.
 * Words that two sides write or wait for are accessed by sequentially consistent atomics; so are all words of a cut, and those that tell who holds a
 * seat, which readers have only where a sequence or the seat is the same before and after them. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOTFIRE_INDEXBUS_H
#define HOTFIRE_INDEXBUS_H

#include <stdint.h>

/* The layout itself. */
#define HFIB_MAGIC 0x42494648u
#define HFIB_LAYOUT_VERSION 2u
#define HFIB_SEATS_MAX 64u
#define HFIB_TOPIC_NAME_BYTES 64u
#define HFIB_SUBSCRIPTIONS_MAX 64u
#define HFIB_KEY_BUCKETS 256u
#define HFIB_SEAT_WORDS 64u
#define HFIB_SEAT_NAME_BYTES 64u
#define HFIB_SEAT_TEXT_BYTES 116u
#define HFIB_CURSOR_WORDS 64u
#define HFIB_CUT_WORDS 1024u
#define HFIB_CUT_PRODUCER_WORDS 3u
#define HFIB_CUT_LANE_WORDS 12u
#define HFIB_REDO_PAIRS_MAX 1022u
#define HFIB_SUBSCRIPTION_WORDS 256u
#define HFIB_PATTERNS_BYTES 640u
#define HFIB_SLOT_HEADER_WORDS 4u

/* Words of the header, from the first of the segment. */
#define HFIB_HEADER_MAGIC 0u
#define HFIB_HEADER_VERSION 1u
#define HFIB_HEADER_PAGES 2u
#define HFIB_HEADER_GENERATION 3u
#define HFIB_HEADER_BOOT_ID 4u
#define HFIB_HEADER_PRODUCERS 8u
#define HFIB_HEADER_LANES 9u
#define HFIB_HEADER_SLOTS_LOG_2 10u
#define HFIB_HEADER_LANE_RING_LOG_2 11u
#define HFIB_HEADER_SLOT_BYTES 12u
#define HFIB_HEADER_TOPICS 13u
#define HFIB_HEADER_CHECKSUM 14u
#define HFIB_HEADER_ROUTER_EPOCH 32u
#define HFIB_HEADER_STATE 33u
#define HFIB_HEADER_ROUTING_EPOCH 34u
#define HFIB_HEADER_LOOPS 35u
#define HFIB_HEADER_RECOVERED_EPOCH 36u
#define HFIB_HEADER_SUCCESSOR 37u
#define HFIB_HEADER_DECLARED_EPOCH 38u
#define HFIB_HEADER_ROUTER_SLEEPING 64u
#define HFIB_HEADER_ROUTER_WAKE 65u
#define HFIB_HEADER_DOORBELL 96u
#define HFIB_HEADER_SEATS_BELL 98u
#define HFIB_HEADER_SUBSCRIPTION_CHANGE 128u
#define HFIB_HEADER_CHANGED_SUBSCRIPTION 256u

/* States of a segment. */
#define HFIB_SEGMENT_OPEN 0u
#define HFIB_SEGMENT_DRAINING 1u
#define HFIB_SEGMENT_RETIRED 2u
#define HFIB_SEGMENT_WAITING 3u

/* Words of a seat, from its first; word 0 is epoch << 4 | state. */
#define HFIB_SEAT_STATE 0u
#define HFIB_SEAT_KIND 1u
#define HFIB_SEAT_PID 2u
#define HFIB_SEAT_START_TICKS 3u
#define HFIB_SEAT_PID_SPACE 5u
#define HFIB_SEAT_NONCE 6u
#define HFIB_SEAT_REASON 7u
#define HFIB_SEAT_FENCE_TAIL 8u
#define HFIB_SEAT_ACCESS 9u
#define HFIB_SEAT_SUBSCRIPTION 10u
#define HFIB_SEAT_MODE 11u
#define HFIB_SEAT_CAPACITY_OR_RATE 12u
#define HFIB_SEAT_CREDIT_LIMIT 13u
#define HFIB_SEAT_REQUEST_SEQUENCE 14u
#define HFIB_SEAT_REPLY_SEQUENCE 15u
#define HFIB_SEAT_NAME 16u
#define HFIB_SEAT_OPERATION 32u
#define HFIB_SEAT_RESULT 33u
#define HFIB_SEAT_TEXT 34u
#define HFIB_SEAT_DETACH_AFTER_MS 63u

/* States of a seat. */
#define HFIB_SEAT_STATE_FREE 0u
#define HFIB_SEAT_STATE_CLAIMED 1u
#define HFIB_SEAT_STATE_READY 2u
#define HFIB_SEAT_STATE_LIVE 3u
#define HFIB_SEAT_STATE_LEAVING 4u
#define HFIB_SEAT_STATE_DRAINING 5u
#define HFIB_SEAT_STATE_FENCED 6u
#define HFIB_SEAT_STATE_ACKED 7u

/* Kinds of seats. */
#define HFIB_SEAT_KIND_PRODUCER 1u
#define HFIB_SEAT_KIND_CONSUMER 2u

/* How a lane is read. */
#define HFIB_ACCESS_COPY 0u
#define HFIB_ACCESS_VIEW 1u

/* Bits of a lane's mode. */
#define HFIB_LANE_MODE_BLOCKING 1u
#define HFIB_LANE_MODE_DROP_OLDEST 2u

/* Why a seat ended. */
#define HFIB_DETACH_REASON_NONE 0u
#define HFIB_DETACH_REASON_GRACEFUL 1u
#define HFIB_DETACH_REASON_DEAD 2u
#define HFIB_DETACH_REASON_STALLED 3u
#define HFIB_DETACH_REASON_OPERATOR 4u
#define HFIB_DETACH_REASON_CORRUPT 5u

/* What the holder of a seat asks of the router. */
#define HFIB_OPERATION_NONE 0u
#define HFIB_OPERATION_TOPIC 1u
#define HFIB_OPERATION_SUBSCRIBE 2u
#define HFIB_OPERATION_UNSUBSCRIBE 3u

/* Words of a producer's cursors. */
#define HFIB_PRODUCER_SOURCE_TAIL 0u
#define HFIB_PRODUCER_RETURN_HEAD 1u
#define HFIB_PRODUCER_WAITING 2u
#define HFIB_PRODUCER_CREDIT_WAITS 3u
#define HFIB_PRODUCER_REFUSED 4u
#define HFIB_PRODUCER_SOURCE_HEAD 32u
#define HFIB_PRODUCER_RETURN_TAIL 33u
#define HFIB_PRODUCER_WAKE 34u
#define HFIB_PRODUCER_NO_ROUTE 35u

/* Words of a lane's cursors. */
#define HFIB_LANE_HEAD 0u
#define HFIB_LANE_DONE 1u
#define HFIB_LANE_SLEEPING 2u
#define HFIB_LANE_TAIL 32u
#define HFIB_LANE_RECLAIMED 33u
#define HFIB_LANE_WAKE 34u
#define HFIB_LANE_DROPPED_NEWEST 35u
#define HFIB_LANE_DROPPED_OLDEST 36u
#define HFIB_LANE_DROPPED_POOL 37u
#define HFIB_LANE_DROPPED_NO_CREDIT 38u
#define HFIB_LANE_DROPPED_ALL_FULL 39u
#define HFIB_LANE_DROPPED_DETACHED 40u
#define HFIB_LANE_REQUEUED_IN 41u
#define HFIB_LANE_REQUEUED_OUT 42u
#define HFIB_LANE_REDELIVERED 43u
#define HFIB_LANE_REDELIVERY 44u
#define HFIB_LANE_STOPPED_AT 45u
#define HFIB_LANE_ENDING_ORDER 46u
#define HFIB_LANE_BACKLOG 47u
#define HFIB_LANE_COMES_AGAIN 48u

/* Words of the redo record. */
#define HFIB_REDO_SEALED 0u
#define HFIB_REDO_DONE 1u
#define HFIB_REDO_COUNT 2u
#define HFIB_REDO_PAIRS 4u

/* Words of a cut of the counters. */
#define HFIB_CUT_BEFORE 0u
#define HFIB_CUT_AFTER 1u
#define HFIB_CUT_ROUTER_EPOCH 2u
#define HFIB_CUT_BODY 4u

/* Words of a producer in a cut. */
#define HFIB_CUT_PRODUCER_SOURCE_TAIL 0u
#define HFIB_CUT_PRODUCER_SOURCE_HEAD 1u
#define HFIB_CUT_PRODUCER_NO_ROUTE 2u

/* Words of a lane in a cut. */
#define HFIB_CUT_LANE_HEAD 0u
#define HFIB_CUT_LANE_DONE 1u
#define HFIB_CUT_LANE_TAIL 2u
#define HFIB_CUT_LANE_DROPPED_NEWEST 3u
#define HFIB_CUT_LANE_DROPPED_OLDEST 4u
#define HFIB_CUT_LANE_DROPPED_POOL 5u
#define HFIB_CUT_LANE_DROPPED_NO_CREDIT 6u
#define HFIB_CUT_LANE_DROPPED_ALL_FULL 7u
#define HFIB_CUT_LANE_DROPPED_DETACHED 8u
#define HFIB_CUT_LANE_REQUEUED_IN 9u
#define HFIB_CUT_LANE_REQUEUED_OUT 10u
#define HFIB_CUT_LANE_REDELIVERED 11u

/* Words of all subscriptions together in a cut. */
#define HFIB_CUT_TOTALS_DROPPED_NO_CREDIT 1016u
#define HFIB_CUT_TOTALS_DROPPED_ALL_FULL 1017u
#define HFIB_CUT_TOTALS_REQUEUED 1018u
#define HFIB_CUT_TOTALS_REDELIVERED 1019u

/* Words of a subscription's record. */
#define HFIB_SUBSCRIPTION_EPOCH 0u
#define HFIB_SUBSCRIPTION_MODE 1u
#define HFIB_SUBSCRIPTION_LANE_MODE 2u
#define HFIB_SUBSCRIPTION_CAPACITY 3u
#define HFIB_SUBSCRIPTION_CREDIT_LIMIT 4u
#define HFIB_SUBSCRIPTION_BALANCE 5u
#define HFIB_SUBSCRIPTION_DETACH_AFTER_MS 6u
#define HFIB_SUBSCRIPTION_DELIVERY 7u
#define HFIB_SUBSCRIPTION_ACCESS 8u
#define HFIB_SUBSCRIPTION_VIEW_MAX 9u
#define HFIB_SUBSCRIPTION_DROPPED_NO_CREDIT 10u
#define HFIB_SUBSCRIPTION_DROPPED_ALL_FULL 11u
#define HFIB_SUBSCRIPTION_DROPPED_DETACHED 12u
#define HFIB_SUBSCRIPTION_REQUEUED 13u
#define HFIB_SUBSCRIPTION_REDELIVERED 14u
#define HFIB_SUBSCRIPTION_FORMER_EPOCH 15u
#define HFIB_SUBSCRIPTION_NAME 16u
#define HFIB_SUBSCRIPTION_OWNERS 32u
#define HFIB_SUBSCRIPTION_PATTERNS 96u

/* Words before the payload in a slot. */
#define HFIB_SLOT_SEQUENCE 0u
#define HFIB_SLOT_BYTE_LENGTH 1u
#define HFIB_SLOT_PUBLISHED_AT 2u
#define HFIB_SLOT_CHECK 3u

/* Bytes of the lock file; those of seats: hfib_seat_lock. */
#define HFIB_LOCK_ROUTER 0u
#define HFIB_LOCK_CREATION 4095u

/* How the bytes of seats lie: a run for each generation, in turn. */
#define HFIB_SEAT_LOCK_FIRST 1u
#define HFIB_SEAT_LOCK_GENERATIONS 31u
#define HFIB_SEAT_LOCK_OF_GENERATION 128u

/* A descriptor: slot (in a lane the producer above SLOT_BITS); length and flags; topic and key hash; sequence. */
#define HFIB_DESCRIPTOR_WORDS 4u
#define HFIB_DESCRIPTOR_SLOT_BITS 20u
#define HFIB_DESCRIPTOR_MAX_BYTES 0xffffffu
#define HFIB_DESCRIPTOR_REQUEUED 0x1000000u
#define HFIB_DESCRIPTOR_REDELIVERED 0x2000000u

/* What a frozen head is away from the head: exclusive or. */
#define HFIB_HEAD_FROZEN_BY 0x80000000u

/* How much of everything a segment has: words HFIB_HEADER_PRODUCERS to HFIB_HEADER_TOPICS, slots and lane_ring as powers of two. */
struct hfib_sizes {
  uint32_t producers, lanes, slots, lane_ring, slot_bytes, topics;
};

/* First words of the parts, and the size of the segment. */
struct hfib_layout {
  uint64_t producer_seats, lane_seats, producer_cursors, lane_cursors, redo, sample, topic_names, subscriptions, sources, returns, lane_rings, pools, bytes;
};

static inline uint64_t hfib_part(uint64_t *next, uint64_t words) {
  const uint64_t from = *next;
  *next = (from + words + 1023) / 1024 * 1024;
  return from;
}

static inline struct hfib_layout hfib_layout_of(const struct hfib_sizes *s) {
  struct hfib_layout l;
  uint64_t next = 1024;
  l.producer_seats = hfib_part(&next, s->producers * HFIB_SEAT_WORDS);
  l.lane_seats = hfib_part(&next, s->lanes * HFIB_SEAT_WORDS);
  l.producer_cursors = hfib_part(&next, s->producers * HFIB_CURSOR_WORDS);
  l.lane_cursors = hfib_part(&next, s->lanes * HFIB_CURSOR_WORDS);
  l.redo = hfib_part(&next, HFIB_REDO_PAIRS + 2 * HFIB_REDO_PAIRS_MAX);
  l.sample = hfib_part(&next, 2 * HFIB_CUT_WORDS);
  l.topic_names = hfib_part(&next, s->topics * HFIB_TOPIC_NAME_BYTES / 4);
  l.subscriptions = hfib_part(&next, HFIB_SUBSCRIPTIONS_MAX * HFIB_SUBSCRIPTION_WORDS);
  l.sources = hfib_part(&next, (uint64_t)s->producers * s->slots * HFIB_DESCRIPTOR_WORDS);
  l.returns = hfib_part(&next, (uint64_t)s->producers * s->slots);
  l.lane_rings = hfib_part(&next, (uint64_t)s->lanes * s->lane_ring * HFIB_DESCRIPTOR_WORDS);
  l.pools = hfib_part(&next, (uint64_t)s->producers * s->slots * (s->slot_bytes / 4));
  l.bytes = next * 4;
  return l;
}

/* Messages from one cursor to another, negative if `to` is behind. */
static inline int32_t hfib_distance(uint32_t to, uint32_t from) { return (int32_t)(to - from); }

/* A head as the router freezes it, and a frozen one as it was. */
static inline uint32_t hfib_frozen(uint32_t head) { return head ^ HFIB_HEAD_FROZEN_BY; }

/* Whether a head is frozen, told by a cursor that is near it. */
static inline int hfib_is_frozen(uint32_t head, uint32_t near) {
  const int32_t away = hfib_distance(head, near);
  return away >= (1 << 30) || away < -(1 << 30);
}

/* Byte of the lock of seat i, producers first, in the generation that word HFIB_HEADER_GENERATION says. */
static inline uint32_t hfib_seat_lock(uint32_t generation, uint32_t seat) {
  return HFIB_SEAT_LOCK_FIRST + (generation - 1) % HFIB_SEAT_LOCK_GENERATIONS * HFIB_SEAT_LOCK_OF_GENERATION + seat;
}

/* Sixteen bits of a key, as keyed subscriptions use them. */
static inline uint32_t hfib_key_hash(uint32_t key) { return (key * 0x9e3779b1u) >> 16; }

#endif
