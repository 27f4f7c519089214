/**
 * What a router tells of each message, in the order in which it happens: for a twin that follows it, and for counts that do not come from the
 * segment. Costs a call an event, so a router in production has none. What it tells has happened only with the next `committed`.
 */
export interface RouterObserver {
  /** A consumer was seen, or an eviction has moved it: everything before `head` is out of the lane. */
  headSeen(lane: number, head: number): void;
  /** A message was taken from its source. `wanted` lanes and groups matched, `delivered` of them have it. */
  taken(producer: number, sequence: number, topic: number, wanted: number, delivered: number): void;
  /** A source waits. */
  parked(producer: number, reason: ParkReason): void;
  /** An entry stands in a lane: descriptors as they are there. */
  placed(lane: number, word0: number, word1: number, word2: number, word3: number): void;
  /** A delivery was lost: `lane` -1 where a group lost it, `record` then says which subscription's. */
  refused(lane: number, record: number, cause: RefusalCause): void;
  /** The oldest entry of a lane was thrown away. */
  evicted(lane: number, cursor: number): void;
  /** An entry of a lane that ends has gone to another one, -1: was lost. */
  takenBack(lane: number, cursor: number, to: number, again: boolean): void;
  /** A seat of a lane ended. */
  laneEnded(lane: number, reason: number): void;
  committed(messages: number): void;
}

/** What a source waits for: room in a blocking lane, a subscriber, credit of a blocking lane's consumer. */
export const ParkedFor = { blocking: 0, hold: 1, credit: 2 } as const;
export type ParkReason = (typeof ParkedFor)[keyof typeof ParkedFor];
export type RefusalCause = 'newest' | 'pool' | 'noCredit' | 'allFull';
