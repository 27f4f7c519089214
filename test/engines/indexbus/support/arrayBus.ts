import { advanced, distance } from '../../../../src/engines/indexbus/cursor.ts';
import { ownerOf, redeliveredFlag, requeuedFlag } from '../../../../src/engines/indexbus/descriptor.ts';
import type { Lanes } from '../../../../src/engines/indexbus/lanes.ts';
import { LaneLife } from '../../../../src/engines/indexbus/laneTable.ts';
import { LaneCursor } from '../../../../src/engines/indexbus/layout.ts';
import type { RefusalCause, RouterObserver } from '../../../../src/engines/indexbus/observer.ts';
import { matches } from '../../../../src/engines/indexbus/patterns.ts';

/** What the twin is told of a subscription. */
export interface TwinSubscription {
  readonly topics: readonly string[];
  readonly mode: 'broadcast' | 'workqueue' | 'keyed';
}

/** What the twin looks up of the bus it follows: settings, and the words that it is held against. */
export interface FollowedBus {
  /** Settings of lanes; also where heads stand after a router took over. */
  lanes(): Lanes;
  subscription(record: number): TwinSubscription | undefined;
  topicName(topic: number): string;
  /** Word of a lane's cursors. */
  word(lane: number, field: number): number;
  /** Four words of a lane's entry. */
  entry(lane: number, cursor: number): readonly number[];
}

type Entry = readonly number[];

interface TwinLane {
  readonly record: number;
  live: boolean;
  /** Cursor of the first entry. */
  base: number;
  entries: Entry[];
  /** Of a lane that has ended: what nobody has been given yet. */
  waiting: Entry[];
  /** Staged for the consumer that takes over what waits. */
  coming: Entry[];
}

interface Counts {
  newest: number;
  oldest: number;
  pool: number;
  noCredit: number;
  allFull: number;
  detached: number;
  requeuedIn: number;
  requeuedOut: number;
  redelivered: number;
}

const noCounts: Counts = {
  newest: 0,
  oldest: 0,
  pool: 0,
  noCredit: 0,
  allFull: 0,
  detached: 0,
  requeuedIn: 0,
  requeuedOut: 0,
  redelivered: 0,
};

const countWords: readonly (readonly [keyof Counts, number])[] = [
  ['newest', LaneCursor.droppedNewest],
  ['oldest', LaneCursor.droppedOldest],
  ['pool', LaneCursor.droppedPool],
  ['noCredit', LaneCursor.droppedNoCredit],
  ['allFull', LaneCursor.droppedAllFull],
  ['detached', LaneCursor.droppedDetached],
  ['requeuedIn', LaneCursor.requeuedIn],
  ['requeuedOut', LaneCursor.requeuedOut],
  ['redelivered', LaneCursor.redelivered],
];

/**
 * The bus as plain arrays. Told in which order things happen, it decides for itself who wants a message, which lanes take it and why others do not, and
 * where what a lane gives back may go. Whatever the router does otherwise is a problem; so is a lane whose words are not the twin's after a commit. In
 * which of several lanes with room a work queue puts a message is the router's choice.
 */
export class ArrayBus implements RouterObserver {
  readonly problems: string[] = [];
  /** Messages that were held against the twin. */
  messages = 0;
  readonly #bus: FollowedBus;
  #lanes = new Map<number, TwinLane>();
  #counts = new Map<number, Counts>();
  #before: { lanes: Map<number, TwinLane>; counts: Map<number, Counts> } = { lanes: new Map(), counts: new Map() };
  /** Of the message that is being placed. */
  #placed: number[] = [];
  #refused: { lane: number; record: number; cause: RefusalCause }[] = [];
  #given: { lane: number; entry: Entry } | undefined;

  constructor(bus: FollowedBus) {
    this.#bus = bus;
  }

  /** Lanes that went live with messages of a former holder. */
  takeOvers = 0;

  /** A lane has a consumer; what waited there for one is in it, requeued. */
  laneLive(lane: number): void {
    const record = this.#bus.lanes().subscription[lane] ?? -1;
    const entries = this.#lanes.get(lane)?.waiting ?? [];
    const untold = entries.filter((entry) => !isAgain(entry)).length;
    if (untold > 0) this.#problem(`lane ${lane} goes live with ${untold} messages that were not requeued`);
    if (entries.length > 0) this.takeOvers += 1;
    const base = advanced(this.#bus.word(lane, LaneCursor.tail), -entries.length);
    this.#lanes.set(lane, { record, live: true, base, entries, waiting: [], coming: [] });
    // Outside of commits.
    this.#save();
  }

  laneEnded(lane: number): void {
    for (const twin of [this.#lanes.get(lane), this.#before.lanes.get(lane)]) this.#end(lane, twin);
  }

  /** What its consumer has not taken waits. */
  #end(lane: number, twin: TwinLane | undefined): void {
    if (!twin?.live) return;
    twin.live = false;
    const unread = distance(this.#bus.word(lane, LaneCursor.tail), this.#bus.lanes().claimed(lane));
    twin.waiting = unread === 0 ? [] : twin.entries.slice(-unread);
  }

  headSeen(lane: number, head: number): void {
    const twin = this.#lanes.get(lane);
    if (twin === undefined || !twin.live) return;
    twin.entries.splice(0, distance(head, twin.base));
    twin.base = head;
  }

  placed(lane: number, ...entry: number[]): void {
    const twin = this.#lanes.get(lane);
    if (!twin?.live) {
      if (twin === undefined || !isAgain(entry)) this.#problem(`lane ${lane} gets a message and is not live`);
      else {
        twin.coming.push(entry);
        this.#given = { lane, entry };
      }
      return;
    }
    const verdict = this.#verdict(lane, ownerOf(entry[0] ?? 0));
    if (verdict !== 'place') this.#problem(`lane ${lane} gets a message, expected ${verdict}`);
    // Messages of a source have no flags.
    if (isAgain(entry)) this.#given = { lane, entry };
    else this.#placed.push(lane);
    twin.entries.push(entry);
  }

  refused(lane: number, record: number, cause: RefusalCause): void {
    this.#refused.push({ lane, record, cause });
  }

  taken(producer: number, sequence: number, topic: number, wanted: number, delivered: number): void {
    this.messages += 1;
    const what = `message ${sequence} of producer ${producer}`;
    const groups = new Map<number, number[]>();
    const lanes: number[] = [];
    for (const [lane, { live, record }] of this.#lanes) {
      const it = this.#bus.subscription(record);
      if (!live || !it?.topics.some((pattern) => matches(pattern, this.#bus.topicName(topic)))) continue;
      if (it.mode === 'broadcast') lanes.push(lane);
      else groups.set(record, [...(groups.get(record) ?? []), lane]);
    }
    if (wanted !== lanes.length + groups.size) {
      this.#problem(`${what} is wanted ${wanted} times, expected ${lanes.length + groups.size}`);
    }
    if (delivered !== this.#placed.length)
      this.#problem(`${what}: ${delivered} delivered, ${this.#placed.length} placed`);
    for (const lane of lanes) this.#once(what, [lane], (it) => it.lane === lane);
    for (const [record, of] of groups) this.#once(what, of, (it) => it.record === record || of.includes(it.lane));
    for (const { lane, record, cause } of this.#refused) {
      const expected = this.#cause(lane, record, producer, wanted);
      if (cause !== expected) this.#problem(`${what}: refused for ${cause}, expected ${expected}`);
      if (lane >= 0) this.#count(lane)[cause] += 1;
    }
    this.#placed = [];
    this.#refused = [];
  }

  /** Each delivery is made or refused, once. */
  #once(what: string, lanes: readonly number[], refusal: (it: { lane: number; record: number }) => boolean): void {
    const made = this.#placed.filter((lane) => lanes.includes(lane)).length;
    const refused = this.#refused.filter(refusal).length;
    if (made + refused !== 1)
      this.#problem(`${what}: lanes ${lanes} have it ${made} times, refuse it ${refused} times`);
  }

  #cause(lane: number, record: number, producer: number, wanted: number): string {
    if (lane < 0) {
      const causes = this.#lanesOf(record).map(([it]) => this.#verdict(it, producer));
      if (causes.includes('place')) return 'nothing: a lane has room';
      return causes.includes('noCredit') ? 'noCredit' : 'allFull';
    }
    const cause = this.#verdict(lane, producer);
    const allFull =
      wanted >= 2 && this.#refused.length === wanted && this.#refused.every((it) => this.#isFull(it, producer));
    return allFull ? 'allFull' : cause;
  }

  #isFull({ lane, cause }: { lane: number; cause: RefusalCause }, producer: number): boolean {
    if (lane < 0) return cause === 'allFull';
    return ['newest', 'pool'].includes(this.#verdict(lane, producer));
  }

  /** The table of admission, row by row. */
  #verdict(lane: number, producer: number): string {
    const settings = this.#bus.lanes();
    const entries = this.#lanes.get(lane)?.entries ?? [];
    const blocks = settings.blocking[lane] === 1;
    const limit = settings.creditLimit[lane] ?? 0;
    const full = settings.dropOldest[lane] === 1 ? 'evict' : undefined;
    if (limit > 0 && entries.length >= limit) return blocks ? 'park' : 'noCredit';
    const held = entries.filter((entry) => ownerOf(entry[0] ?? 0) === producer).length;
    if (!blocks && held >= settings.share(lane)) return full ?? 'pool';
    if (entries.length >= (settings.capacity[lane] ?? 0)) return blocks ? 'park' : (full ?? 'newest');
    return 'place';
  }

  evicted(lane: number, cursor: number): void {
    const twin = this.#lanes.get(lane);
    if (twin === undefined || cursor !== twin.base || twin.entries.length === 0) {
      this.#problem(`lane ${lane} loses entry ${cursor}, its oldest is ${twin?.base}`);
      return;
    }
    twin.entries.shift();
    twin.base = advanced(twin.base, 1);
    this.#count(lane).oldest += 1;
  }

  takenBack(lane: number, cursor: number, to: number, again: boolean): void {
    const twin = this.#lanes.get(lane);
    const given = this.#given;
    this.#given = undefined;
    if (twin === undefined || twin.live) {
      this.#problem(`lane ${lane} gives back and has not ended`);
      return;
    }
    const counts = this.#count(lane);
    // What its consumer had not taken goes first to last; what it had open is before that.
    const next = again ? twin.entries[distance(cursor, twin.base)] : twin.waiting.shift();
    if (to < 0) {
      counts.detached += 1;
      return;
    }
    const same = next === undefined ? again : next[0] === given?.entry[0] && next[3] === given?.entry[3];
    if (given?.lane !== to || !same) this.#problem(`entry ${cursor} of lane ${lane} is not what lane ${to} was given`);
    if (this.#lanes.get(to)?.record !== twin.record) this.#problem(`lane ${to} is of another group than lane ${lane}`);
    if (again) this.#count(to).redelivered += 1;
    else {
      counts.requeuedOut += 1;
      this.#count(to).requeuedIn += 1;
    }
  }

  parked(): void {
    this.#placed = [];
    this.#refused = [];
  }

  /** What was staged for who takes a lane over waits there for it now. */
  #come(): void {
    for (const [lane, twin] of this.#lanes) {
      if (twin.coming.length === 0) continue;
      if (twin.waiting.length > 0) this.#problem(`${twin.waiting.length} messages of lane ${lane} are left behind`);
      twin.waiting = twin.coming;
      twin.coming = [];
    }
  }

  committed(): void {
    this.#come();
    this.#save();
    for (const [lane, { live, base, entries }] of this.#lanes) {
      if (!live) continue;
      const tail = this.#bus.word(lane, LaneCursor.tail);
      if (distance(tail, base) !== entries.length) {
        this.#problem(`lane ${lane} has ${distance(tail, base)} messages, expected ${entries.length}`);
        continue;
      }
      entries.forEach((entry, index) => {
        if (this.#bus.entry(lane, advanced(base, index)).some((word, at) => word !== entry[at])) {
          this.#problem(`entry ${index} of lane ${lane} is not the one that was placed there`);
        }
      });
    }
    for (const [lane, counts] of this.#counts) {
      for (const [name, field] of countWords) {
        const told = this.#bus.word(lane, field);
        if (told !== counts[name]) this.#problem(`lane ${lane} counts ${told} ${name}, expected ${counts[name]}`);
      }
    }
  }

  /** A router died. What it had sealed has happened, the rest has not. */
  routerDied(sealed: boolean): void {
    if (sealed) {
      this.#come();
      this.#save();
    }
    this.#lanes = copied(this.#before.lanes);
    this.#counts = new Map([...this.#before.counts].map(([lane, counts]) => [lane, { ...counts }]));
    this.parked();
    this.#given = undefined;
  }

  /** Its successor has taken over, and knows where consumers stand. */
  routerFollowed(): void {
    const lanes = this.#bus.lanes();
    for (let lane = 0; lane < lanes.count; lane += 1) {
      const twin = this.#lanes.get(lane);
      if (lanes.life[lane] !== LaneLife.live) {
        this.#end(lane, twin);
      } else if (twin?.live) this.headSeen(lane, lanes.head[lane] ?? 0);
      else this.laneLive(lane);
    }
    this.#save();
  }

  #save(): void {
    this.#before = {
      lanes: copied(this.#lanes),
      counts: new Map([...this.#counts].map(([lane, counts]) => [lane, { ...counts }])),
    };
  }

  #lanesOf(record: number): (readonly [number, TwinLane])[] {
    return [...this.#lanes].filter(([, it]) => it.live && it.record === record);
  }

  #count(lane: number): Counts {
    const counts = this.#counts.get(lane) ?? { ...noCounts };
    this.#counts.set(lane, counts);
    return counts;
  }

  #problem(what: string): void {
    this.problems.push(`T1 ${what}`);
  }
}

function copied(lanes: ReadonlyMap<number, TwinLane>): Map<number, TwinLane> {
  const copy = (it: TwinLane): TwinLane => ({
    ...it,
    entries: [...it.entries],
    waiting: [...it.waiting],
    coming: [...it.coming],
  });
  return new Map([...lanes].map(([lane, it]) => [lane, copy(it)]));
}

/** Whether another lane had the message before, or this one had it for another consumer. */
function isAgain(entry: Entry): boolean {
  return ((entry[1] ?? 0) & (requeuedFlag | redeliveredFlag)) !== 0;
}
