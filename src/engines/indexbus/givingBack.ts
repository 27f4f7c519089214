import { type Commit, StagedLane, StagedSubscription } from './commit.ts';
import { advanced, distance } from './cursor.ts';
import { DamagedEntries } from './damagedEntries.ts';
import { keyHashOf, redeliveredFlag, requeuedFlag } from './descriptor.ts';
import { GroupRefusal } from './group.ts';
import type { Lanes } from './lanes.ts';
import { cursorWords, LaneCursor } from './layout.ts';
import type { RouterParts } from './routerParts.ts';

/** What came of giving back: all is given, the rest waits for a consumer, the rest goes on after the commit. */
export const Given = { all: 0, waits: 1, planEnds: 2 } as const;
export type Given = (typeof Given)[keyof typeof Given];

/** Beside the `GroupRefusal`s: the entry is damaged, and nobody shall have it. */
const damagedEntry = -6;

/** What a lane that ends has: how far it was given to other lanes of its group, or counted as lost. All of it in ordinary commits. */
export class GivingBack {
  /** Next entry to give back. */
  readonly next: Int32Array;
  /** Where the consumer was stopped. */
  readonly stoppedAt: Int32Array;
  /** Whose consumer is proven dead: what it took and did not end is given as well. */
  readonly dead: Uint8Array;
  readonly #parts: RouterParts;
  readonly #words: Int32Array;
  readonly #lanes: Lanes;
  readonly #commit: Commit;
  readonly #damaged: DamagedEntries;
  /** Damaged entries that were passed over and are not told yet. Slots were looked for at the first of them, for all: once a poll, whatever comes of it. */
  #passed = 0;

  constructor(parts: RouterParts) {
    this.#parts = parts;
    this.#damaged = new DamagedEntries(parts);
    this.#words = parts.region.words;
    this.#lanes = parts.lanes;
    this.#commit = parts.commit;
    this.next = new Int32Array(parts.lanes.count);
    this.stoppedAt = new Int32Array(parts.lanes.count);
    this.dead = new Uint8Array(parts.lanes.count);
  }

  /**
   * The consumer is proven dead, to be called between commits. Whether what it took and did not end comes again is settled now, once, and written down with
   * one store: a subscription may be given another delivery, and the segment another router, before the lane is empty. That it does not is how far
   * it was handed out.
   */
  died(lane: number): void {
    this.dead[lane] = 1;
    // Nobody reads any of it now, what it had open neither.
    this.#damaged.giveSlots(lane, this.#commit.value(this.#commit.lane(lane, StagedLane.reclaimed)));
    const settled = this.#parts.layout.laneCursors + lane * cursorWords + LaneCursor.comesAgain;
    if (this.#words[settled] === 1) return;
    if (this.#redelivers(lane)) Atomics.store(this.#words, settled, 1);
    else this.#commit.adopt(this.#commit.lane(lane, StagedLane.redelivery), this.stoppedAt[lane] ?? 0);
  }

  /** What a consumer that is proven dead took and did not end, begins here. */
  redeliverFrom(lane: number): number {
    const done = this.#lanes.done(lane);
    const before = this.#commit.value(this.#commit.lane(lane, StagedLane.redelivery));
    const from = distance(done, before) > 0 ? done : before;
    const to = this.stoppedAt[lane] ?? 0;
    return distance(to, from) > 0 ? from : to;
  }

  redeliverTo(lane: number): number {
    return this.stoppedAt[lane] ?? 0;
  }

  /** Of a lane by copy the slots are at home as soon as its consumer has taken them: they are other messages' by now. */
  #redelivers(lane: number): boolean {
    if (this.#lanes.view[lane] !== 1 || this.#parts.mutants.redeliverySkipped) return false;
    const stored = this.#parts.routing.subscription(this.#lanes.subscription[lane] ?? 0);
    return stored?.subscription.delivery === 'at_least_once';
  }

  /** Whether the lane has messages to give to others. */
  hasMore(lane: number): boolean {
    if (this.next[lane] !== this.#lanes.tail[lane]) return true;
    return this.dead[lane] === 1 && this.redeliverFrom(lane) !== this.redeliverTo(lane);
  }

  /** Nobody shall have it. */
  lose(lane: number): void {
    const tail = this.#lanes.tail[lane] ?? 0;
    const lost = distance(tail, this.next[lane] ?? 0);
    if (lost === 0) return;
    this.#damaged.giveSlots(lane, this.next[lane] ?? 0);
    this.#commit.add(this.#commit.lane(lane, StagedLane.droppedDetached), lost);
    const { observer } = this.#parts;
    if (observer !== undefined) {
      for (let cursor = this.next[lane] ?? 0; cursor !== tail; cursor = advanced(cursor, 1)) {
        observer.takenBack(lane, cursor, -1, false);
      }
    }
    this.next[lane] = tail;
    this.#lanes.moveClaimed(lane, tail);
  }

  /** Gives others what nobody has read. */
  requeue(lane: number, record: number): Given {
    const tail = this.#lanes.tail[lane] ?? 0;
    const commit = this.#commit;
    let cursor = this.next[lane] ?? 0;
    let given: Given = Given.all;
    while (cursor !== tail) {
      const to = this.#again(lane, cursor, record, requeuedFlag);
      if (to === GroupRefusal.planEnds || to === GroupRefusal.park) {
        given = to === GroupRefusal.park ? Given.waits : Given.planEnds;
        break;
      }
      if (to >= 0) {
        commit.add(commit.lane(to, StagedLane.requeuedIn), 1);
        commit.add(commit.lane(lane, StagedLane.requeuedOut), 1);
        commit.add(commit.subscription(record, StagedSubscription.requeued), 1);
      } else commit.add(commit.lane(lane, StagedLane.droppedDetached), 1);
      this.#parts.observer?.takenBack(lane, cursor, to < 0 ? -1 : to, false);
      cursor = advanced(cursor, 1);
      this.#lanes.moveClaimed(lane, cursor);
    }
    this.next[lane] = cursor;
    this.#parts.telemetry.sometimes('requeue waited for a blocking lane', given === Given.waits);
    return given;
  }

  /** Gives others what a consumer that is proven dead took and did not end. */
  redeliver(lane: number, record: number): Given {
    const to = this.redeliverTo(lane);
    const commit = this.#commit;
    for (let cursor = this.redeliverFrom(lane); cursor !== to; cursor = advanced(cursor, 1)) {
      const target = this.#again(lane, cursor, record, redeliveredFlag);
      if (target === GroupRefusal.planEnds) return Given.planEnds;
      if (target !== damagedEntry && target < 0) return Given.waits;
      commit.stage(commit.lane(lane, StagedLane.redelivery), advanced(cursor, 1));
      // It was received, and is counted so: a drop besides would make what was received less.
      if (target === damagedEntry) continue;
      commit.add(commit.lane(target, StagedLane.redelivered), 1);
      commit.add(commit.subscription(record, StagedSubscription.redelivered), 1);
      this.#parts.telemetry.sometimes('redelivered', true);
      this.#parts.observer?.takenBack(lane, cursor, target, true);
    }
    return Given.all;
  }

  /** Whether nobody shall have an entry of the lane since it is damaged; its slot goes home with those about it. */
  passesOver(lane: number, cursor: number): boolean {
    if (!this.#damaged.has(lane, cursor)) return false;
    if (this.#passed === 0) this.#damaged.giveSlots(lane, cursor);
    this.#passed += 1;
    return true;
  }

  /** Tells of the damaged entries that were passed over since the last time. */
  tellPassed(lane: number): void {
    if (this.#passed === 0) return;
    this.#parts.events.entriesDamaged?.(lane, this.#passed);
    this.#passed = 0;
  }

  /** Gives one entry to another lane of its group: that lane, or why there is none. */
  #again(lane: number, cursor: number, record: number, flag: number): number {
    if (this.#commit.full) return GroupRefusal.planEnds;
    const { routing, placing } = this.#parts;
    const at = this.#lanes.entry(lane, cursor);
    const word0 = this.#words[at] ?? 0;
    const word2 = this.#words[at + 2] ?? 0;
    const group = routing.group(record);
    let to: number;
    if (this.passesOver(lane, cursor)) to = damagedEntry;
    else if (group !== undefined) {
      to = placing.again(group, word0, this.#words[at + 1] ?? 0, word2, this.#words[at + 3] ?? 0, flag);
    } else to = this.#lanes.blocking[lane] ? GroupRefusal.park : GroupRefusal.allFull;
    if (to !== GroupRefusal.planEnds && to !== GroupRefusal.park) routing.keys(record)?.giveBack(keyHashOf(word2), -1);
    return to;
  }
}
