import type { Telemetry } from '../../host/telemetry.ts';

/** A bug that the simulator can plant, to prove that the checkers see it. */
export interface Mutant {
  readonly name: string;
  /** What it breaks, in a few words. */
  readonly breaks: string;
}

/** Every bug that is planted in this engine, by the field that says whether it is. */
const planted = {
  tailBeforePayload: ['tail-before-payload', 'the tail is stored before the payload is written'],
  headByStore: ['head-by-store', 'a consumer stores its head and does not compare'],
  receiveBeforeClaim: ['receive-before-claim', 'messages are handed over though their claim was lost'],
  freezeSkipped: ['freeze-skipped', 'an eviction moves a head that is not frozen'],
  returnBeforeSeal: ['return-before-seal', 'slots go home before their commit is sealed'],
  redoSkipped: ['redo-skipped', 'a successor does not finish the commit that it finds sealed'],
  redoUnsealed: ['redo-unsealed', 'a successor applies a commit that was never sealed'],
  redoHeadBlind: ['redo-head-blind', 'a redo stores a head that is no longer frozen'],
  roomFromObserved: [
    'room-from-observed',
    'room in a ring counts from what this plan took back, not from what is sealed',
  ],
  deadByTimeout: ['dead-by-timeout', 'a seat is freed after five seconds of silence'],
  seatReuseUnacked: ['seat-reuse-unacked', 'a fenced seat is freed before its holder knows'],
  startTimeIgnored: ['start-time-ignored', 'whoever has the pid counts as the holder of the seat'],
  lockIgnored: ['lock-ignored', 'the liveness lock is not looked at'],
  signedCompare: ['signed-compare', 'cursors are compared as numbers, which is wrong when they wrap'],
  sleepWithoutLook: ['sleep-without-look', 'nobody looks again after saying that it sleeps'],
  doorbellLateClear: ['doorbell-late-clear', 'doorbells are cleared after the sources were read'],
  noFullScan: ['no-full-scan', 'a source whose doorbell was never rung is never looked at'],
  admitWhilePlacing: ['admit-while-placing', 'blocking lanes are asked one by one while the message is placed'],
  creditFromOldTail: ['credit-from-old-tail', 'depth does not count what the commit under way has placed'],
  shareOff: ['share-off', 'lanes that do not block have no share of a pool'],
  allFullTwice: ['all-full-twice', 'a message that all lanes refuse counts as all full and as full'],
  requeueLast: ['requeue-last', 'what a lane gives back is placed after newer messages'],
  bucketJump: ['bucket-jump', 'a bucket of keys moves while its former lane has messages of it'],
  viewFreedAtHead: ['view-freed-at-head', 'slots of a view lane go home when they are received'],
  fenceReadsHead: ['fence-reads-head', 'a fence reads the head and does not freeze it'],
  cutMidCommit: ['cut-mid-commit', 'counters are sampled while a commit is being applied'],
  takeOverForgets: ['take-over-forgets', 'what waits in a lane that is taken over is let go and not requeued'],
  takeOverAtOnce: ['take-over-at-once', 'a keyed lane is taken over while another one has older messages to give'],
  fenceInMemory: ['fence-in-memory', 'a fence stands in the memory of the router alone'],
  acceptUnwritten: ['accept-unwritten', 'a publish now and then says that it was accepted, and nothing is written'],
  refuseWritten: ['refuse-written', 'a publish now and then says that it was refused, and its message is written'],
  closeUnflushed: ['close-unflushed', 'who closes does not flush what it has published'],
  moveUnflushed: ['move-unflushed', 'who goes on in the next generation does not flush what it has published'],
  redeliverySkipped: [
    'redelivery-skipped',
    'what a consumer died with does not come again, whatever its subscription says',
  ],
  claimNotHanded: ['claim-not-handed', 'the last message of a batch is claimed and not handed over if it came again'],
} as const satisfies Record<string, readonly [string, string]>;

/** Which bugs are planted in this run. */
export type IndexbusMutantFlags = Readonly<Record<keyof typeof planted, boolean>>;

/** Every bug that is planted in this engine. */
export const indexbusMutants: readonly Mutant[] = Object.values(planted).map(([name, breaks]) => ({ name, breaks }));

/** Asks once for all: a hot path reads a field. */
export function plantedIn(telemetry: Pick<Telemetry, 'mutant'>): IndexbusMutantFlags {
  const flags = Object.entries(planted).map(([field, [name]]) => [field, telemetry.mutant(name)] as const);
  // Object.fromEntries knows its keys only as strings.
  return Object.fromEntries(flags) as unknown as IndexbusMutantFlags;
}
