/**
 * `npm run indexbus:header`: writes `native/include/hotfire_indexbus.h` from the layout, so that participants in other languages read the numbers
 * that this one reads. A test holds the file against what this gives.
 */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { frozenBy } from '../src/engines/indexbus/cursor.ts';
import {
  descriptorMaxBytes,
  descriptorWords,
  redeliveredFlag,
  requeuedFlag,
  slotBits,
} from '../src/engines/indexbus/descriptor.ts';
import * as layout from '../src/engines/indexbus/layout.ts';
import { SeatState } from '../src/engines/indexbus/seat.ts';

/** Where the header is kept. */
export const indexbusHeaderPath = resolve(import.meta.dirname, '../native/include/hotfire_indexbus.h');

type Numbers = Readonly<Record<string, number>>;

/** Groups of numbers: their prefix, what they are, the numbers. */
const groups: readonly (readonly [string, string, Numbers])[] = [
  [
    '',
    'The layout itself.',
    {
      magic: layout.magic,
      layoutVersion: layout.layoutVersion,
      seatsMax: layout.seatsMax,
      topicNameBytes: layout.topicNameBytes,
      subscriptionsMax: layout.subscriptionsMax,
      keyBuckets: layout.keyBuckets,
      seatWords: layout.seatWords,
      seatNameBytes: layout.seatNameBytes,
      seatTextBytes: layout.seatTextBytes,
      cursorWords: layout.cursorWords,
      cutWords: layout.cutWords,
      cutProducerWords: layout.cutProducerWords,
      cutLaneWords: layout.cutLaneWords,
      redoPairsMax: layout.redoPairsMax,
      subscriptionWords: layout.subscriptionWords,
      patternsBytes: layout.patternsBytes,
      slotHeaderWords: layout.slotHeaderWords,
    },
  ],
  ['header', 'Words of the header, from the first of the segment.', layout.Header],
  ['segment', 'States of a segment.', layout.SegmentState],
  ['seat', 'Words of a seat, from its first; word 0 is epoch << 4 | state.', layout.Seat],
  ['seatState', 'States of a seat.', SeatState],
  ['seatKind', 'Kinds of seats.', layout.SeatKind],
  ['access', 'How a lane is read.', layout.Access],
  ['laneMode', "Bits of a lane's mode.", layout.LaneMode],
  ['detachReason', 'Why a seat ended.', layout.DetachReason],
  ['operation', 'What the holder of a seat asks of the router.', layout.SeatOperation],
  ['producer', "Words of a producer's cursors.", layout.ProducerCursor],
  ['lane', "Words of a lane's cursors.", layout.LaneCursor],
  ['redo', 'Words of the redo record.', layout.Redo],
  ['cut', 'Words of a cut of the counters.', layout.Cut],
  ['cutProducer', 'Words of a producer in a cut.', layout.CutProducer],
  ['cutLane', 'Words of a lane in a cut.', layout.CutLane],
  ['cutTotals', 'Words of all subscriptions together in a cut.', layout.CutTotals],
  ['subscription', "Words of a subscription's record.", layout.SubscriptionRecord],
  ['slot', 'Words before the payload in a slot.', layout.Slot],
  [
    'lock',
    'Bytes of the lock file; those of seats: hfib_seat_lock.',
    { router: layout.Lock.router, creation: layout.Lock.creation },
  ],
  ['seatLock', 'How the bytes of seats lie: a run for each generation, in turn.', layout.SeatLock],
  [
    'descriptor',
    'A descriptor: slot (in a lane the producer above SLOT_BITS); length and flags; topic and key hash; sequence.',
    {
      words: descriptorWords,
      slotBits,
      maxBytes: descriptorMaxBytes,
      requeued: requeuedFlag,
      redelivered: redeliveredFlag,
    },
  ],
  ['head', 'What a frozen head is away from the head: exclusive or.', { frozenBy: frozenBy >>> 0 }],
];

function macroName(prefix: string, field: string): string {
  const words = (text: string): string => text.replaceAll(/([a-z])([A-Z0-9])/g, '$1_$2').toUpperCase();
  return ['HFIB', ...(prefix === '' ? [] : [words(prefix)]), words(field)].join('_');
}

function macro(prefix: string, [field, value]: readonly [string, number]): string {
  return `#define ${macroName(prefix, field)} ${value > 0xffff ? `0x${value.toString(16)}` : value}u`;
}

/** The parts of `Layout` in order, each with how many words it has. */
const parts: readonly (readonly [string, string])[] = [
  ['producer_seats', 's->producers * HFIB_SEAT_WORDS'],
  ['lane_seats', 's->lanes * HFIB_SEAT_WORDS'],
  ['producer_cursors', 's->producers * HFIB_CURSOR_WORDS'],
  ['lane_cursors', 's->lanes * HFIB_CURSOR_WORDS'],
  ['redo', 'HFIB_REDO_PAIRS + 2 * HFIB_REDO_PAIRS_MAX'],
  ['sample', '2 * HFIB_CUT_WORDS'],
  ['topic_names', 's->topics * HFIB_TOPIC_NAME_BYTES / 4'],
  ['subscriptions', 'HFIB_SUBSCRIPTIONS_MAX * HFIB_SUBSCRIPTION_WORDS'],
  ['sources', '(uint64_t)s->producers * s->slots * HFIB_DESCRIPTOR_WORDS'],
  ['returns', '(uint64_t)s->producers * s->slots'],
  ['lane_rings', '(uint64_t)s->lanes * s->lane_ring * HFIB_DESCRIPTOR_WORDS'],
  ['pools', '(uint64_t)s->producers * s->slots * (s->slot_bytes / 4)'],
];

/** The header's text. */
export function indexbusHeader(): string {
  const defines = groups.flatMap(([prefix, what, numbers]) => [
    '',
    `/* ${what} */`,
    ...Object.entries(numbers).map((entry) => macro(prefix, entry)),
  ]);
  return `/* Layout of a segment of indexbus, version ${layout.layoutVersion}. Written by "npm run indexbus:header" from src/engines/indexbus/layout.ts: do not edit.
 *
 * All numbers are little-endian words of 32 bits, counted from the beginning of the segment or of the part that their name begins with.
 * Words that two sides write or wait for are accessed by sequentially consistent atomics; so are all words of a cut, and those that tell who holds a
 * seat, which readers have only where a sequence or the seat is the same before and after them. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOTFIRE_INDEXBUS_H
#define HOTFIRE_INDEXBUS_H

#include <stdint.h>
${defines.join('\n')}

/* How much of everything a segment has: words HFIB_HEADER_PRODUCERS to HFIB_HEADER_TOPICS, slots and lane_ring as powers of two. */
struct hfib_sizes {
  uint32_t producers, lanes, slots, lane_ring, slot_bytes, topics;
};

/* First words of the parts, and the size of the segment. */
struct hfib_layout {
  uint64_t ${parts.map(([name]) => name).join(', ')}, bytes;
};

static inline uint64_t hfib_part(uint64_t *next, uint64_t words) {
  const uint64_t from = *next;
  *next = (from + words + 1023) / 1024 * 1024;
  return from;
}

static inline struct hfib_layout hfib_layout_of(const struct hfib_sizes *s) {
  struct hfib_layout l;
  uint64_t next = 1024;
${parts.map(([name, words]) => `  l.${name} = hfib_part(&next, ${words});`).join('\n')}
  l.bytes = next * 4;
  return l;
}

/* Messages from one cursor to another, negative if \`to\` is behind. */
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
`;
}

if (process.argv[1] === import.meta.filename) writeFileSync(indexbusHeaderPath, indexbusHeader());
