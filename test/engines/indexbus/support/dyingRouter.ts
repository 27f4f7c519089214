import { BusNode } from '../../../../src/engines/indexbus/busNode.ts';
import type { IndexbusConfig } from '../../../../src/engines/indexbus/config.ts';
import { Point } from '../../../../src/engines/indexbus/points.ts';
import type { Host } from '../../../../src/host/host.ts';
import type { Region, SharedMemory } from '../../../../src/host/sharedMemory.ts';
import { Killed, type Peers } from './peers.ts';

/** Places in a roll where something is about to change that the next router finds. */
const places: ReadonlySet<number> = new Set([
  Point.buildSegment,
  Point.keepFormer,
  Point.publishSegment,
  Point.retireSegment,
  Point.openSegment,
]);

/** A router's process that dies before one of the moments of its roll: a call that changes names of memory, or one of `places`. */
export class DyingRouter {
  readonly host: Host;
  /** What it came to, counted from when it was armed. */
  readonly moments: string[] = [];
  readonly #regions: Region[] = [];
  readonly #diesAt: number;
  #armed = false;
  #dead = false;
  #node: BusNode | undefined;
  readonly #died = Promise.withResolvers<void>();
  readonly #peers: Peers;
  readonly #config: IndexbusConfig;

  constructor(peers: Peers, config: IndexbusConfig, diesAt: number) {
    this.#peers = peers;
    this.#config = config;
    this.#diesAt = diesAt;
    const step = (point: number): void => {
      if (this.#armed && places.has(point)) this.#moment(`point ${point}`);
      this.#survive();
    };
    const host = peers.host({ step, regions: this.#regions });
    const { shm } = host;
    const calling =
      <A extends readonly unknown[], R>(name: string, call: (...args: A) => R) =>
      (...args: A): R => {
        if (this.#armed) this.#moment(`${name} ${String(args[0])}`);
        this.#survive();
        return call(...args);
      };
    const mortal: SharedMemory = {
      ...shm,
      open: calling('open', shm.open),
      rename: calling('rename', shm.rename),
      remove: calling('remove', shm.remove),
      stat: calling('stat', shm.stat),
    };
    this.host = { ...host, shm: mortal };
  }

  #moment(what: string): void {
    if (!this.#dead && this.moments.length === this.#diesAt) {
      this.#dead = true;
      this.#died.resolve();
    }
    this.moments.push(what);
  }

  #survive(): void {
    if (this.#dead) throw new Killed(this.moments.at(-1));
  }

  get isDead(): boolean {
    return this.#dead;
  }

  async start(): Promise<void> {
    this.#node = new BusNode(this.host, this.#config, {});
    await this.#node.start();
  }

  /** Starts until it serves or is dead. */
  async startOrDie(): Promise<void> {
    this.#armed = true;
    await this.start().catch((error: unknown) => {
      if (!(error instanceof Killed)) throw error;
    });
  }

  /** Rolls until it is done or dead. */
  async roll(isDone: () => Promise<boolean>): Promise<void> {
    this.#armed = true;
    await this.#node?.roll({ slots_per_producer: 128 }).catch((error: unknown) => {
      if (!(error instanceof Killed)) throw error;
    });
    while (!this.#dead && !(await isDone())) {
      await Promise.race([this.#died.promise, this.host.clock.sleep(5)]);
    }
  }

  /** What the kernel does when a process ends. Whatever of it still runs takes no step any more. */
  async bury(): Promise<void> {
    this.#armed = false;
    this.#dead = true;
    for (const region of this.#regions) region.close();
    this.#peers.memory.participants.delete(this.host.pid);
    await this.#node?.close().catch(() => undefined);
  }
}
