import type { Host } from '../../../../host/host.ts';
import { type LoadWorld, openCluster, pause } from './context.ts';
import { poll } from './fetching.ts';

/** Reads every partition from its beginning, by positions of its own, until the load stops. */
export async function runConsumer(world: LoadWorld, host: Host, index: number): Promise<void> {
  const client = openCluster(world, host, `consumer-${index}`);
  const keys = [...world.plainKeys, ...world.transactionalKeys];
  const positions = new Map(keys.map((key) => [key, 0]));
  const process = world.nextProcess();
  world.history.invoke({ process, f: 'assign', input: { keys } }).ok({ keys });
  while (!world.isStopped()) {
    await pause(world, host, world.load()['poll every']);
    if (world.isStopped() || index >= world.load().consumers) continue;
    const operation = world.history.invoke({ process, f: 'poll', input: [{ kind: 'poll', records: {} }] });
    const result = await poll(world, client, positions, { name: `consumer-${index}`, maxWaitMs: 250 });
    for (const [key, next] of result.positions) positions.set(key, next);
    operation.ok([{ kind: 'poll', records: result.records }]);
  }
  client.close();
}

/** Reads every partition from its beginning to its end: what is left of a run. */
export class LastReader {
  readonly #world: LoadWorld;
  readonly #client: ReturnType<typeof openCluster>;
  readonly #positions: Map<string, number>;
  readonly #process: number;

  constructor(world: LoadWorld, host: Host) {
    this.#world = world;
    this.#client = openCluster(world, host, 'last-reader');
    const keys = [...world.plainKeys, ...world.transactionalKeys];
    this.#positions = new Map(keys.map((key) => [key, 0]));
    this.#process = world.nextProcess();
    world.history.invoke({ process: this.#process, f: 'assign', input: { keys } }).ok({ keys });
  }

  /** Polls until nothing new comes; returns the keys that did not answer, or whose end is held up by an open transaction. */
  async read(): Promise<readonly string[]> {
    const open = new Set(this.#positions.keys());
    for (let round = 0; round < 200 && open.size > 0; round++) {
      const wanted = new Map([...this.#positions].filter(([key]) => open.has(key)));
      const operation = this.#world.history.invoke({
        process: this.#process,
        f: 'poll',
        input: [{ kind: 'poll', records: {} }],
      });
      const result = await poll(this.#world, this.#client, wanted, { name: 'last-reader', maxWaitMs: 10 });
      operation.ok([{ kind: 'poll', records: result.records }]);
      for (const [key, next] of result.positions) {
        this.#positions.set(key, next);
        const ends = this.#world.told.ends.findLast((seen) => seen.client === 'last-reader' && seen.key === key);
        if (next >= (result.stable.get(key) ?? 0) && result.stable.get(key) === ends?.highWatermark) open.delete(key);
      }
      if (result.positions.size === 0) break;
    }
    return [...open];
  }
}
