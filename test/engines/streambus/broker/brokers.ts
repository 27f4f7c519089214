import { type StreamBusConfig, streamBusConfigSchema } from '../../../../src/engines/streambus/config.ts';
import { type RunningStreamBus, startStreamBus } from '../../../../src/engines/streambus/engine.ts';
import type { GroupId } from '../../../../src/engines/streambus/ids.ts';
import { streamBusPoints } from '../../../../src/engines/streambus/points.ts';
import type { Host } from '../../../../src/host/host.ts';
import type { Machine } from '../../../../src/sim/machine.ts';
import { World, type WorldOptions } from '../../../../src/sim/world.ts';

/** Whole brokers in a world of their own, as `hotfire serve streambus` starts them. */
export class Brokers {
  readonly world: World;
  readonly running = new Map<number, RunningStreamBus>();
  readonly ready = new Set<number>();
  readonly failed = new Map<number, Error>();
  readonly #ids: readonly number[];
  readonly #more: object;

  constructor(options: Partial<WorldOptions> & { brokers?: number; config?: object } = {}) {
    const { brokers = 3, config = {}, ...world } = options;
    this.world = new World({ seed: 1, points: streamBusPoints, ...world });
    this.#more = config;
    this.#ids = Array.from({ length: brokers }, (_, at) => at + 1);
    for (const id of this.#ids) this.world.addMachine(nameOf(id));
    this.world.addMachine('client');
  }

  config(id: number): StreamBusConfig {
    return streamBusConfigSchema.parse({
      ...this.#more,
      server: { broker_id: id },
      cluster: { peers: this.#ids.map((peer) => `${peer}:${nameOf(peer)}:9093`) },
      storage: { data_dir: '/data', journal: { segment_size: '4MB' }, segment_size: '1MB', flush_interval: '1s' },
      consumer_groups: { initial_delay: '0ms' },
    });
  }

  machine(id: number): Machine {
    const machine = this.world.machines.get(nameOf(id));
    if (machine === undefined) throw new Error(`no machine of broker ${id}`);
    return machine;
  }

  start(...ids: number[]): void {
    for (const id of ids.length === 0 ? this.#ids : ids) {
      this.running.delete(id);
      this.ready.delete(id);
      this.failed.delete(id);
      this.machine(id).start('streambus', (host) => this.#run(host, id));
    }
  }

  async #run(host: Host, id: number): Promise<void> {
    const running = await startStreamBus(host, this.config(id));
    this.running.set(id, running);
    running.stopped.catch((error: Error) => {
      this.failed.set(id, error);
      this.machine(id).kill('the broker cannot go on');
    });
    await running.bus.ready.then(
      () => this.ready.add(id),
      () => undefined,
    );
  }

  stop(id: number, how: 'kill' | 'power' | 'wipe'): void {
    if (how === 'kill') this.machine(id).kill();
    else if (how === 'power') this.machine(id).powerLoss('tear');
    else this.machine(id).wipe();
    this.running.delete(id);
    this.ready.delete(id);
  }

  /** What an operator's `rm -rf` does on a machine whose broker does not run. */
  async remove(id: number, path: string): Promise<void> {
    let isDone = false;
    this.machine(id).start('rm', async ({ disk }) => {
      const remove = async (directory: string): Promise<void> => {
        for (const { name, kind } of await disk.list(directory)) {
          if (kind === 'directory') await remove(`${directory}/${name}`);
          else await disk.remove(`${directory}/${name}`);
        }
        await disk.remove(directory);
        await disk.syncDirectory(directory.slice(0, directory.lastIndexOf('/')));
      };
      await remove(path);
      isDone = true;
    });
    await this.until(`rm -rf ${path}`, () => isDone);
    this.machine(id).kill();
  }

  bus(id: number): RunningStreamBus['bus'] {
    const running = this.running.get(id);
    if (running === undefined) throw new Error(`broker ${id} does not run`);
    return running.bus;
  }

  leaderOf(group: GroupId): number | undefined {
    for (const [id, { bus }] of this.running) if (bus.services.group(group)?.serving === true) return id;
    return undefined;
  }

  /** Runs `main` as a client until it settles. */
  async client<T>(main: (host: Host) => Promise<T>, withinMs = 60_000): Promise<T> {
    let outcome: { readonly value: T } | { readonly error: unknown } | undefined;
    const machine = this.world.machines.get('client');
    if (machine?.process !== undefined) machine.kill();
    machine?.start('client', async (host) => {
      try {
        outcome = { value: await main(host) };
      } catch (error) {
        outcome = { error };
      }
    });
    await this.until('the client', () => outcome !== undefined, withinMs);
    if (outcome === undefined) throw new Error('unreachable');
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  async until(what: string, holds: () => boolean, withinMs = 60_000): Promise<void> {
    await this.world.run({ toMs: this.world.now + withinMs, until: holds });
    if (holds()) return;
    const lines = this.world.logs.lines
      .slice(-15)
      .map(
        ({ atMs, machine, message, fields }) => `${atMs.toFixed(0)} ${machine} ${message} ${JSON.stringify(fields)}`,
      );
    throw new Error(`${what}: not within ${withinMs} ms; last lines:\n${lines.join('\n')}`);
  }

  run(ms: number): Promise<void> {
    return this.world.run({ toMs: this.world.now + ms });
  }
}

function nameOf(id: number): string {
  return `broker-${id}`;
}
