/** What a producer's seat has counted, all its holders together. */
export interface ProducerCounts {
  readonly sent: number;
  /** Taken by the router. */
  readonly taken: number;
  readonly noRoute: number;
  readonly creditWaits: number;
  readonly refused: number;
  /** Messages in its source. */
  readonly depth: number;
}

/** What a lane has counted, all its consumers together. */
export interface LaneCounts {
  readonly delivered: number;
  readonly recv: number;
  readonly droppedNewest: number;
  readonly droppedOldest: number;
  readonly droppedPool: number;
  readonly droppedNoCredit: number;
  readonly droppedAllFull: number;
  readonly droppedDetached: number;
  /** Of those: given up by a roll, which does not wait for everybody for ever. */
  readonly droppedByRoll: number;
  readonly requeuedIn: number;
  readonly requeuedOut: number;
  readonly redelivered: number;
  /** Messages in it. */
  readonly depth: number;
  /** Share of samples at depth 0, the last ten seconds weighing most. */
  readonly idleRatio: number;
}

/** What a subscription has counted that no lane of it could. */
export interface SubscriptionCounts {
  readonly droppedNoCredit: number;
  readonly droppedAllFull: number;
  readonly droppedDetached: number;
  readonly requeued: number;
  readonly redelivered: number;
}

/** Of seats that this generation does not have. */
export const nothingSent: ProducerCounts = { sent: 0, taken: 0, noRoute: 0, creditWaits: 0, refused: 0, depth: 0 };
/** The same of lanes. */
export const nothingDelivered: LaneCounts = {
  delivered: 0,
  recv: 0,
  droppedNewest: 0,
  droppedOldest: 0,
  droppedPool: 0,
  droppedNoCredit: 0,
  droppedAllFull: 0,
  droppedDetached: 0,
  droppedByRoll: 0,
  requeuedIn: 0,
  requeuedOut: 0,
  redelivered: 0,
  depth: 0,
  idleRatio: 1,
};
