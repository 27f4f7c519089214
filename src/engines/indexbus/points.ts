import type { DeclaredPoints } from '../../host/telemetry.ts';

/**
 * The places in the code before which a participant may be stopped or killed. `region.step(point)` precedes what is done there to shared memory: one
 * store where others may see the difference, else the whole of it, as a payload that nobody reads before its tail. Numbers are stable, so that a
 * kept scenario means the same place.
 */
export const Point = {
  // A producer publishes.
  takeSlot: 1,
  writePayload: 2,
  writeDescriptor: 3,
  storeTail: 4,
  ringDoorbell: 5,
  wakeRouter: 6,
  readReturns: 7,
  // A consumer receives.
  loadTail: 11,
  copyOut: 12,
  claimHead: 13,
  lostClaim: 14,
  consumerWakesRouter: 15,
  storeDone: 16,
  doneWakesRouter: 17,
  // Anyone waits.
  setSleeping: 21,
  lookAgain: 22,
  sleep: 23,
  clearSleeping: 24,
  // The router polls.
  observeHead: 31,
  readDoorbell: 32,
  clearDoorbell: 33,
  readSource: 34,
  writeLaneEntry: 35,
  writeReturnEntry: 36,
  freezeHead: 37,
  writeRedo: 38,
  seal: 39,
  apply: 40,
  applyHead: 41,
  commitDone: 42,
  wakePeers: 43,
  writeCut: 44,
  thawHead: 45,
  // The router recovers.
  takeRouterLock: 51,
  raiseEpoch: 52,
  checkHeader: 53,
  finishRedo: 54,
  thaw: 55,
  recount: 56,
  // Seats.
  takeSeatLock: 61,
  claimSeat: 62,
  writeSeat: 63,
  seatReady: 64,
  seatLive: 65,
  seatLeaving: 66,
  fenceSeat: 67,
  acknowledgeFence: 68,
  freeSeat: 69,
  request: 70,
  reply: 71,
  // The segment is made, validated, replaced.
  buildSegment: 81,
  publishSegment: 82,
  retireSegment: 83,
  keepFormer: 84,
  openSegment: 85,
  // The router changes topics and subscriptions: one for each word that it stores.
  writeTopic: 91,
  topicIsThere: 92,
  writeChange: 93,
  sealChange: 94,
  applyChange: 95,
  changeDone: 96,
  removeSubscription: 97,
  freeBuckets: 98,
  configurationIsThere: 99,
  // A lane has ended from here on, and the words that tell where are there.
  noteEnding: 100,
  // An operator changes a producer: one for each word.
  changeProducer: 101,
  // Who has said that it leaves tells the router of it.
  leaverRings: 102,
} as const;

export type PointName = keyof typeof Point;

/** Name of each number. */
export const pointNames: ReadonlyMap<number, PointName> = new Map(
  // Object.entries knows the keys only as strings.
  Object.entries(Point).map(([name, number]) => [number, name as PointName]),
);

/** Every probe and fault point of the engine. */
export const indexbusPoints: DeclaredPoints = {
  probes: [
    'redo finished by a successor',
    'frozen head thawed',
    'eviction beat a receive',
    'eviction lost to a receive',
    'fence beat a receive',
    'fence lost to a receive',
    'consumer died between claim and done',
    'producer died between flush and doorbell',
    'pool share refused',
    'join evicted others',
    'bucket switched lazily',
    'requeue waited for a blocking lane',
    'doubtful: lock lost',
    'doubtful: lock leaked',
    'recovery crashed and recovered',
    'everyone asleep with work for one step',
    'redelivered',
    'draining seat taken over',
    'roll with a stopped consumer',
    'roll gave up what a lane had',
    'roll gave up what nobody wants',
    'two standbys raced',
    'roll lifted a rate',
  ],
  faultPoints: [
    'commit-one-message',
    'commit-empty',
    'skip-doorbell-scan',
    'short-receive',
    'flush-each',
    'early-sleep',
    'probe-late',
    'freeze-long',
    'slot-take-last',
    'return-late',
    'sample-each-commit',
    'bucket-move-storm',
    'start-near-wrap',
    'share-minimal',
  ],
};
