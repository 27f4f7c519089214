/**
 * Where everything lies in a segment: numbers of 32-bit little-endian words. The parts follow each other in the order of `Layout`, each from a
 * boundary of 4 KiB. Words that two sides write are 128 bytes apart, since processors fetch cache lines in pairs.
 *
 * Every word has one writer, except a lane's head (consumer and router, by compare-and-swap), word 0 of a seat (likewise), and doorbells
 * and wake sequences (atomic or, atomic add).
 */

/** `HFIB`, read as a little-endian word. */
export const magic = 0x4249_4648;
/** Of the layout: another number is another layout. */
export const layoutVersion = 2;

/** Most seats of either kind: a doorbell has a bit a producer, in two words. */
export const seatsMax = 64;
/** Most bytes of a topic's name. */
export const topicNameBytes = 64;
/** Records of subscriptions. */
export const subscriptionsMax = 64;
/** Buckets into which keys fall. */
export const keyBuckets = 256;

const pageWords = 1024;

/** Words of the header, from the segment's first. */
export const Header = {
  magic: 0,
  version: 1,
  /** Size of the segment in pages of 4 KiB. */
  pages: 2,
  generation: 3,
  /** Four words. */
  bootId: 4,
  producers: 8,
  lanes: 9,
  slotsLog2: 10,
  laneRingLog2: 11,
  slotBytes: 12,
  topics: 13,
  /** CRC-32C of words 0 to 13. */
  checksum: 14,
  routerEpoch: 32,
  /** A `SegmentState`. */
  state: 33,
  /** Grows with each change of subscriptions, topics or lanes. */
  routingEpoch: 34,
  /** Polls of the router, wrapping. */
  loops: 35,
  /** Router epoch whose recovery has ended. */
  recoveredEpoch: 36,
  /** Generation that takes the place of one that was rolled and is retired; 0: of one that is retired since it is damaged. */
  successor: 37,
  /** Router epoch whose configuration is all there: who misses a subscription then need not wait for it. */
  declaredEpoch: 38,
  routerSleeping: 64,
  routerWake: 65,
  /** Two words, a bit a producer. */
  doorbell: 96,
  /** Grows when a seat wants something of the router: to go live, to leave, an answer. */
  seatsBell: 98,
  /** A change of a subscription, see `recordChange.ts`: `count << 8 | record + 1` while it is under way, else `count << 8`. */
  subscriptionChange: 128,
  /** 256 words: what the record that `subscriptionChange` names is from then on, in the places of `SubscriptionRecord`. */
  changedSubscription: 256,
} as const;

export const SegmentState = {
  open: 0,
  /** It is rolled: producers go to its successor. */
  draining: 1,
  /** Nothing is routed any more: consumers go when they have taken everything. */
  retired: 2,
  /** A successor: takes seats and messages, and routes nothing before those of its predecessor have left. */
  waiting: 3,
} as const;

/** Words of a seat, from its first. Word 0 is `epoch << 4 | state`, see `seat.ts`. */
export const Seat = {
  state: 0,
  kind: 1,
  pid: 2,
  /** Start of the process, low and high word. */
  startTicks: 3,
  pidSpace: 5,
  /** Drawn by the joiner, so that it knows its own seat again; who moves to the next generation takes it along. */
  nonce: 6,
  reason: 7,
  /** Of a producer that was fenced: what it flushed before it counts. */
  fenceTail: 8,
  access: 9,
  /** Record of the subscription, of a lane. */
  subscription: 10,
  /** Bits of `LaneMode`. */
  mode: 11,
  /** Capacity of a lane; messages a second of a producer, 0 for no limit. */
  capacityOrRate: 12,
  /** Messages under way; 0 for no limit of its own. */
  creditLimit: 13,
  requestSequence: 14,
  replySequence: 15,
  /** Sixteen words of UTF-8, ended by a zero byte. */
  name: 16,
  operation: 32,
  result: 33,
  /** 29 words of UTF-8, ended by a zero byte. */
  text: 34,
  /** Of a lane, in milliseconds; 0 for never. */
  detachAfterMs: 63,
} as const;
export const seatWords = 64;
export const seatNameBytes = 64;
export const seatTextBytes = 116;

export const SeatKind = { producer: 1, consumer: 2 } as const;
export const Access = { copy: 0, view: 1 } as const;
/** Bits of a lane's mode. */
export const LaneMode = { blocking: 1, dropOldest: 2 } as const;
/** Why a seat ended. */
export const DetachReason = { none: 0, graceful: 1, dead: 2, stalled: 3, operator: 4, corrupt: 5 } as const;
/** What a joiner, or who has a seat, asks of the router through it. */
export const SeatOperation = { none: 0, topic: 1, subscribe: 2, unsubscribe: 3 } as const;

/** Words of a producer's cursors: 0 to 31 are its own, from 32 on the router's. */
export const ProducerCursor = {
  sourceTail: 0,
  returnHead: 1,
  waiting: 2,
  creditWaits: 3,
  refused: 4,
  sourceHead: 32,
  returnTail: 33,
  wake: 34,
  noRoute: 35,
} as const;

/** Words of a lane's cursors: 0 to 31 are its consumer's, from 32 on the router's. */
export const LaneCursor = {
  head: 0,
  done: 1,
  sleeping: 2,
  tail: 32,
  reclaimed: 33,
  wake: 34,
  droppedNewest: 35,
  droppedOldest: 36,
  droppedPool: 37,
  droppedNoCredit: 38,
  droppedAllFull: 39,
  droppedDetached: 40,
  requeuedIn: 41,
  requeuedOut: 42,
  redelivered: 43,
  /** Of a dead consumer's lane with at least once: what it took before here and did not end has been handed out again. */
  redelivery: 44,
  /** Of a lane that ends: where its consumer was stopped. */
  stoppedAt: 45,
  /** Of a lane that ends: grows with each end, so that a successor goes on in the same order. 0 before its head is stopped. */
  endingOrder: 46,
  /** Of a lane that ended, of which the rest waits for the next consumer of its group: see `backlog.ts`. Its seat may be taken over. 0: none. */
  backlog: 47,
  /** Of a lane that ends: 1 once it is settled that what its dead consumer took and did not end comes again. That it does not is told by `redelivery`. */
  comesAgain: 48,
} as const;
export const cursorWords = 64;

/** Words of the redo record: a commit's new values, before they are stored. */
export const Redo = { sealed: 0, done: 1, count: 2, pairs: 4 } as const;
const redoWords = 2 * pageWords;
/** Most (word, value) pairs of one commit. */
export const redoPairsMax = (redoWords - Redo.pairs) / 2;

/**
 * Words of a cut, of which the sample has two: its sequence, written before and after it, then `CutProducer` for each producer and
 * `CutLane` for each lane.
 */
export const Cut = { before: 0, after: 1, routerEpoch: 2, body: 4 } as const;
export const CutProducer = { sourceTail: 0, sourceHead: 1, noRoute: 2 } as const;
export const cutProducerWords = 3;
export const CutLane = {
  head: 0,
  done: 1,
  tail: 2,
  droppedNewest: 3,
  droppedOldest: 4,
  droppedPool: 5,
  droppedNoCredit: 6,
  droppedAllFull: 7,
  droppedDetached: 8,
  requeuedIn: 9,
  requeuedOut: 10,
  redelivered: 11,
} as const;
export const cutLaneWords = 12;
export const cutWords = pageWords;
/** Words of all subscriptions together, at the end of a cut. */
export const CutTotals = {
  droppedNoCredit: cutWords - 8,
  droppedAllFull: cutWords - 7,
  requeued: cutWords - 6,
  redelivered: cutWords - 5,
} as const;

/** What a lane counts of its messages: names of `LaneCursor` and of `CutLane`, in the order of both. */
export const laneCounters = [
  'droppedNewest',
  'droppedOldest',
  'droppedPool',
  'droppedNoCredit',
  'droppedAllFull',
  'droppedDetached',
  'requeuedIn',
  'requeuedOut',
  'redelivered',
] as const satisfies readonly (keyof typeof LaneCursor & keyof typeof CutLane)[];

/** Words of a subscription's record. */
export const SubscriptionRecord = {
  /** 0: no such record; else its epoch, which grows with each change. */
  epoch: 0,
  mode: 1,
  laneMode: 2,
  capacity: 3,
  creditLimit: 4,
  balance: 5,
  detachAfterMs: 6,
  delivery: 7,
  access: 8,
  viewMax: 9,
  /** Of a group whose lanes all refused. */
  droppedNoCredit: 10,
  droppedAllFull: 11,
  /** Lost since no lane was left. */
  droppedDetached: 12,
  requeued: 13,
  redelivered: 14,
  /** Epoch of the record's last subscription, while it has none; 0 in a record that never had one. */
  formerEpoch: 15,
  /** Sixteen words of UTF-8, ended by a zero byte. */
  name: 16,
  /** 64 words: a byte a bucket, the lane that owns it; 255 for none. */
  owners: 32,
  /** 160 words of UTF-8: patterns, each ended by a line feed, all by a zero byte. */
  patterns: 96,
} as const;
export const subscriptionWords = 256;
export const patternsBytes = 640;

/** Words before the payload in a slot. */
export const Slot = { sequence: 0, byteLength: 1, publishedAt: 2, check: 3 } as const;
export const slotHeaderWords = 4;

/** How much of everything a segment has. */
export interface SegmentSizes {
  /** Seats of producers and of consumers, 1 to 64. */
  readonly producers: number;
  readonly lanes: number;
  /** Slots of each producer, a power of two. */
  readonly slots: number;
  /** Places of each lane's ring, a power of two. */
  readonly laneRing: number;
  /** Bytes of a slot with its header, a multiple of 64. */
  readonly slotBytes: number;
  readonly topics: number;
}

/** Words at which the parts begin, and what a step from one seat to the next is. */
export interface Layout {
  readonly sizes: SegmentSizes;
  readonly producerSeats: number;
  readonly laneSeats: number;
  readonly producerCursors: number;
  readonly laneCursors: number;
  readonly redo: number;
  readonly sample: number;
  readonly topicNames: number;
  readonly subscriptions: number;
  readonly sources: number;
  readonly sourceStep: number;
  readonly returns: number;
  readonly returnStep: number;
  readonly laneRings: number;
  readonly laneRingStep: number;
  readonly pools: number;
  readonly poolStep: number;
  readonly slotWords: number;
  /** Size of the segment, a multiple of 4096. */
  readonly bytes: number;
}

/** Lays a segment of these sizes out. They must have been checked: `config.ts` names their ranges. */
export function layoutOf(sizes: SegmentSizes): Layout {
  let next = pageWords;
  const part = (words: number): number => {
    const from = next;
    next = Math.ceil((next + words) / pageWords) * pageWords;
    return from;
  };
  const slotWords = sizes.slotBytes / 4;
  const producerSeats = part(sizes.producers * seatWords);
  const laneSeats = part(sizes.lanes * seatWords);
  const producerCursors = part(sizes.producers * cursorWords);
  const laneCursors = part(sizes.lanes * cursorWords);
  const redo = part(redoWords);
  const sample = part(2 * cutWords);
  const topicNames = part((sizes.topics * topicNameBytes) / 4);
  const subscriptions = part(subscriptionsMax * subscriptionWords);
  const sources = part(sizes.producers * sizes.slots * 4);
  const returns = part(sizes.producers * sizes.slots);
  const laneRings = part(sizes.lanes * sizes.laneRing * 4);
  const pools = part(sizes.producers * sizes.slots * slotWords);
  return {
    sizes,
    producerSeats,
    laneSeats,
    producerCursors,
    laneCursors,
    redo,
    sample,
    topicNames,
    subscriptions,
    sources,
    sourceStep: sizes.slots * 4,
    returns,
    returnStep: sizes.slots,
    laneRings,
    laneRingStep: sizes.laneRing * 4,
    pools,
    poolStep: sizes.slots * slotWords,
    slotWords,
    bytes: next * 4,
  };
}

/** Bytes of a segment of these sizes. */
export function segmentBytes(sizes: SegmentSizes): number {
  return layoutOf(sizes).bytes;
}

/** Longest payload of a slot, in bytes. */
export function payloadBytesMax(sizes: SegmentSizes): number {
  return sizes.slotBytes - slotHeaderWords * 4;
}

/** How the locks of seats lie: so many generations one after the other, each with so many locks; then they begin anew. */
export const SeatLock = { first: 1, generations: 31, ofGeneration: 2 * seatsMax } as const;

/**
 * Liveness locks of a segment's name. Two generations live side by side while a segment is rolled, and who was stopped in one of them may still be so long
 * after: so no lock is of two seats before as many rolls as there are generations of locks.
 */
export const Lock = {
  router: 0,
  /** Of seat `i` of a generation, which counts from 1: producers first, then lanes. */
  seat: (generation: number, seat: number): number =>
    SeatLock.first + (((generation - 1) >>> 0) % SeatLock.generations) * SeatLock.ofGeneration + seat,
  creation: 4095,
} as const;
