import type { Region } from '../../host/sharedMemory.ts';
import { abandonedLanes } from './abandoned.ts';
import type { Subscription } from './commands.ts';
import { type Commit, StagedSubscription } from './commit.ts';
import { BusError } from './errors.ts';
import { Group } from './group.ts';
import { KeyBuckets, type KeyMutants, type LaneProgress } from './keyBuckets.ts';
import type { Lanes } from './lanes.ts';
import { LaneLife } from './laneTable.ts';
import { Header, keyBuckets, type Layout, Seat, SegmentState, seatWords, subscriptionsMax } from './layout.ts';
import { matches } from './patterns.ts';
import { Point } from './points.ts';
import { noRoute, type Route } from './routes.ts';
import { stateOf } from './seat.ts';
import {
  lastEpoch,
  nobodysBuckets,
  readSubscription,
  removeSubscription,
  type StoredSubscription,
  writeSubscription,
} from './subscriptions.ts';
import { addTopic, readTopics } from './topics.ts';

/**
 * Which topics there are, which subscriptions, and from both where the messages of each topic go. The segment has topics and subscriptions; the
 * routes are worked out from it anew whenever one of them, or the set of live lanes, has changed.
 */
export class Routing {
  readonly #region: Region;
  readonly #layout: Layout;
  readonly #commit: Commit;
  readonly #lanes: Lanes;
  readonly #progress: LaneProgress;
  readonly #mutants: KeyMutants;
  readonly #topics: Map<string, number>;
  readonly #subscriptions: (StoredSubscription | undefined)[] = [];
  readonly #keys = new Map<number, KeyBuckets>();
  /** Each poll asks: most have none. */
  #anyKeys = false;
  #groups = new Map<number, Group>();
  routes: readonly Route[] = [];

  constructor(
    region: Region,
    layout: Layout,
    commit: Commit,
    lanes: Lanes,
    progress: LaneProgress,
    mutants: KeyMutants,
  ) {
    this.#region = region;
    this.#layout = layout;
    this.#commit = commit;
    this.#lanes = lanes;
    this.#progress = progress;
    this.#mutants = mutants;
    this.#topics = readTopics(region, layout);
    for (let record = 0; record < subscriptionsMax; record += 1) {
      this.#subscriptions.push(readSubscription(region, layout, record));
    }
    this.rebuild();
  }

  get topicCount(): number {
    return this.#topics.size;
  }

  get topicNames(): readonly string[] {
    return [...this.#topics.keys()];
  }

  topicNumber(name: string): number | undefined {
    return this.#topics.get(name);
  }

  /** Registers a topic; the number it has, also if it was there. Throws IB_TOPICS_FULL, IB_BAD_CONFIG for a name that is none. */
  createTopic(name: string): number {
    const there = this.#topics.get(name);
    if (there !== undefined) return there;
    const number = addTopic(this.#region, this.#layout, this.#topics.size, name);
    this.#topics.set(name, number);
    this.rebuild();
    return number;
  }

  subscription(record: number): StoredSubscription | undefined {
    return this.#subscriptions[record];
  }

  recordOf(name: string): number {
    return this.#subscriptions.findIndex((it) => it?.subscription.name === name);
  }

  get subscriptions(): readonly StoredSubscription[] {
    return this.#subscriptions.filter((it) => it !== undefined);
  }

  /** Makes a subscription or changes it; returns its record. Throws `BusError` where 64 are there or the change is unsafe. */
  put(subscription: Subscription): number {
    const there = this.recordOf(subscription.name);
    const record = there >= 0 ? there : this.#freeRecord();
    const before = this.#subscriptions[record];
    const hasOtherMode = before !== undefined && before.subscription.mode !== subscription.mode;
    if (hasOtherMode) this.#checkAllHaveCome(subscription.name);
    if (hasOtherMode && this.lanesOf(record).length > 0) {
      throw new BusError(
        'IB_UNSAFE_CHANGE',
        `${subscription.name} has consumers: detach them before its mode changes`,
        {
          expected: before.subscription.mode,
          got: subscription.mode,
        },
      );
    }
    if (subscription.lane !== 'blocking') this.#checkAllCameAgain(record, subscription.name);
    if (before === undefined) this.#freeBuckets(record);
    this.#subscriptions[record] = writeSubscription(this.#region, this.#layout, record, subscription);
    this.rebuild();
    return record;
  }

  /** What consumers died with and comes again waits for room: a lane that drops has none to wait for. Throws IB_UNSAFE_CHANGE. */
  #checkAllCameAgain(record: number, name: string): void {
    const { words } = this.#region;
    const owed = abandonedLanes({ words, layout: this.#layout }).find((it) => it.record === record && it.unended > 0);
    if (owed === undefined) return;
    throw new BusError(
      'IB_UNSAFE_CHANGE',
      `lane ${owed.lane} has ${owed.unended} messages of subscription ${name} that come again since their consumer died: start one, or let others read, before its lanes drop`,
      { expected: 'lane: blocking', got: 'lane: nonblocking' },
    );
  }

  /**
   * A record for another subscription: one that never was any, else one that nobody names any more. What a lane that ended still has is of the
   * subscription that its record was, and no other's; so is a joiner that was told the number. Throws IB_TOPICS_FULL where there is none.
   */
  #freeRecord(): number {
    let unnamed = -1;
    for (let record = 0; record < subscriptionsMax; record += 1) {
      if (this.#subscriptions[record] !== undefined) continue;
      if (lastEpoch(this.#region, this.#layout, record) === 0) return record;
      if (unnamed < 0 && !this.#isNamed(record)) unnamed = record;
    }
    if (unnamed >= 0) return unnamed;
    const there = this.subscriptions.length;
    throw new BusError(
      'IB_TOPICS_FULL',
      there === subscriptionsMax
        ? `there are ${subscriptionsMax} subscriptions; delete one first`
        : `there are ${there} subscriptions, and lanes that end have the other records: try again, or end who holds them`,
    );
  }

  #isNamed(record: number): boolean {
    if (this.lanesOf(record).length > 0) return true;
    const { words } = this.#region;
    for (let lane = 0; lane < this.#lanes.count; lane += 1) {
      const at = this.#layout.laneSeats + lane * seatWords;
      const state = stateOf(Atomics.load(words, at));
      if ((state === 'claimed' || state === 'ready') && words[at + Seat.subscription] === record) return true;
    }
    return false;
  }

  /** Buckets of keys that a record's former subscription had are nobody's: also for the commits to come, which know what they were. */
  #freeBuckets(record: number): void {
    for (let word = 0; word < keyBuckets / 4; word += 1) {
      this.#region.step(Point.freeBuckets);
      this.#commit.adopt(this.#commit.subscription(record, StagedSubscription.owners + word), nobodysBuckets);
    }
  }

  /** Deletes a subscription that no lane and no joiner names: nothing is lost. Throws `BusError`. */
  deleteUnused(name: string): void {
    const record = this.recordOf(name);
    if (record >= 0 && this.#isNamed(record)) {
      throw new BusError('IB_UNSAFE_CHANGE', `${name} has consumers, or messages that wait for one`);
    }
    this.delete(name);
  }

  /** Deletes a subscription without consumers; what lanes that ended still keep for a later one is lost. Throws `BusError`. */
  delete(name: string): void {
    const record = this.recordOf(name);
    if (record < 0) {
      throw new BusError('IB_UNKNOWN_TOPIC', `there is no subscription ${name}`, {
        expected: this.subscriptions.map((it) => it.subscription.name).join(', '),
        got: name,
      });
    }
    this.#checkAllHaveCome(name);
    if (this.liveLanesOf(record).length > 0) {
      throw new BusError('IB_UNSAFE_CHANGE', `${name} has consumers: detach them first`);
    }
    removeSubscription(this.#region, this.#layout, record);
    this.#subscriptions[record] = undefined;
    this.#keys.delete(record);
    this.rebuild();
  }

  /** In a generation that a roll has built consumers may be on their way whom nobody knows here: no lane is theirs yet. Throws IB_UNSAFE_CHANGE. */
  #checkAllHaveCome(name: string): void {
    if (Atomics.load(this.#region.words, Header.state) !== SegmentState.waiting) return;
    throw new BusError(
      'IB_UNSAFE_CHANGE',
      `the segment is being rolled, and consumers of ${name} may be on their way: try again when the roll is over`,
      { expected: 'no roll', got: 'a roll under way' },
    );
  }

  /** Lanes of the subscription that get messages. */
  liveLanesOf(record: number): readonly number[] {
    return this.lanesOf(record).filter((lane) => this.#lanes.life[lane] === LaneLife.live);
  }

  /** Lanes of the subscription that are not gone, live or ending. */
  lanesOf(record: number): readonly number[] {
    const lanes: number[] = [];
    for (let lane = 0; lane < this.#lanes.count; lane += 1) {
      if (this.#lanes.life[lane] !== LaneLife.none && this.#lanes.subscription[lane] === record) lanes.push(lane);
    }
    return lanes;
  }

  /** The group of a subscription that is none by broadcast; undefined without live lanes. */
  group(record: number): Group | undefined {
    return this.#groups.get(record);
  }

  get moving(): number {
    let moving = 0;
    for (const keys of this.#keys.values()) moving += keys.moving;
    return moving;
  }

  /** Moves the buckets that can move; returns how many moved from a lane that lives. */
  settle(): number {
    let moved = 0;
    if (!this.#anyKeys) return moved;
    for (const keys of this.#keys.values()) if (keys.moving > 0) moved += keys.settle(this.#progress);
    return moved;
  }

  /** The buckets of a keyed subscription, also of one without live lanes; undefined for others. */
  keys(record: number): KeyBuckets | undefined {
    return this.#keys.get(record);
  }

  /** A fault point: every bucket shall belong to another lane. */
  storm(): void {
    for (const [record, keys] of this.#keys) keys.storm(this.liveLanesOf(record), this.#progress);
  }

  /** Works the routes out anew. */
  rebuild(): void {
    this.#groups = new Map();
    const broadcast = new Map<number, readonly number[]>();
    for (let record = 0; record < subscriptionsMax; record += 1) {
      const stored = this.#subscriptions[record];
      if (stored === undefined) continue;
      const live = this.liveLanesOf(record);
      const { mode, balance } = stored.subscription;
      if (mode === 'broadcast') broadcast.set(record, live);
      else {
        const keys = mode === 'keyed' ? this.#keysOf(record) : undefined;
        keys?.aim(live, this.#progress);
        if (live.length > 0) this.#groups.set(record, new Group(record, live, keys, balance === 'least_depth'));
      }
    }
    this.routes = this.topicNames.map((name) => this.#routeOf(name, broadcast));
    const { words } = this.#region;
    Atomics.store(words, Header.routingEpoch, (Atomics.load(words, Header.routingEpoch) + 1) | 0);
  }

  #keysOf(record: number): KeyBuckets {
    let keys = this.#keys.get(record);
    if (keys === undefined) {
      keys = new KeyBuckets(this.#commit, record, this.#progress, this.#mutants);
      this.#keys.set(record, keys);
      this.#anyKeys = true;
    }
    return keys;
  }

  #routeOf(topic: string, broadcast: ReadonlyMap<number, readonly number[]>): Route {
    const lanes: number[] = [];
    const groups: Group[] = [];
    this.#subscriptions.forEach((stored, record) => {
      if (stored === undefined || !stored.subscription.topics.some((pattern) => matches(pattern, topic))) return;
      lanes.push(...(broadcast.get(record) ?? []));
      const group = this.#groups.get(record);
      if (group !== undefined) groups.push(group);
    });
    return lanes.length + groups.length === 0 ? noRoute : { broadcast: Int32Array.from(lanes), groups };
  }
}
