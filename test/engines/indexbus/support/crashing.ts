import type { RouterCommand } from '../../../../src/engines/indexbus/commands.ts';
import { FencedError } from '../../../../src/engines/indexbus/errors.ts';
import type { Router } from '../../../../src/engines/indexbus/router.ts';
import { SeatState } from '../../../../src/engines/indexbus/seat.ts';
import { Killed } from '../../../../src/sim/interleaver/scene.ts';
import { type Gone, settle } from './settle.ts';
import type { Hooks, Stage, StagedConsumer, StagedProducer } from './stage.ts';

/** What participants do, one operation after the other, on one thread. */
export type Operation =
  | { readonly who: 'producer'; readonly seat: number; readonly key?: number }
  | { readonly who: 'router' }
  | { readonly who: 'consumer'; readonly seat: number }
  /** The consumer looks again at what it has open. */
  | { readonly who: 'look'; readonly seat: number }
  /** The router is told who is dead by now. */
  | { readonly who: 'report' }
  /** An operator takes the lane from its consumer. */
  | { readonly who: 'fence'; readonly seat: number }
  /** An operator, or the configuration of a router, changes a subscription or a topic. */
  | { readonly who: 'change'; readonly command: RouterCommand }
  /** Somebody takes the lane's seat, if it is free. */
  | { readonly who: 'join'; readonly seat: number };

/** Who can be killed. */
type Victim = 'producer' | 'router' | 'consumer';

/** Who is killed, at which of its steps, from 0. Routers are counted through: the successor of the killed one goes on. */
export interface Crash {
  readonly who: Victim;
  readonly seat: number;
  readonly atStep: number;
}

export interface CrashedRun {
  /** Whether the crash was reached; else the participant has fewer steps. */
  readonly crashed: boolean;
  readonly violations: readonly string[];
}

/**
 * Runs the operations; where the crash says so, a step throws: that participant is never heard of again, the others go on, a router that was killed is
 * followed by another. Then the bus is emptied and everything checked.
 */
export function runWithCrash(
  stage: Stage,
  memory: SharedArrayBuffer,
  operations: readonly Operation[],
  crashes: readonly Crash[],
): CrashedRun {
  stage.reset(memory);
  const run = new Run(stage, memory, crashes);
  const errors: string[] = [];
  for (const operation of operations) {
    try {
      run.perform(operation);
    } catch (error) {
      if (!(error instanceof Killed))
        errors.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
  }
  const violations = settle(stage, memory, run.end());
  return { crashed: run.crashed === crashes.length, violations: [...errors, ...violations] };
}

class Run {
  readonly #stage: Stage;
  readonly #memory: SharedArrayBuffer;
  readonly #crashes: readonly Crash[];
  readonly #steps = new Map<string, number>();
  readonly #producers = new Map<number, StagedProducer>();
  readonly #consumers = new Map<number, StagedConsumer>();
  readonly #deadProducers: number[] = [];
  readonly #deadLanes: number[] = [];
  /** Dead, and the router was told. */
  readonly #reportedProducers: number[] = [];
  readonly #reportedLanes: number[] = [];
  #router: ReturnType<Stage['router']> | undefined;
  #routers = 0;
  crashed = 0;

  constructor(stage: Stage, memory: SharedArrayBuffer, crashes: readonly Crash[]) {
    this.#stage = stage;
    this.#memory = memory;
    this.#crashes = crashes;
  }

  #hooks(who: Victim, seat: number): Hooks {
    const name = `${who} ${seat}`;
    return {
      step: () => {
        const mine = this.#steps.get(name) ?? 0;
        this.#steps.set(name, mine + 1);
        if (!this.#crashes.some((crash) => crash.who === who && crash.seat === seat && crash.atStep === mine)) return;
        this.crashed += 1;
        throw new Killed(`${name} at step ${mine}`);
      },
    };
  }

  perform(operation: Operation): void {
    if (operation.who === 'router') this.#poll();
    else if (operation.who === 'producer') this.#publish(operation.seat, operation.key ?? 0);
    else if (operation.who === 'consumer') this.#receive(operation.seat);
    else if (operation.who === 'look') this.#consumers.get(operation.seat)?.lookAgain();
    else if (operation.who === 'join') this.#join(operation.seat);
    else if (operation.who === 'change') this.#command(operation.command);
    else if (operation.who === 'fence') {
      const { sizes } = this.#stage.layout;
      const live = this.#stage.reader(this.#memory).laneState(operation.seat) === SeatState.live;
      if (live && operation.seat < sizes.lanes) {
        this.#command({ do: 'detach-lane', lane: operation.seat, reason: 'operator' });
      }
    } else this.#report();
  }

  #command(command: RouterCommand): void {
    this.#route((router) => router.apply(command));
  }

  #poll(): void {
    this.#route((router) => {
      router.poll();
    });
  }

  #report(): void {
    const { producers } = this.#stage.layout.sizes;
    const reader = this.#stage.reader(this.#memory);
    for (const seat of this.#deadProducers) {
      this.#stage.noteDead(this.#memory, 'producer', seat);
      this.#command({ do: 'peer-dead', seat, epoch: reader.producer(seat) >>> 6 });
    }
    for (const lane of this.#deadLanes) {
      this.#stage.noteDead(this.#memory, 'consumer', lane);
      this.#command({ do: 'peer-dead', seat: producers + lane, epoch: reader.lane(lane) >>> 6 });
    }
    this.#reportedProducers.push(...this.#deadProducers.splice(0));
    this.#reportedLanes.push(...this.#deadLanes.splice(0));
  }

  #join(seat: number): void {
    if (!this.#stage.join(this.#memory, seat)) return;
    this.#consumers.delete(seat);
    const at = this.#reportedLanes.indexOf(seat);
    if (at >= 0) this.#reportedLanes.splice(at, 1);
  }

  #route(use: (router: Router) => void): void {
    try {
      if (this.#router === undefined) {
        this.#routers += 1;
        if (this.#routers > 1) this.#stage.noteRouterOver(this.#memory, this.#routers - 2);
        this.#router = this.#stage.router(this.#memory, this.#hooks('router', 0), this.#routers - 1);
      }
      use(this.#router.router);
      this.#router.end();
    } catch (error) {
      this.#router = undefined;
      throw error;
    }
  }

  #publish(seat: number, key: number): void {
    if (this.#deadProducers.includes(seat) || this.#reportedProducers.includes(seat)) return;
    try {
      let producer = this.#producers.get(seat);
      if (producer === undefined) {
        producer = this.#stage.producer(this.#memory, this.#hooks('producer', seat), seat);
        this.#producers.set(seat, producer);
      }
      producer.publish(0, key);
    } catch (error) {
      this.#deadProducers.push(seat);
      throw error;
    }
  }

  #receive(seat: number): void {
    if (this.#deadLanes.includes(seat) || this.#reportedLanes.includes(seat)) return;
    const state = this.#stage.reader(this.#memory).laneState(seat);
    if (!this.#consumers.has(seat) && state !== SeatState.live) return;
    try {
      let consumer = this.#consumers.get(seat);
      if (consumer === undefined) {
        consumer = this.#stage.consumer(this.#memory, this.#hooks('consumer', seat), seat);
        this.#consumers.set(seat, consumer);
      }
      consumer.receive();
    } catch (error) {
      if (error instanceof FencedError) this.#consumers.delete(seat);
      else this.#deadLanes.push(seat);
      if (!(error instanceof FencedError)) throw error;
    }
  }

  end(): Gone {
    const dead = [...this.#deadProducers, ...this.#reportedProducers];
    for (const [seat, producer] of this.#producers) if (!dead.includes(seat)) producer.end();
    return {
      producers: this.#deadProducers,
      producersReported: this.#reportedProducers,
      lanes: this.#deadLanes,
      routers: this.#routers,
      routersOver: this.#routers - 1,
    };
  }
}
