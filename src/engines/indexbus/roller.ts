import type { Millis } from '../../host/clock.ts';
import type { Host } from '../../host/host.ts';
import { checkNothingWaits } from './abandoned.ts';
import { placeOf } from './bringUp.ts';
import { checkLanesFit, SettingsCarrier } from './carrySettings.ts';
import type { IndexbusConfig, RollBody } from './config.ts';
import { sayDeclared } from './declare.ts';
import type { Emptying } from './emptying.ts';
import { BusError } from './errors.ts';
import { giveUpSuccessor, reopen } from './formerGeneration.ts';
import { Header, type SegmentSizes, SegmentState } from './layout.ts';
import type { SeatFinding } from './liveness.ts';
import { type Routed, seeThrough } from './rolling.ts';
import type { RouterStarter, Started, Waiting } from './routerStarter.ts';
import { removeFormer, type Segment } from './segment.ts';
import type { Serving } from './serving.ts';
import { buildSuccessor, successorSizes } from './successor.ts';
import { checkRoomForAll } from './successorRoom.ts';
import { UnderWay } from './underWay.ts';
import { checkNothingHeld } from './unwanted.ts';
import type { WaitedFor } from './waitedFor.ts';

/** What a roller works with. */
export interface RollerParts {
  readonly host: Host;
  readonly config: IndexbusConfig;
  readonly starter: RouterStarter;
  /** Has its rolls in it: they change names and route, so the lock is kept until they are over. */
  readonly underWay: UnderWay;
  /** Ends a roll where it stands. The router after this one finds both generations and goes on. */
  readonly signal: AbortSignal;
  /** The next generation as it is looked at until it is served: it has seats and messages already. */
  readonly beside: (next: Waiting) => Serving;
  /** From now on the next generation is served, of whose seats this was found last. */
  readonly adopt: (next: Waiting, findings: ReadonlyMap<number, SeatFinding>) => Serving;
  /** A roll cannot go on. */
  readonly onFailure: (error: unknown) => void;
}

/** A roll that is under way. */
export interface RollView {
  readonly segment: string;
  /** The generation that is built. */
  readonly generation: number;
  /** What is waited for: the producers to move and their sources to be empty, or the consumers to have read what is theirs and to move. */
  readonly waits_for: 'producers' | 'consumers';
  /** Since when it is under way, and since when it waits for these. */
  readonly lasts_ms: Millis;
  readonly waits_ms: Millis;
  readonly patience_ms: Millis | 'none';
  /** Messages that lanes have lost since the roll does not wait for their consumers any more. */
  readonly gave_up: number;
  readonly waits: readonly WaitedFor[];
}

/** The roll that is under way, as the roller sees it. */
interface Rolling {
  readonly old: Serving;
  readonly next: Waiting;
  readonly building: Serving;
  readonly carrier: SettingsCarrier;
  /** Whether the next generation is not served yet. */
  isBuilding: boolean;
  readonly began: Millis;
  readonly patienceMs: Millis | undefined;
  readonly lostBefore: number;
  emptying: Emptying | undefined;
}

/** Rolls of the segment that a process routes, one at a time. */
export class Roller {
  readonly #parts: RollerParts;
  #rolling = false;
  #underWay: Rolling | undefined;
  /** Settles, and never rejects, when the next generation is built, or is not. */
  #building: Promise<void> = Promise.resolve();
  /** Changes of subscriptions that a roll waits for. */
  readonly #changes = new UnderWay();

  constructor(parts: RollerParts) {
    this.#parts = parts;
  }

  /**
   * Builds the next generation of the segment with new sizes, and goes on from there by itself. There is no way back from then on: what producers that
   * have moved publish is in the next generation.
   *
   * Rejects with IB_UNSAFE_CHANGE, IB_BAD_CONFIG, IB_NEEDS_ROLL, or as `buildSuccessor`: nothing has changed then.
   */
  async roll(old: Serving, body: RollBody): Promise<{ readonly segment: string; readonly generation: number }> {
    const { config, underWay } = this.#parts;
    const { segment: former } = old;
    if (this.#rolling) throw beingRolled(former.name, 'wait until it is over');
    const sizes = successorSizes(former, body, config.router_batch_size);
    checkNothingWaits(former);
    if (config.no_subscriber === 'hold') checkNothingHeld(former);
    checkLanesFit(former, sizes);
    checkRoomForAll(former, sizes, config.router_batch_size);
    this.#rolling = true;
    const begun = underWay.begin(() => this.#begin(old, sizes, body.patience_ms));
    this.#building = begun.then(
      () => undefined,
      () => undefined,
    );
    return begun;
  }

  /**
   * Takes over a roll that a router before this one did not end: from now on it is under way, so there is no other one, and who comes comes to `next`.
   * Nothing moves before the caller calls what is returned.
   */
  takeOver(old: Serving, next: Waiting): () => void {
    const rolling = this.#take(old, next, undefined);
    return () => this.#finish(rolling);
  }

  /**
   * The generation that those come to who come now, of a segment that is served: what is new, a topic or a subscription, is for it alone. Waits while it is being
   * built, since what is new would come too late for it then.
   */
  async taker(serving: () => Serving): Promise<Routed> {
    await this.#building;
    return this.#underWay?.next ?? serving();
  }

  /**
   * Changes the subscriptions of the taker, one after the other. A roll that is asked for meanwhile begins when the last one is through: its generation is given
   * a copy of what there is, and those after that would be in the former one alone.
   */
  async change<T>(serving: () => Serving, run: (taker: Routed) => Promise<T>): Promise<T> {
    let awaited: Promise<void> | undefined;
    // A roll that could not be built may be followed by another at once. No await after the last look: a roll could begin in it.
    while (awaited !== this.#building) {
      awaited = this.#building;
      await awaited;
    }
    return this.#changes.begin(async () => run(this.#underWay?.next ?? serving()));
  }

  /** Whether a roll is under way, from the first moment on. */
  get isRolling(): boolean {
    return this.#rolling;
  }

  /** The generation that a roll builds, until it is served; undefined: none. */
  get building(): Serving | undefined {
    return this.#underWay?.isBuilding === true ? this.#underWay.building : undefined;
  }

  /** Resolves when all who have moved are set as they were before. */
  async settingsCarried(): Promise<void> {
    await this.#underWay?.carrier.look();
  }

  /** The roll that is under way; undefined: none. */
  view(): RollView | undefined {
    const rolling = this.#underWay;
    const { emptying } = rolling ?? {};
    if (rolling === undefined || emptying === undefined) return undefined;
    const now = this.#parts.host.clock.now();
    const { segment } = rolling.next;
    return {
      segment: segment.name,
      generation: segment.generation,
      waits_for: emptying.kind === 'producer' ? 'producers' : 'consumers',
      lasts_ms: now - rolling.began,
      waits_ms: now - emptying.began,
      patience_ms: rolling.patienceMs ?? 'none',
      gave_up: lostByRolls(rolling.old) - rolling.lostBefore,
      waits: emptying.waitsFor(),
    };
  }

  async #begin(
    old: Serving,
    sizes: SegmentSizes,
    patienceMs: Millis | undefined,
  ): Promise<{ readonly segment: string; readonly generation: number }> {
    const { host, config, signal } = this.#parts;
    const wasOpen = Atomics.load(old.segment.words, Header.state) === SegmentState.open;
    try {
      await this.#changes.settled();
      // What is asked for from now on is for the next generation, which has what there is.
      await old.runner.apply({ do: 'roll', sizes });
      const segment = await buildSuccessor(placeOf(host, config), old.segment, sizes);
      if (signal.aborted) segment.region.close();
      else this.#finish(this.#take(old, { segment, ...(await this.#start(segment)) }, patienceMs));
      return { segment: segment.name, generation: segment.generation };
    } catch (error) {
      this.#rolling = false;
      if (wasOpen) reopen(old.segment);
      throw error;
    }
  }

  /** Starts a router in the next generation. Where none can be had, the former one has the name again. */
  async #start(segment: Segment): Promise<Started> {
    const { host, config, starter } = this.#parts;
    try {
      return await starter.startRouter(segment);
    } catch (error) {
      await giveUpSuccessor(placeOf(host, config), segment);
      segment.region.close();
      throw error;
    }
  }

  /** From now on this is the roll that is under way. */
  #take(old: Serving, next: Waiting, patienceMs: Millis | undefined): Rolling {
    const { host, beside } = this.#parts;
    const began = host.clock.now();
    const rolling: Rolling = {
      old,
      next,
      building: beside(next),
      carrier: new SettingsCarrier(host, old.segment, next),
      isBuilding: true,
      began,
      patienceMs,
      lostBefore: lostByRolls(old),
      emptying: undefined,
    };
    this.#rolling = true;
    this.#underWay = rolling;
    // Everybody comes to it, however long it is not served yet.
    next.runner.ended.catch(this.#parts.onFailure);
    return rolling;
  }

  #finish(rolling: Rolling): void {
    const { underWay, onFailure } = this.#parts;
    const over = (): void => {
      this.#rolling = false;
      this.#underWay = undefined;
    };
    underWay.begin(() => this.#seeThrough(rolling).finally(over)).catch(onFailure);
  }

  async #seeThrough(rolling: Rolling): Promise<void> {
    const { host, config, starter, signal, adopt } = this.#parts;
    const { old, next, patienceMs } = rolling;
    if (signal.aborted) return;
    await seeThrough(host, old, next, signal, {
      carrier: rolling.carrier,
      patienceMs,
      holdsUnwanted: config.no_subscriber === 'hold',
      losing: (lane) => old.counters.rollGivesUp(lane),
      began: (emptying) => {
        rolling.emptying = emptying;
      },
      emptied: () => countToTheEnd(old),
    });
    if (signal.aborted) return;
    const lost = lostByRolls(old) - rolling.lostBefore;
    rolling.isBuilding = false;
    adopt(next, rolling.building.findings);
    host.telemetry.logger.info('rolled', { segment: next.segment.name, generation: next.segment.generation, lost });
    await starter.stop(old.runner);
    await removeFormer(placeOf(host, config));
    if (!signal.aborted) sayDeclared(next.segment);
  }
}

/** The refusal of what has to wait for the end of a roll. */
export function beingRolled(name: string, advice: string): BusError {
  const details = { expected: 'no roll', got: 'a roll under way' };
  return new BusError('IB_UNSAFE_CHANGE', `${name} is being rolled: ${advice}`, details);
}

/** Reads the counters of a generation of which nothing is left, as they will stay. */
async function countToTheEnd({ runner, counters }: Serving): Promise<void> {
  await runner.apply({ do: 'sample' });
  counters.tick();
}

/** Messages that lanes have lost to rolls so far. */
function lostByRolls({ counters }: Serving): number {
  let lost = 0;
  for (let lane = 0; lane < counters.lanes; lane += 1) lost += counters.lane(lane).droppedByRoll;
  return lost;
}
