import type { DaemonServices } from '../engine.ts';
import { distance } from './cursor.ts';
import { topicOf } from './descriptor.ts';
import { shownHead } from './laneAges.ts';
import {
  Access,
  cursorWords,
  Header,
  LaneCursor,
  LaneMode,
  ProducerCursor,
  Seat,
  SegmentState,
  seatNameBytes,
} from './layout.ts';
import { epochOf, type SeatStateName, stateOf } from './seat.ts';
import { holderOf, type SeatPlace, seatPlace, seatPlaces } from './seatPlaces.ts';
import type { Segment } from './segment.ts';
import type { Serving } from './serving.ts';
import { readSubscription } from './subscriptions.ts';
import { readText } from './texts.ts';
import { readTopics } from './topics.ts';

/** Who has a seat, and what the kernel says of it. */
export interface SeatView {
  readonly seat: number;
  /** Of the segment: while a roll waits two have seats. */
  readonly generation: number;
  readonly name: string;
  readonly state: SeatStateName | 'damaged';
  readonly epoch: number;
  /** Null where nobody has it. */
  readonly pid: number | null;
  /** `alive`, `stopped`, `doubtful` or `dead`; `free` where nobody has it. */
  readonly verdict: 'free' | 'alive' | 'stopped' | 'doubtful' | 'dead';
  /** Processor time of its process, in seconds; null where that cannot be seen. */
  readonly cpu_seconds: number | null;
  readonly rss_bytes: number | null;
}

export interface LaneView extends SeatView {
  readonly lane_number: number;
  readonly subscription: string;
  readonly depth: number;
  /** Age of the oldest unread message; 0 without any. */
  readonly oldest_ms: number;
  readonly lane: 'nonblocking' | 'blocking';
  readonly drop: 'newest' | 'oldest';
  readonly access: 'copy' | 'view';
  readonly capacity: number;
  readonly credit_limit: number | 'none';
  readonly detach_after_ms: number | 'none';
  readonly idle_ratio: number;
  readonly delivered: number;
  readonly recv: number;
  readonly drops: number;
}

export interface ProducerView extends SeatView {
  readonly depth: number;
  readonly free_slots: number;
  readonly credit_limit: number | 'none';
  readonly rate_limit: number | 'none';
  readonly sent: number;
  readonly credit_waits: number;
  readonly publish_refused: number;
  readonly no_route: number;
}

function word(segment: Segment, at: number): number {
  return Atomics.load(segment.words, at);
}

/** State of a seat; `damaged` for a word that is none. */
export function seatState(segment: Segment, place: SeatPlace): SeatStateName | 'damaged' {
  return stateOf(word(segment, place.at)) ?? 'damaged';
}

function seatView({ segment, findings }: Serving, place: SeatPlace, services: DaemonServices): SeatView {
  const state = seatState(segment, place);
  const isFree = state === 'free';
  const { pid } = holderOf(segment.words, place.at);
  const usage = isFree ? undefined : services.processUsage?.(pid);
  const judged = findings.get(place.index)?.judgement.verdict ?? 'alive';
  return {
    seat: place.number,
    generation: segment.generation,
    name: isFree ? '' : readText(segment.bytes, place.at + Seat.name, seatNameBytes),
    state,
    epoch: epochOf(word(segment, place.at)),
    pid: isFree ? null : pid,
    verdict: isFree ? 'free' : judged === 'alive' && usage?.isStopped === true ? 'stopped' : judged,
    cpu_seconds: usage?.cpuSeconds ?? null,
    rss_bytes: usage?.residentBytes ?? null,
  };
}

/** Messages in a lane that its consumer has not taken. */
export function laneDepth({ words, layout }: Segment, lane: number): number {
  const at = layout.laneCursors + lane * cursorWords;
  return Math.max(0, distance(Atomics.load(words, at + LaneCursor.tail), shownHead(words, at)));
}

const orNone = (limit: number): number | 'none' => (limit === 0 ? 'none' : limit);

export function laneView(serving: Serving, lane: number, services: DaemonServices, now: number): LaneView {
  const { segment, counters, ages } = serving;
  const place = seatPlace(segment.layout, 'consumer', lane);
  const seat = (field: number): number => word(segment, place.at + field);
  const mode = seat(Seat.mode);
  const counts = counters.lane(lane);
  const drops =
    counts.droppedNewest +
    counts.droppedOldest +
    counts.droppedPool +
    counts.droppedNoCredit +
    counts.droppedAllFull +
    counts.droppedDetached;
  return {
    lane_number: lane,
    ...seatView(serving, place, services),
    subscription: readSubscription(segment.region, segment.layout, seat(Seat.subscription))?.subscription.name ?? '',
    depth: laneDepth(segment, lane),
    oldest_ms: ages.oldestMs(lane, now),
    lane: mode & LaneMode.blocking ? 'blocking' : 'nonblocking',
    drop: mode & LaneMode.dropOldest ? 'oldest' : 'newest',
    access: seat(Seat.access) === Access.view ? 'view' : 'copy',
    capacity: seat(Seat.capacityOrRate),
    credit_limit: orNone(seat(Seat.creditLimit)),
    detach_after_ms: orNone(seat(Seat.detachAfterMs)),
    idle_ratio: counts.idleRatio,
    delivered: counts.delivered,
    recv: counts.recv,
    drops,
  };
}

/** Slots of a producer's pool that are neither in its source nor in a lane: at home or on their way there. */
export function freeSlots(serving: Serving, producer: number): number {
  const { segment } = serving;
  const { words, layout } = segment;
  const at = layout.producerCursors + producer * cursorWords;
  // Each message takes one slot when it is published; each slot comes home once.
  const away = distance(
    Atomics.load(words, at + ProducerCursor.sourceTail),
    Atomics.load(words, at + ProducerCursor.returnTail),
  );
  const { slots } = layout.sizes;
  return Math.min(slots, Math.max(0, slots - away));
}

export function producerView(serving: Serving, producer: number, services: DaemonServices): ProducerView {
  const { segment, counters } = serving;
  const place = seatPlace(segment.layout, 'producer', producer);
  const counts = counters.producer(producer);
  return {
    ...seatView(serving, place, services),
    depth: counts.depth,
    free_slots: freeSlots(serving, producer),
    credit_limit: orNone(word(segment, place.at + Seat.creditLimit)),
    rate_limit: orNone(word(segment, place.at + Seat.capacityOrRate)),
    sent: counts.sent,
    credit_waits: counts.creditWaits,
    publish_refused: counts.refused,
    no_route: counts.noRoute,
  };
}

/** Seats of a segment that somebody has, by kind and state. */
export function seatCounts(serving: Serving, services: DaemonServices) {
  const counts = new Map<string, { readonly kind: 'producer' | 'consumer'; readonly state: string; count: number }>();
  const add = (kind: 'producer' | 'consumer', state: string, more: number): void => {
    const key = `${kind} ${state}`;
    const known = counts.get(key) ?? { kind, state, count: 0 };
    known.count += more;
    counts.set(key, known);
  };
  for (const kind of ['producer', 'consumer'] as const) {
    for (const state of ['free', 'live', 'leaving', 'draining', 'fenced', 'acked', 'stopped', 'doubtful']) {
      add(kind, state, 0);
    }
    for (const place of seatPlaces(serving.segment.layout, kind)) {
      const { state, verdict } = seatView(serving, place, services);
      add(kind, state, 1);
      if (verdict === 'stopped' || verdict === 'doubtful') add(kind, verdict, 1);
    }
  }
  return [...counts.values()];
}

const stateNames = {
  [SegmentState.open]: 'open',
  [SegmentState.draining]: 'draining',
  [SegmentState.retired]: 'retired',
  [SegmentState.waiting]: 'waiting',
};

/** A segment, with its sizes and epochs. */
export function segmentView(serving: Serving) {
  const { segment, origin } = serving;
  const { sizes } = segment.layout;
  const at = (field: number): number => word(segment, field) >>> 0;
  const seats = (kind: 'producer' | 'consumer') => {
    const places = seatPlaces(segment.layout, kind);
    return { total: places.length, taken: places.filter((place) => seatState(segment, place) !== 'free').length };
  };
  // The word is one of these numbers, or damaged.
  const state = stateNames[at(Header.state) as keyof typeof stateNames] ?? 'damaged';
  return {
    segment: segment.name,
    generation: segment.generation,
    state,
    origin,
    backing: segment.region.backing,
    bytes: segment.layout.bytes,
    router_epoch: at(Header.routerEpoch),
    routing_epoch: at(Header.routingEpoch),
    loops: at(Header.loops),
    sizes: {
      producers_max: sizes.producers,
      lanes_max: sizes.lanes,
      slots_per_producer: sizes.slots,
      slot_bytes: sizes.slotBytes,
      lane_ring: sizes.laneRing,
      topics_max: sizes.topics,
    },
    seats: { producers: seats('producer'), lanes: seats('consumer') },
  };
}

/** Descriptors of a source that are looked at for its topics. */
const recentMost = 256;

/** Topics of the last messages that a producer published, each with its share: what is left of them in the source's ring. */
export function recentTopics({ segment }: Serving, producer: number): Readonly<Record<string, number>> {
  const { words, layout, region } = segment;
  const { slots } = layout.sizes;
  const tail = Atomics.load(words, layout.producerCursors + producer * cursorWords + ProducerCursor.sourceTail);
  const looked = Math.min(recentMost, slots, tail >>> 0);
  const names = [...readTopics(region, layout).keys()];
  const shares: Record<string, number> = {};
  for (let back = 1; back <= looked; back += 1) {
    const at = layout.sources + producer * layout.sourceStep + ((tail - back) & (slots - 1)) * 4;
    const name = names[topicOf(words[at + 2] ?? 0)];
    if (name !== undefined) shares[name] = (shares[name] ?? 0) + 1 / looked;
  }
  return shares;
}
