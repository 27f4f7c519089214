import type { Host } from '../../host/host.ts';
import type { RouterCommand } from './commands.ts';
import { distance } from './cursor.ts';
import { slotOf } from './descriptor.ts';
import { IdleRest } from './idleRest.ts';
import { cursorWords, Header, ProducerCursor, Slot } from './layout.ts';
import { addTo, batchBounds, countInto, LoopStat, type LoopStats, waitBounds } from './loopStats.ts';
import { ParkedFor } from './observer.ts';
import type { Segment } from './segment.ts';
import { Waiting } from './waiting.ts';

/** What the loop needs of a router. */
export interface LoopRouter {
  /** Takes up to a batch of messages; how many it took. */
  poll(): number;
  /** Whether a poll would find something to do. */
  hasWork(): boolean;
  apply(command: RouterCommand): void;
  /** To be called after a sleep: what rang no bell is looked at. */
  slept(): void;
  /** Sleepers woken so far: consumers, producers. */
  readonly wakes: Float64Array;
  /** How often a source was made to wait, by `ParkedFor`. */
  readonly sources: { readonly parks: Float64Array };
  readonly commits: number;
}

/** How the loop waits; may change while it runs. */
export interface LoopSettings {
  /** Longest sleep while there is something to do, in microseconds; 0: it never sleeps. */
  pollIntervalUs: number;
  /** How long it looks before it sleeps, in microseconds. */
  spinUs: number;
}

/** Looks without a look at the clock, while it spins. */
const spinsPerClock = 32;

/**
 * One turn of a router after the other, and what lies between them: counting, spinning, the handshake before a sleep. The dedicated thread
 * calls `run`, which never comes back before it is told to stop; where the router shares a thread, `routerTask.ts` calls `turn`.
 */
export class RouterLoop {
  readonly settings: LoopSettings;
  readonly #router: LoopRouter;
  readonly #segment: Segment;
  readonly #clock: Host['clock'];
  readonly #telemetry: Host['telemetry'];
  readonly #stats: LoopStats;
  readonly #waiting: Waiting;
  /** Commands that wait, or an end: a sleep ends for them. */
  readonly #isCalled: () => boolean;
  readonly #idle: IdleRest;
  /** Of those so far, what was counted. */
  #commits = 0;

  constructor(
    router: LoopRouter,
    segment: Segment,
    host: Pick<Host, 'clock' | 'telemetry'>,
    stats: LoopStats,
    settings: LoopSettings,
    options: { readonly isCalled: () => boolean; readonly sleepWithoutLook: boolean },
  ) {
    this.#router = router;
    this.#segment = segment;
    this.#clock = host.clock;
    this.#telemetry = host.telemetry;
    this.#stats = stats;
    this.settings = settings;
    this.#isCalled = options.isCalled;
    this.#idle = new IdleRest(host.clock.now());
    this.#waiting = new Waiting(
      segment.region,
      host,
      Header.routerSleeping,
      Header.routerWake,
      () => router.hasWork() || options.isCalled(),
      0,
      { sleepWithoutLook: options.sleepWithoutLook },
    );
  }

  /** Turns until it is told to stop, and blocks the thread. @param take carries out what waits; false: stop */
  run(take: () => boolean): void {
    for (;;) {
      if (this.#isCalled() && !take()) return;
      if (this.turn() > 0 || this.#router.hasWork() || this.settings.pollIntervalUs === 0) continue;
      if (this.#spin()) continue;
      const began = this.#clock.now();
      const sleepUs = this.#idle.sleepUs(began, this.settings.pollIntervalUs);
      this.#awake(this.#waiting.untilSync(sleepUs / 1_000), began);
    }
  }

  /** Sleeps for one interval, unless there is work or a command. */
  async rest(): Promise<void> {
    const began = this.#clock.now();
    const { pollIntervalUs } = this.settings;
    const sleepUs = pollIntervalUs === 0 ? 1 : this.#idle.sleepUs(began, pollIntervalUs);
    this.#awake(await this.#waiting.until(sleepUs / 1_000), began);
  }

  /** After a sleep. @param found whether it ended since there is something to do */
  #awake(found: boolean, began: number): void {
    addTo(this.#stats.values, LoopStat.sleeps, 1);
    if (found) this.#idle.busy(this.#clock.now());
    else this.#slept(began);
    this.#router.slept();
  }

  #slept(began: number): void {
    const { values } = this.#stats;
    const now = this.#clock.now();
    values[LoopStat.lastFullSleepMs] = now - began;
    this.#telemetry.sometimes('everyone asleep with work for one step', this.#oldestWait(now) >= 0);
  }

  /** Looks for `spinUs`; true if there is something to do. */
  #spin(): boolean {
    const { spinUs } = this.settings;
    if (spinUs === 0) return false;
    const until = this.#clock.now() + spinUs / 1_000;
    for (;;) {
      for (let spin = 0; spin < spinsPerClock; spin += 1) {
        if (this.#router.hasWork() || this.#isCalled()) return true;
      }
      if (this.#clock.now() >= until) return false;
    }
  }

  /** One poll, counted; how many messages it took. */
  turn(): number {
    const { values, batches, waits } = this.#stats;
    const now = this.#clock.now();
    values[LoopStat.lastPollAt] = now;
    const wait = this.#oldestWait(now);
    const taken = this.#router.poll();
    // What waits and is not taken, for a rate or for room, is looked at as often as what is.
    if (taken > 0 || wait >= 0) this.#idle.busy(now);
    addTo(values, LoopStat.polls, 1);
    values[LoopStat.wakesConsumers] = this.#router.wakes[0] ?? 0;
    const { parks } = this.#router.sources;
    values[LoopStat.parksBlocking] = parks[ParkedFor.blocking] ?? 0;
    values[LoopStat.parksHold] = parks[ParkedFor.hold] ?? 0;
    values[LoopStat.parksCredit] = parks[ParkedFor.credit] ?? 0;
    values[LoopStat.wakesProducers] = this.#router.wakes[1] ?? 0;
    this.#countEmptyCommits(taken);
    if (taken === 0) return 0;
    addTo(values, LoopStat.busyPolls, 1);
    countInto(batches, batchBounds, taken);
    addTo(values, LoopStat.batchSum, taken);
    if (wait >= 0) {
      countInto(waits, waitBounds, wait);
      addTo(values, LoopStat.waitSum, wait);
    }
    return taken;
  }

  /** Commits that only take slots home, give back or evict have no message of a source. */
  #countEmptyCommits(taken: number): void {
    const { commits } = this.#router;
    const empty = commits - this.#commits - (taken > 0 ? 1 : 0);
    this.#commits = commits;
    if (empty > 0) addTo(this.#stats.batches, 0, empty);
  }

  /** How long the oldest message at the head of a source has waited, in seconds; -1 where all are empty. */
  #oldestWait(now: number): number {
    const { words, layout } = this.#segment;
    const { producers, slots } = layout.sizes;
    const nowUs = Math.floor(now * 1_000) | 0;
    let oldest = -1;
    for (let producer = 0; producer < producers; producer += 1) {
      const cursors = layout.producerCursors + producer * cursorWords;
      const head = words[cursors + ProducerCursor.sourceHead] ?? 0;
      if (distance(words[cursors + ProducerCursor.sourceTail] ?? 0, head) <= 0) continue;
      const entry = layout.sources + producer * layout.sourceStep + (head & (slots - 1)) * 4;
      const slot = slotOf(words[entry] ?? 0);
      // A damaged descriptor is the router's to find.
      if (slot >= slots) continue;
      const at = layout.pools + producer * layout.poolStep + slot * layout.slotWords + Slot.publishedAt;
      oldest = Math.max(oldest, distance(nowUs, words[at] ?? 0));
    }
    return oldest < 0 ? -1 : oldest / 1_000_000;
  }
}
