import { beforeEach, expect, test } from 'vitest';
import type { BusEvent } from '../../../../src/checkers/indexbus/events.ts';
import {
  cursorWords,
  Header,
  LaneCursor,
  LaneMode,
  layoutOf,
  ProducerCursor,
  Seat,
  SegmentState,
  seatWords,
} from '../../../../src/engines/indexbus/layout.ts';
import { SeatState } from '../../../../src/engines/indexbus/seat.ts';
import { Reader } from '../../../../src/scenario/stands/indexbus/witness/reader.ts';
import { Visits } from '../../../../src/scenario/stands/indexbus/witness/visits.ts';

const layout = layoutOf({ producers: 2, lanes: 1, slots: 64, laneRing: 64, slotBytes: 64, topics: 8 });
const batch = 8;
let words: Int32Array;
let waits: number[][];
let visits: Visits;
let held: boolean;
let dead: boolean;
let leftOut: number;

/** Two producers with messages, and a lane that wants them all. */
beforeEach(() => {
  words = new Int32Array(layout.bytes / 4);
  waits = [];
  held = true;
  dead = false;
  leftOut = 0;
  const live = (1 << 4) | SeatState.live;
  for (const seat of [0, 1]) words[layout.producerSeats + seat * seatWords] = live;
  words[layout.laneSeats] = live;
  words[layout.laneSeats + Seat.capacityOrRate] = 16;
  for (const seat of [0, 1]) setProducer(seat, ProducerCursor.sourceTail, 40);
  visits = new Visits(
    {
      reader: new Reader(words, layout),
      isHeld: () => held,
      isDead: () => dead,
      wantedBy: () => 'broadcast',
      put(event: BusEvent) {
        if (event.event === 'waited') waits.push([event.who & 63, event.took, event.bound]);
      },
    },
    () => batch,
    () => leftOut,
  );
});

function setProducer(seat: number, field: number, value: number): void {
  words[layout.producerCursors + seat * cursorWords + field] = value;
}

/** A commit that takes so many messages of a source. */
function take(seat: number, count: number): void {
  const at = layout.producerCursors + seat * cursorWords + ProducerCursor.sourceHead;
  const to = (words[at] ?? 0) + count;
  visits.sealed(new Map([[at, to]]));
  words[at] = to;
}

test('counts what is taken from others while a source has messages, and holds it against all producers times the batch', () => {
  for (let commit = 0; commit < 3; commit += 1) take(0, batch);
  take(1, 1);
  take(1, 1);
  take(0, 1);
  expect(waits).toEqual([
    [1, 3 * batch, 2 * batch],
    [0, 2, 2 * batch],
  ]);
});

test('does not count for a source that waits for a full lane, for its own rate, or whose producer is gone', () => {
  words[layout.laneSeats + Seat.mode] = LaneMode.blocking;
  words[layout.laneCursors + LaneCursor.tail] = 16;
  words[layout.laneCursors + LaneCursor.reclaimed] = 16;
  take(0, batch);
  words[layout.laneCursors + LaneCursor.head] = 8;
  take(1, 1);
  expect(waits).toEqual([]);
  words[layout.producerSeats + seatWords + Seat.capacityOrRate] = 100;
  take(0, batch);
  take(1, 1);
  words[layout.producerSeats + seatWords + Seat.capacityOrRate] = 0;
  held = false;
  take(0, batch);
  take(1, 1);
  expect(waits.filter(([who]) => who === 1)).toEqual([]);
  held = true;
  take(0, batch);
  take(1, 1);
  expect(waits.at(-1)).toEqual([1, batch, 2 * batch]);
});

test('gives one that died before it rang as long as the look at all sources takes, and each poll that did not listen one more', () => {
  held = false;
  dead = true;
  take(0, batch);
  take(1, 1);
  expect(waits.at(-1)?.[2]).toBeGreaterThan(64 * batch);
  held = true;
  dead = false;
  take(0, batch);
  leftOut += 3;
  take(1, 1);
  expect(waits.at(-1)).toEqual([1, batch, 5 * batch]);
});

test('finds a source that a router forgets when it goes to sleep', () => {
  const first = (1 << 6) | 0;
  words[Header.state] = SegmentState.waiting;
  expect(visits.due()).toBeUndefined();
  words[Header.state] = SegmentState.open;
  expect(visits.due()).toBe(first);
  words[layout.laneSeats] = (1 << 4) | SeatState.draining;
  expect(visits.due()).toBeUndefined();
  words[layout.laneSeats] = (1 << 4) | SeatState.live;
  for (const seat of [0, 1]) setProducer(seat, ProducerCursor.sourceTail, 0);
  expect(visits.due()).toBeUndefined();
});
