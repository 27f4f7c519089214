import type { Region } from '../../host/sharedMemory.ts';
import { unpackBacklog } from './backlog.ts';
import { frozen, isFrozen } from './cursor.ts';
import { Access, cursorWords, LaneCursor, LaneMode, type Layout, Seat, seatWords } from './layout.ts';
import type { IndexbusMutantFlags } from './mutants.ts';
import { SeatState } from './seat.ts';

/** What a lane is to the router. */
export const LaneLife = {
  none: 0,
  /** Gets messages. */
  live: 1,
  /** Gets none; what it has goes home, or to others. */
  ending: 2,
} as const;

/** What a lane's seat says of how it takes messages. */
export interface LaneTerms {
  /** Bits of `LaneMode`. */
  readonly mode: number;
  readonly capacity: number;
  /** 0 for none. */
  readonly creditLimit: number;
  /** In milliseconds; 0 for never. */
  readonly detachAfterMs: number;
}

/** What the table is made of. */
export interface LaneTableParts {
  readonly region: Region;
  readonly layout: Layout;
  readonly mutants: IndexbusMutantFlags;
}

/** Of a lane without a share or a limit of its own. */
const unlimited = 0x7fff_ffff;

/** The lanes as the router knows them, and as their seats and cursors tell. Numbers in typed arrays, since every message touches several. */
export class LaneTable {
  /** Changed by `setLife` alone. */
  readonly life: Uint8Array;
  /** Lanes that live or end: the first `activeCount`. */
  readonly active: Int32Array;
  activeCount = 0;
  /** Whether a lane may have refused: stalls are looked for then. */
  refusing = false;
  readonly blocking: Uint8Array;
  readonly dropOldest: Uint8Array;
  readonly view: Uint8Array;
  readonly capacity: Int32Array;
  /** 0 for none. */
  readonly creditLimit: Int32Array;
  /** In milliseconds; 0 for never. */
  readonly detachAfterMs: Int32Array;
  readonly subscription: Int32Array;
  /** When the lane last refused without moving since, in milliseconds; -1 while it does not refuse. */
  readonly refusesSince: Float64Array;
  /** Where the consumer was last seen, or where an eviction has put it: everything before is no longer in the lane. Of a view lane: done. */
  readonly head: Int32Array;
  /** Tail with what is staged. */
  readonly tail: Int32Array;
  protected readonly words: Int32Array;
  protected readonly layout: Layout;
  protected readonly mutants: IndexbusMutantFlags;
  protected readonly ringMask: number;
  /** The stricter of capacity and credit limit. */
  protected readonly limits: Int32Array;
  /** Slots of each producer that the lane may have. */
  protected readonly shares: Int32Array;

  constructor({ region, layout, mutants }: LaneTableParts) {
    const { lanes } = layout.sizes;
    this.words = region.words;
    this.layout = layout;
    this.mutants = mutants;
    this.ringMask = layout.sizes.laneRing - 1;
    this.life = new Uint8Array(lanes);
    this.active = new Int32Array(lanes);
    this.blocking = new Uint8Array(lanes);
    this.dropOldest = new Uint8Array(lanes);
    this.view = new Uint8Array(lanes);
    this.capacity = new Int32Array(lanes);
    this.creditLimit = new Int32Array(lanes);
    this.detachAfterMs = new Int32Array(lanes);
    this.subscription = new Int32Array(lanes);
    this.refusesSince = new Float64Array(lanes).fill(-1);
    this.head = new Int32Array(lanes);
    this.tail = new Int32Array(lanes);
    this.limits = new Int32Array(lanes);
    this.shares = new Int32Array(lanes).fill(unlimited);
  }

  get count(): number {
    return this.life.length;
  }

  setLife(lane: number, life: (typeof LaneLife)[keyof typeof LaneLife]): void {
    this.life[lane] = life;
    this.activeCount = 0;
    for (let index = 0; index < this.life.length; index += 1) {
      if (this.life[index] === LaneLife.none) continue;
      this.active[this.activeCount] = index;
      this.activeCount += 1;
    }
  }

  /** Reads what the seat says of the lane: at a join, a recovery, a change. */
  readSeat(lane: number): void {
    const at = this.layout.laneSeats + lane * seatWords;
    this.setTerms(lane, {
      mode: this.words[at + Seat.mode] ?? 0,
      capacity: this.words[at + Seat.capacityOrRate] ?? 0,
      creditLimit: this.words[at + Seat.creditLimit] ?? 0,
      detachAfterMs: this.words[at + Seat.detachAfterMs] ?? 0,
    });
    this.view[lane] = this.words[at + Seat.access] === Access.view ? 1 : 0;
    this.subscription[lane] = this.words[at + Seat.subscription] ?? 0;
    const backlog = unpackBacklog(this.words[this.cursor(lane, LaneCursor.backlog)] ?? 0);
    if (backlog === undefined || ((this.words[at] ?? 0) & 15) === SeatState.live) return;
    // A joiner has written over what the seat said of the lane that it may take over.
    this.subscription[lane] = backlog.record;
    this.view[lane] = backlog.view ? 1 : 0;
    this.blocking[lane] = 1;
  }

  /** Takes a lane for one on these terms, whatever its seat says. */
  setTerms(lane: number, { mode, capacity, creditLimit, detachAfterMs }: LaneTerms): void {
    this.blocking[lane] = mode & LaneMode.blocking ? 1 : 0;
    this.dropOldest[lane] = mode & LaneMode.dropOldest ? 1 : 0;
    this.capacity[lane] = capacity;
    this.creditLimit[lane] = creditLimit;
    this.detachAfterMs[lane] = detachAfterMs;
    this.limits[lane] = creditLimit > 0 ? Math.min(capacity, creditLimit) : capacity;
  }

  /** Gives each lane its share of every pool: only those that copy and do not block have one. */
  setShare(share: number): void {
    for (let lane = 0; lane < this.count; lane += 1) {
      const shares = !this.blocking[lane] && !this.view[lane] && !this.mutants.shareOff;
      this.shares[lane] = shares ? share : unlimited;
    }
  }

  /** The lane's share of each pool; as good as no limit where it has none. */
  share(lane: number): number {
    return this.shares[lane] ?? 0;
  }

  committedTail(lane: number): number {
    return this.words[this.cursor(lane, LaneCursor.tail)] ?? 0;
  }

  /** Up to where the consumer is through with its messages. */
  done(lane: number): number {
    return Atomics.load(this.words, this.cursor(lane, LaneCursor.done));
  }

  /** The head as it stands in the segment, thawed. */
  claimed(lane: number): number {
    const head = Atomics.load(this.words, this.cursor(lane, LaneCursor.head));
    return isFrozen(head, this.committedTail(lane)) ? frozen(head) : head;
  }

  protected cursor(lane: number, word: number): number {
    return this.layout.laneCursors + lane * cursorWords + word;
  }

  /** First word of an entry in the ring. */
  entry(lane: number, cursor: number): number {
    return this.layout.laneRings + lane * this.layout.laneRingStep + (cursor & this.ringMask) * 4;
  }
}
