import type { Millis } from '../../host/clock.ts';
import type { Host } from '../../host/host.ts';
import { abandonedLanes } from './abandoned.ts';
import { distance } from './cursor.ts';
import { endCounts, isEnded, isGroupThrough } from './groupEnds.ts';
import { LaneMoves } from './laneMoves.ts';
import { unreadIn } from './laneUnread.ts';
import { Access, LaneCursor, LaneMode, Seat } from './layout.ts';
import { limitedSources } from './limitedSources.ts';
import type { Routed } from './rolling.ts';
import { stateOf } from './seat.ts';
import { type SeatKindName, type SeatPlace, seatPlaces } from './seatPlaces.ts';
import type { Segment } from './segment.ts';
import { readSubscription } from './subscriptions.ts';
import { unwantedSources } from './unwanted.ts';
import { type WaitedFor, waitedFor } from './waitedFor.ts';

/** How often it is looked whether participants have moved. */
const lookMs: Millis = 20;
/**
 * Participants that have not moved by then are fenced, and what ended lanes have then is lost: one that is stopped must not hold up the others. The
 * consumer of a lane that blocks, which loses nothing to be faster, has this from each time on that it took or ended something.
 */
const stoppedMs: Millis = 5_000;
/** How often it is said who is waited for. */
const sayMs: Millis = 10_000;

export interface EmptyingOptions {
  /**
   * How long a consumer that works is waited for, however much it has left: then it is fenced, and its group has what it has not read, or nobody.
   * Default: as long as it works. One that was given what a mate left has as long once more.
   */
  readonly patienceMs?: Millis | undefined;
  /** Whether sources hold what nobody wants. Default false. */
  readonly holdsUnwanted?: boolean;
  /** Runs with each look. */
  readonly looked?: () => Promise<void>;
  /** Told of a lane that may lose something from now on, since the roll does not wait for it any more. */
  readonly losing?: (lane: number) => void;
}

/** Empties a segment of its participants of one kind: waits, says for whom, and does not wait for those for ever who have stopped. */
export class Emptying {
  readonly kind: SeatKindName;
  readonly began: Millis;
  readonly #host: Host;
  readonly #routed: Routed;
  readonly #options: EmptyingOptions;
  readonly #moves: LaneMoves;
  readonly #fenced = new Set<number>();
  readonly #givenUp = new Set<number>();
  /** Since when sources of producers that are gone have gone on at a rate, by producer, and of which it was lifted. */
  readonly #limitedSince = new Map<number, Millis>();
  readonly #lifted = new Set<number>();
  #dropsUnwanted = false;

  constructor(host: Host, routed: Routed, kind: SeatKindName, options: EmptyingOptions) {
    this.#host = host;
    this.#routed = routed;
    this.#options = options;
    this.kind = kind;
    this.began = host.clock.now();
    const { segment } = routed;
    const isWaitedFor =
      kind === 'producer' ? (at: SeatPlace) => holdsUp(segment, at) : (at: SeatPlace) => !isReady(segment, at);
    this.#moves = new LaneMoves(segment, this.began, isWaitedFor);
  }

  /** Looks until it is so, or until `signal`. */
  async until(isSo: () => boolean, signal: AbortSignal): Promise<void> {
    const { clock } = this.#host;
    let saidAt = this.began;
    while (!signal.aborted && !isSo()) {
      await clock.sleep(lookMs, signal).catch(() => undefined);
      const now = clock.now();
      this.#moves.look(now);
      await this.#options.looked?.();
      if (this.kind === 'producer') {
        await this.#fenceProducers(now);
        await this.#dropUnwanted(now);
        await this.#liftRates(now);
      } else await this.#giveUp(now);
      await this.#fenceConsumers(now);
      if (now < saidAt + sayMs) continue;
      saidAt = now;
      this.#say();
    }
  }

  /** Who is waited for now. */
  waitsFor(): readonly WaitedFor[] {
    return waitedFor(this.#routed.segment, this.kind, this.#moves, this.#host.clock.now());
  }

  /** How long what nobody is there for is kept, and the rate of one who is gone. Who lives and has only to move is not hurried by a short patience: he has `stoppedMs` to see that he has to. */
  get #patience(): Millis {
    return Math.min(stoppedMs, this.#options.patienceMs ?? stoppedMs);
  }

  #say(): void {
    for (const { waited_ms, ...it } of this.waitsFor()) {
      const { name: segment } = this.#routed.segment;
      this.#host.telemetry.logger.warn('roll waits', { segment, ...it, waited_ms: Math.round(waited_ms) });
    }
  }

  async #fenceProducers(now: Millis): Promise<void> {
    if (now < this.began + stoppedMs) return;
    const { words, layout } = this.#routed.segment;
    for (const { number, at } of seatPlaces(layout, 'producer')) {
      if (this.#fenced.has(number) || stateOf(Atomics.load(words, at)) !== 'live') continue;
      this.#fenced.add(number);
      this.#warn('roll fences', { kind: 'producer', seat: number });
      // It may have left in between.
      await this.#routed.runner.apply({ do: 'fence-producer', seat: number }).catch(() => undefined);
    }
  }

  /** What sources hold since all who wanted it are gone is lost and counted as without a route: whoever comes now comes to the next generation. */
  async #dropUnwanted(now: Millis): Promise<void> {
    if (this.#options.holdsUnwanted !== true || this.#dropsUnwanted || now < this.began + this.#patience) return;
    const held = unwantedSources(this.#routed.segment);
    if (held.length === 0) return;
    this.#dropsUnwanted = true;
    this.#host.telemetry.sometimes('roll gave up what nobody wants', true);
    for (const { producer, topic, left } of held) this.#warn('roll drops what nobody wants', { producer, topic, left });
    await this.#routed.runner.apply({ do: 'drop-unwanted' });
  }

  /** A rate that an operator gave one producer would hold up all others as long as what it had flushed takes: the next generation routes nothing before that. */
  async #liftRates(now: Millis): Promise<void> {
    for (const { producer, rateLimit, left } of limitedSources(this.#routed.segment)) {
      const since = this.#limitedSince.get(producer) ?? now;
      this.#limitedSince.set(producer, since);
      if (this.#lifted.has(producer) || now < since + this.#patience) continue;
      this.#lifted.add(producer);
      this.#host.telemetry.sometimes('roll lifted a rate', true);
      this.#warn('roll lifts a rate', { producer, rate_limit: rateLimit, left });
      await this.#routed.runner.apply({ do: 'lift-rate', seat: producer });
    }
  }

  async #fenceConsumers(now: Millis): Promise<void> {
    const { words, layout } = this.#routed.segment;
    const { telemetry } = this.#host;
    const offset = layout.sizes.producers;
    for (const place of seatPlaces(layout, 'consumer')) {
      const { number, at } = place;
      if (this.#fenced.has(offset + number) || stateOf(Atomics.load(words, at)) !== 'live') continue;
      const isStopped = now >= this.#moves.last(number) + stoppedMs;
      if (!isStopped && !this.#isTooSlow(place, now)) continue;
      this.#fenced.add(offset + number);
      this.#options.losing?.(number);
      telemetry.sometimes('roll with a stopped consumer', isStopped);
      this.#warn('roll fences', { kind: 'consumer', seat: number });
      // It may have left in between.
      await this.#routed.runner.apply({ do: 'detach-lane', lane: number, reason: 'stalled' }).catch(() => undefined);
    }
  }

  /** Whether a consumer has something to do for longer than the roll's patience. */
  #isTooSlow(place: SeatPlace, now: Millis): boolean {
    const { patienceMs } = this.#options;
    if (patienceMs === undefined || now < this.#moves.since(place.number) + patienceMs) return false;
    return this.#moves.isWaitedFor(place) && !isThrough(this.#routed.segment, place);
  }

  /** What ended lanes still have, and nobody of their group is there for, is lost and counted, each once: whoever comes now comes to the next generation. */
  async #giveUp(now: Millis): Promise<void> {
    if (now < this.began + this.#patience) return;
    const { segment, runner } = this.#routed;
    for (const { lane, record, unread, unended } of abandonedLanes(segment)) {
      if (this.#givenUp.has(lane) || isServed(segment, record)) continue;
      this.#givenUp.add(lane);
      this.#options.losing?.(lane);
      const subscription = readSubscription(segment.region, segment.layout, record)?.subscription.name ?? '';
      this.#host.telemetry.sometimes('roll gave up what a lane had', true);
      this.#warn('roll gives up', { lane, subscription, unread, unended });
      await runner.apply({ do: 'give-up-lane', lane });
    }
  }

  #warn(message: string, fields: Readonly<Record<string, unknown>>): void {
    this.#host.telemetry.logger.warn(message, { segment: this.#routed.segment.name, ...fields });
  }
}

/** Whether a consumer of the subscription lives. */
function isServed({ words, layout }: Segment, record: number): boolean {
  return seatPlaces(layout, 'consumer').some(
    ({ at }) => stateOf(Atomics.load(words, at)) === 'live' && words[at + Seat.subscription] === record,
  );
}

/** Whether a lane's consumer has done what it has to before it goes. */
function isThrough(segment: Segment, place: SeatPlace): boolean {
  return unreadIn(segment.words, place) === 0 && (!endCounts(segment, place) || isEnded(segment.words, place));
}

/** Whether it has, and stays for what a mate may leave to it alone. */
function isReady(segment: Segment, place: SeatPlace): boolean {
  return isThrough(segment, place) && !isGroupThrough(segment, segment.words[place.at + Seat.subscription] ?? 0);
}

/** Whether sources may have to wait for the lane's consumer: the lane blocks, and is full. */
function holdsUp(segment: Segment, place: SeatPlace): boolean {
  const { words } = segment;
  if (((words[place.at + Seat.mode] ?? 0) & LaneMode.blocking) === 0) return false;
  const capacity = words[place.at + Seat.capacityOrRate] ?? 0;
  const limit = words[place.at + Seat.creditLimit] ?? 0;
  const tail = Atomics.load(words, place.cursors + LaneCursor.tail);
  const isView = words[place.at + Seat.access] === Access.view;
  const depth = isView ? distance(tail, Atomics.load(words, place.cursors + LaneCursor.done)) : unreadIn(words, place);
  return depth >= (limit > 0 ? Math.min(limit, capacity) : capacity);
}
