import { type Bus, type BusOptions, openBus } from '../../../../src/engines/indexbus/bus.ts';
import { BusNode } from '../../../../src/engines/indexbus/busNode.ts';
import type { Subscription } from '../../../../src/engines/indexbus/commands.ts';
import type { IndexbusConfig } from '../../../../src/engines/indexbus/config.ts';
import { BusError, type BusErrorCode } from '../../../../src/engines/indexbus/errors.ts';
import type { SegmentSizes } from '../../../../src/engines/indexbus/layout.ts';
import { defaultRouterOptions, type RouterOptions } from '../../../../src/engines/indexbus/routerParts.ts';
import type { RouterNews, RouterRunner } from '../../../../src/engines/indexbus/routerRunner.ts';
import { serveRouterHere } from '../../../../src/engines/indexbus/routerServe.ts';
import { createSegment, type Segment } from '../../../../src/engines/indexbus/segment.ts';
import type { Host } from '../../../../src/host/host.ts';
import type { Region, SharedMemory } from '../../../../src/host/sharedMemory.ts';
import { createRealClock } from '../../../../src/real/clock.ts';
import { createRealRandom } from '../../../../src/real/random.ts';
import { createSabSegments, createSabSharedMemory, type SabSegments } from '../../../../src/real/sharedMemory.ts';

export const peerSizes: SegmentSizes = { producers: 4, lanes: 4, slots: 128, laneRing: 64, slotBytes: 64, topics: 8 };

/** What a test makes of a participant. */
export interface PeerOptions {
  readonly mutants?: readonly string[];
  readonly faults?: readonly string[];
  /** Told of each step of this participant; may throw, to end it there. */
  readonly step?: (point: number) => void;
  /** Gets the regions that it opens. */
  readonly regions?: Region[];
}

/** The participant ended where its test wanted it to. */
export class Killed extends Error {
  override readonly name = 'Killed';
}

/** A participant that can die: at a step, or when it is told to. */
export interface Mortal {
  readonly host: Host;
  /** The next visits of a step that it survives; at the one after them it dies. */
  dieAt(point: number, visits?: number): void;
  readonly isDead: boolean;
  /** What the kernel does when a process ends: its locks are free, its pid is nobody's. */
  bury(): void;
}

/** A machine in one process: memory, a router as a task, and participants that come and go. */
export class Peers {
  readonly memory: SabSegments = createSabSegments();
  readonly logged: { readonly message: string; readonly fields: unknown }[] = [];
  readonly #runners: RouterRunner[] = [];
  readonly #nodes: BusNode[] = [];
  readonly #buses: Bus[] = [];
  #pid = 100;

  /** A participant of its own: another process to the others. */
  host(options: PeerOptions = {}): Host {
    this.#pid += 1;
    const identity = { pid: this.#pid, startTicks: this.#pid * 7, pidSpace: 1 };
    const shm = createSabSharedMemory(this.memory, identity);
    const note = (message: string, fields?: unknown): void => {
      this.logged.push({ message, fields });
    };
    const logger = { debug: note, info: note, warn: note, error: note, child: () => logger };
    const telemetry = {
      sometimes: () => {},
      buggify: (name: string) => options.faults?.includes(name) ?? false,
      mutant: (name: string) => options.mutants?.includes(name) ?? false,
      logger,
    };
    const host = {
      name: `peer-${this.#pid}`,
      incarnation: 1,
      pid: this.#pid,
      clock: createRealClock(),
      random: createRealRandom(),
      shm: options.step === undefined ? shm : stepped(shm, options.step, options.regions),
      telemetry,
    };
    // The bus uses neither disk nor network, and of telemetry what stands here.
    return host as unknown as Host;
  }

  /** A participant that a test ends. */
  mortal(): Mortal {
    let deadlyPoint = -1;
    let visitsLeft = 0;
    let dead = false;
    const regions: Region[] = [];
    const step = (point: number): void => {
      if (!dead && point === deadlyPoint) {
        if (visitsLeft === 0) dead = true;
        visitsLeft -= 1;
      }
      // Who is dead takes no further step, wherever its code was.
      if (dead) throw new Killed(`at step ${point}`);
    };
    const host = this.host({ step, regions });
    return {
      host,
      dieAt(point, visits = 0) {
        deadlyPoint = point;
        visitsLeft = visits;
      },
      get isDead() {
        return dead;
      },
      bury: () => {
        dead = true;
        for (const region of regions) region.close();
        this.memory.participants.delete(host.pid);
      },
    };
  }

  /** A router as a daemon has it, started: it makes the segment or takes it over. */
  async node(config: IndexbusConfig, host: Host = this.host()): Promise<BusNode> {
    const node = new BusNode(host, config, {});
    this.#nodes.push(node);
    await node.start();
    return node;
  }

  /** Makes a segment and runs a router in it. */
  async router(
    name = 'bus',
    options: {
      readonly sizes?: Partial<SegmentSizes>;
      readonly router?: Partial<RouterOptions>;
      readonly subscriptions?: readonly Subscription[];
      readonly generation?: number;
      readonly onNews?: (news: RouterNews) => void;
    } = {},
  ): Promise<{ readonly segment: Segment; readonly runner: RouterRunner }> {
    const host = this.host();
    const sizes = { ...peerSizes, ...options.sizes };
    const segment = await createSegment({ shm: host.shm, name }, sizes, options.generation ?? 1);
    const runner = this.serve(segment, host, options.router, options.onNews);
    for (const subscription of options.subscriptions ?? []) {
      await runner.apply({ do: 'put-subscription', subscription });
    }
    return { segment, runner };
  }

  /** Runs a router in a segment that is there. */
  serve(
    segment: Segment,
    host: Host,
    options: Partial<RouterOptions> = {},
    onNews: (news: RouterNews) => void = () => {},
  ): RouterRunner {
    const setup = {
      options: { ...defaultRouterOptions, batchSize: 16, ...options },
      loop: { pollIntervalUs: 1000, spinUs: 0 },
    };
    const runner = serveRouterHere(segment, host, setup, onNews);
    this.#runners.push(runner);
    return runner;
  }

  async bus(options: Partial<BusOptions> & PeerOptions = {}): Promise<Bus> {
    const { mutants: _, faults: __, step: ___, regions: ____, ...rest } = options;
    const bus = await openBus({
      host: this.host(options),
      ...(rest.segments === undefined ? { segment: 'bus' } : {}),
      attachTimeoutMs: 1000,
      ...rest,
    });
    this.#buses.push(bus);
    return bus;
  }

  /** Participants leave, then routers end: who leaves is heard. */
  async end(): Promise<void> {
    await Promise.allSettled(this.#buses.map((bus) => bus.close()));
    await Promise.allSettled(this.#runners.map((runner) => runner.stop()));
    await Promise.all(this.#nodes.map((node) => node.close()));
  }
}

function stepped(shm: SharedMemory, step: (point: number) => void, regions: Region[] = []): SharedMemory {
  return {
    ...shm,
    async open(...args) {
      const region: Region = await shm.open(...args);
      const own = { ...region, step };
      regions.push(own);
      return own;
    },
  };
}

/** A subscription small enough for `peerSizes`. */
export function subscription(name: string, change: Partial<Subscription> = {}): Subscription {
  return {
    name,
    topics: ['>'],
    mode: 'broadcast',
    lane: 'nonblocking',
    drop: 'newest',
    capacity: 32,
    creditLimit: undefined,
    balance: 'round_robin',
    detachAfterMs: undefined,
    delivery: 'at_most_once',
    access: 'copy',
    viewMax: 8,
    ...change,
  };
}

/** Code of what a call throws or rejects with. */
export async function codeOf(run: () => unknown): Promise<BusErrorCode | 'none'> {
  try {
    await run();
  } catch (error) {
    if (error instanceof BusError) return error.code;
    throw error;
  }
  return 'none';
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function bytesOf(text: string): Uint8Array {
  return encoder.encode(text);
}

export function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes.slice());
}
