import { distance, frozen, isFrozen } from './cursor.ts';
import {
  cursorWords,
  Header,
  LaneCursor,
  ProducerCursor,
  Redo,
  Seat,
  SegmentState,
  seatNameBytes,
  subscriptionsMax,
} from './layout.ts';
import { epochOf, stateOf } from './seat.ts';
import { holderOf, type SeatPlace, seatPlaces } from './seatPlaces.ts';
import type { Segment } from './segment.ts';
import { readSubscription } from './subscriptions.ts';
import { readText } from './texts.ts';
import { readTopics } from './topics.ts';

/** A seat as its words tell it. */
export interface DescribedSeat {
  readonly seat: number;
  readonly state: string;
  readonly epoch: number;
  readonly name: string;
  readonly pid: number;
  /** Messages in its source, or in its lane. */
  readonly depth: number;
  /** Of a lane: received and not done; of a producer: slots that are neither in its source nor at home. */
  readonly under_way: number;
  /** Of a lane whose head the router has stopped. */
  readonly frozen: boolean;
}

/** What a segment's words say, read without taking part: of a live one they may move meanwhile. */
export interface SegmentDescription {
  readonly segment: string;
  readonly generation: number;
  readonly state: string;
  readonly router_epoch: number;
  readonly bytes: number;
  readonly sizes: Segment['layout']['sizes'];
  /** A commit that was sealed and not applied to its end: the next router does it. */
  readonly commit_pending: boolean;
  readonly producers: readonly DescribedSeat[];
  readonly lanes: readonly DescribedSeat[];
  readonly topics: readonly string[];
  readonly subscriptions: readonly string[];
  /** What cannot be; empty for a segment that is whole. */
  readonly problems: readonly string[];
}

/** Reads a segment. Never throws for what its words say. */
export function describeSegment(segment: Segment): SegmentDescription {
  const { words, layout, region } = segment;
  const problems: string[] = [];
  const word = (at: number): number => Atomics.load(words, at);
  const seat = (place: SeatPlace, depth: number, underWay: number, isStopped: boolean): DescribedSeat => {
    const state = stateOf(word(place.at));
    if (state === undefined) problems.push(`${place.kind} ${place.number} is in no state`);
    return {
      seat: place.number,
      state: state ?? 'damaged',
      epoch: epochOf(word(place.at)),
      name: readText(segment.bytes, place.at + Seat.name, seatNameBytes),
      pid: holderOf(words, place.at).pid,
      depth,
      under_way: underWay,
      frozen: isStopped,
    };
  };
  const within = (what: string, value: number, most: number): number => {
    if (value < 0 || value > most) problems.push(`${what}: expected 0 to ${most}, got ${value}`);
    return value;
  };
  const isTaken = (place: SeatPlace): boolean => stateOf(word(place.at)) !== 'free';

  const producers = seatPlaces(layout, 'producer')
    .filter(isTaken)
    .map((place) => {
      const at = layout.producerCursors + place.number * cursorWords;
      const { slots } = layout.sizes;
      const tail = word(at + ProducerCursor.sourceTail);
      const depth = distance(tail, word(at + ProducerCursor.sourceHead));
      const away = distance(tail, word(at + ProducerCursor.returnTail));
      within(`source of producer ${place.number}`, depth, slots);
      return seat(place, depth, Math.max(0, away - depth), false);
    });
  const lanes = seatPlaces(layout, 'consumer')
    .filter(isTaken)
    .map((place) => {
      const at = layout.laneCursors + place.number * cursorWords;
      const tail = word(at + LaneCursor.tail);
      const raw = word(at + LaneCursor.head);
      const isStopped = isFrozen(raw, tail);
      const head = isStopped ? frozen(raw) : raw;
      const depth = within(`lane ${place.number}`, distance(tail, head), layout.sizes.laneRing);
      return seat(place, depth, distance(head, word(at + LaneCursor.done)), isStopped);
    });
  const states = Object.entries(SegmentState);
  return {
    segment: segment.name,
    generation: segment.generation,
    state: states.find(([, value]) => value === word(Header.state))?.[0] ?? 'damaged',
    router_epoch: word(Header.routerEpoch) >>> 0,
    bytes: layout.bytes,
    sizes: layout.sizes,
    commit_pending: word(layout.redo + Redo.sealed) !== word(layout.redo + Redo.done),
    producers,
    lanes,
    topics: [...readTopics(region, layout).keys()],
    subscriptions: Array.from({ length: subscriptionsMax }, (_, record) =>
      readSubscription(region, layout, record),
    ).flatMap((stored) => (stored === undefined ? [] : [stored.subscription.name])),
    problems,
  };
}
