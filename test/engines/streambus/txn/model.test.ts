import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RpcError } from '../../../../src/engines/streambus/broker/rpc.ts';
import { openTransactionShard } from '../../../../src/engines/streambus/txn/open.ts';
import { kafkaErrors } from '../../../../src/wire/kafka/errors.ts';
import { type Coordination, withCoordination } from '../support/coordination.ts';
import { SoloGroup } from '../support/soloGroup.ts';
import { TransactionalClient } from '../support/transactionalClient.ts';

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('add' as const), who: fc.nat(1) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('end' as const), who: fc.nat(1), commit: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('init' as const), who: fc.nat(1) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('fail-over' as const), survive: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('hold' as const), ms: fc.integer({ min: 1, max: 3_000 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('cut' as const), ms: fc.integer({ min: 1, max: 3_000 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('sleep' as const), ms: fc.integer({ min: 1, max: 8_000 }) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** A snapshot of a shard is whole: nobody is asked for more. */
const noPeers = {
  brokers: () => [],
  ask: () => Promise.reject(new Error('a shard asks nobody')),
  signal: new AbortController().signal,
};

/** Each attempt to write takes a partition of its own, so that a partition belongs to one transaction. */
const partitionCount = 200;

/**
 * The naive model of a transaction: the partitions that its client knows to belong to it, and how it was told that it ended.
 * A client that was told nothing definite does what libraries do: it begins as a new instance.
 */
interface Told {
  readonly partitions: number[];
  outcome: 'open' | 'unknown' | 'commit' | 'abort';
}

class Producer {
  readonly client: TransactionalClient;
  readonly told: Told[] = [];
  isReady = false;

  constructor(world: Coordination, version: 1 | 2) {
    this.client = new TransactionalClient(world, { version });
  }

  get present(): Told {
    const last = this.told.at(-1);
    if (last?.outcome === 'open') return last;
    const next: Told = { partitions: [], outcome: 'open' };
    this.told.push(next);
    return next;
  }

  /** What this instance left open is decided by others from now on. */
  async init(): Promise<void> {
    if (this.present.outcome === 'open') this.present.outcome = 'unknown';
    this.isReady = (await this.client.init({ timeoutMs: 6_000 })) === 0;
  }

  async add(partition: number): Promise<void> {
    if (!this.isReady) return;
    const present = this.present;
    const code = await this.client.add(partition);
    if (code === 0) present.partitions.push(partition);
    else if (code !== kafkaErrors.CONCURRENT_TRANSACTIONS) this.lose(present);
  }

  async end(commit: boolean): Promise<void> {
    if (!this.isReady || this.present.partitions.length === 0) return;
    const present = this.present;
    const code = await this.client.end(commit);
    if (code === 0) present.outcome = commit ? 'commit' : 'abort';
    else this.lose(present);
  }

  /** An error of which the client does not know what it left behind. */
  lose(present: Told): void {
    present.outcome = 'unknown';
    this.isReady = false;
  }
}

async function play(world: Coordination, version: 1 | 2, steps: readonly Step[]): Promise<void> {
  const producers = [new Producer(world, version), new Producer(world, version)];
  let nextPartition = 0;
  for (const action of steps) {
    const producer = 'who' in action ? producers[action.who] : undefined;
    switch (action.kind) {
      case 'init':
        await producer?.init();
        break;
      case 'add':
        await producer?.add(nextPartition++ % partitionCount);
        break;
      case 'end':
        await producer?.end(action.commit);
        break;
      case 'fail-over':
        await failOver(world, action.survive);
        break;
      case 'hold':
        world.transactions.hold();
        world.host.clock.timer(action.ms, () => world.transactions.release());
        break;
      case 'cut':
        world.rpcFailure = new RpcError('unreachable', 'cut');
        world.host.clock.timer(action.ms, () => {
          world.rpcFailure = undefined;
        });
        break;
      case 'sleep':
        await world.sleep(action.ms);
        break;
    }
    // An end that waits for `release` must not be the state in which a fail-over finds everything.
    await world.sleep(1);
  }
  world.transactions.release();
  world.rpcFailure = undefined;
  await world.sleep(60_000);
  judge(world, producers);
  expect(world.transactionShard.coordinator.openCount).toBe(0);
  const replica = await openTransactionShard(world.services, new SoloGroup({ group: 9 }), undefined);
  for (const entry of world.transactions.log) replica.apply(entry);
  expect(Buffer.from(replica.snapshot()).equals(world.transactionShard.snapshot())).toBe(true);
}

/** The lead goes to a replica that knows what is in the log, and nothing else. */
async function failOver(world: Coordination, survive: number): Promise<void> {
  world.transactions.lose({ survive });
  const replica = await openTransactionShard(world.services, new SoloGroup({ group: 9 }), undefined);
  for (const entry of world.transactions.log) replica.apply(entry);
  await world.transactionShard.restore(await replica.checkpoint(), noPeers);
  world.transactions.lead();
}

function judge(world: Coordination, producers: readonly Producer[]): void {
  const ends = new Map<number, boolean[]>();
  for (const { partition, commit } of world.markers) ends.set(partition, [...(ends.get(partition) ?? []), commit]);
  for (const [partition, all] of ends) expect(new Set(all).size, `ends of partition ${partition}: ${all}`).toBe(1);
  for (const { told } of producers) {
    for (const { partitions, outcome } of told) {
      const seen = new Set(partitions.map((partition) => ends.get(partition)?.[0]));
      if (partitions.length > 0) expect(seen.size, `ends of ${partitions}: ${[...seen]}`).toBe(1);
      if (partitions.length > 0) expect(seen.has(undefined), `no end of ${partitions}`).toBe(false);
      if (outcome === 'commit') expect([...seen]).toEqual([true]);
      if (outcome === 'abort') expect([...seen]).toEqual([false]);
    }
  }
}

function histories(version: 1 | 2, mutants: readonly string[] = []) {
  return fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), fc.nat(1_000), (steps, seed) =>
    withCoordination((world) => play(world, version, [{ kind: 'init', who: 0 }, ...steps]), {
      seed,
      mutants,
      topics: { orders: partitionCount },
      toMs: 3_600_000,
    }),
  );
}

test.each([1, 2] as const)(
  'should end every transaction whole, as its client was told (version %i)',
  async (version) => {
    await fc.assert(histories(version), { numRuns: 100, seed: 4, endOnFailure: true });
  },
);

test.each(['marker-unlogged', 'epoch-not-bumped'])('should see the planted bug %s', async (mutant) => {
  expect((await fc.check(histories(1, [mutant]), { numRuns: 200, seed: 4, endOnFailure: true })).failed).toBe(true);
});
