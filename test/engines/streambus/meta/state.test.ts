import { expect, test } from 'vitest';
import { type Rpc, RpcError, type RpcHandler, RpcRefusal } from '../../../../src/engines/streambus/broker/rpc.ts';
import type { MetaCommand, NewTopic } from '../../../../src/engines/streambus/meta/commands.ts';
import { type Founder, foundCluster, metaFounders } from '../../../../src/engines/streambus/meta/found.ts';
import { desiredMembers, isCurrent } from '../../../../src/engines/streambus/meta/incarnations.ts';
import { bytesOfHex, decodeJson, encodeJson } from '../../../../src/engines/streambus/meta/json.ts';
import { rememberedCommands } from '../../../../src/engines/streambus/meta/model.ts';
import { encodeCommand, MetaMachine } from '../../../../src/engines/streambus/meta/state.ts';
import { createMetaCommands, serveCommands } from '../../../../src/engines/streambus/meta/submit.ts';
import type { Host } from '../../../../src/host/host.ts';
import { World } from '../../../../src/sim/world.ts';
import { SoloGroup } from '../support/soloGroup.ts';

const founder = (broker: number, rack?: string): Founder => ({
  broker,
  kafka: { host: `b${broker}`, port: 9092 },
  rpc: { host: `b${broker}`, port: 9093 },
  http: { host: `b${broker}`, port: 8080 },
  rack,
});

/** Runs `work` with a cluster of three brokers whose metadata is one machine. */
async function withMeta(
  work: (meta: {
    readonly host: Host;
    readonly machine: MetaMachine;
    readonly solo: SoloGroup;
    readonly rpc: FakeRpc;
    readonly apply: <T>(command: MetaCommand, id?: string) => T;
    readonly founded: Uint8Array;
  }) => Promise<void> | void,
  founders: readonly Founder[] = [founder(1), founder(2), founder(3)],
): Promise<void> {
  const world = new World({ seed: 1 });
  let done = false;
  world.addMachine('b1').start('test', async (host) => {
    const founded = foundCluster({ clusterId: 'test', founders, shards: { groups: 2, transactions: 2 } });
    const machine = new MetaMachine(host.telemetry);
    machine.open(undefined, founded);
    const solo = new SoloGroup({ group: 0, broker: 1 });
    solo.attach(machine);
    const rpc = new FakeRpc();
    serveCommands(rpc, () => solo);
    let count = 0;
    const apply = <T>(command: MetaCommand, id = `c${count++}`): T => {
      const entry = { index: solo.lastIndex + 1, term: 1, data: encodeCommand({ id, command }) };
      solo.log.push(entry);
      return machine.apply(entry) as T; // the test names the result of its command
    };
    await work({ host, machine, solo, rpc, apply, founded });
    done = true;
  });
  await world.run({ toMs: 600_000, until: () => done });
  expect(done).toBe(true);
}

/** One broker that calls itself; what happens to a call can be chosen. */
class FakeRpc implements Rpc {
  readonly #handlers = new Map<string, RpcHandler>();
  /** For the next calls, in order: the answer is lost after it was done, or nothing is sent. */
  readonly troubles: ('lost' | 'unreachable')[] = [];
  calls = 0;

  serve(name: string, handler: RpcHandler): void {
    this.#handlers.set(name, handler);
  }

  async call(_: number, name: string, body: Uint8Array): Promise<Uint8Array> {
    this.calls++;
    const trouble = this.troubles.shift();
    if (trouble === 'unreachable') throw new RpcError('unreachable', 'no connection');
    try {
      const answer = await this.#handlers.get(name)?.(body, 1, new AbortController().signal);
      if (trouble === 'lost' || answer === undefined) throw new RpcError('lost', 'connection lost');
      return answer;
    } catch (error) {
      if (error instanceof RpcRefusal) throw new RpcError('refused', error.message, error.code);
      throw error;
    }
  }

  callLeader(_: number, name: string, body: Uint8Array): Promise<Uint8Array> {
    return this.call(1, name, body);
  }
}

const topicOf = (name: string, extra: Partial<NewTopic> = {}): NewTopic => ({
  name,
  id: '00112233445566778899aabbccddeeff',
  partitions: 3,
  replication: 3,
  assignment: undefined,
  configs: {},
  ...extra,
});

const create = (...topics: NewTopic[]): MetaCommand => ({
  type: 'create-topics',
  topics,
  validateOnly: false,
  createdWall: 5,
  defaults: { partitions: 1, replication: 3 },
});

test('topics are placed evenly, with groups of their own, and may be made anew under another id', () =>
  withMeta(({ machine, apply }) => {
    apply(create(topicOf('orders', { partitions: 9 })));
    const orders = machine.topics.get('orders');
    const leaders = orders?.partitions.map(({ replicas }) => replicas[0]);
    expect([1, 2, 3].map((broker) => leaders?.filter((leader) => leader === broker).length)).toEqual([3, 3, 3]);
    expect(orders?.partitions[0]).toMatchObject({ group: 1024, founders: [65_537, 131_073, 196_609], generation: 1 });
    expect(machine.partitionOf(1032)).toMatchObject({ topic: 'orders', partition: 8 });
    apply({ type: 'delete-topics', topics: [{ name: 'orders', id: undefined }] });
    expect(machine.partitionOf(1032)).toBeUndefined();
    apply(create(topicOf('orders', { id: 'ff112233445566778899aabbccddeeff', partitions: 1 })));
    expect(machine.topics.get('orders')?.partitions[0]?.group).toBe(1033);
    expect(machine.topicById(bytesOfHex('ff112233445566778899aabbccddeeff'))?.name).toBe('orders');
    expect(machine.topicById(bytesOfHex('00112233445566778899aabbccddeeff'))).toBeUndefined();
  }));

test('racks are kept apart', () =>
  withMeta(
    ({ machine, apply }) => {
      apply(create(topicOf('orders', { partitions: 8, replication: 2 })));
      for (const { replicas } of machine.topics.get('orders')?.partitions ?? []) {
        expect(new Set(replicas.map((broker) => machine.brokers.get(broker)?.rack)).size).toBe(2);
      }
    },
    [founder(1, 'a'), founder(2, 'a'), founder(3, 'b'), founder(4, 'b')],
  ));

test.each<[string, Partial<NewTopic>, number, string]>([
  ['', {}, 17, 'expected a name of 1 to 249 characters, got 0'],
  ['.', {}, 17, 'a topic cannot be called "."'],
  ['a b', {}, 17, 'expected letters of ASCII, digits, dots, dashes and underscores, got "a b"'],
  ['x'.repeat(250), {}, 17, 'expected a name of 1 to 249 characters, got 250'],
  ['taken', {}, 36, 'topic taken exists'],
  ['take.n_', {}, 17, 'topic take.n_ would share the names of its metrics with take_n.'],
  ['t', { partitions: 0 }, 37, 'expected 1 to 10000 partitions, got 0'],
  ['t', { partitions: 10_001 }, 37, 'expected 1 to 10000 partitions, got 10001'],
  ['t', { replication: 4 }, 38, 'expected a replication from 1 to the number of brokers, 3, got 4'],
  ['t', { replication: 0 }, 38, 'expected a replication from 1 to the number of brokers, 3, got 0'],
  ['t', { partitions: -1, replication: -1, assignment: [[1, 1]] }, 39, 'partition 0: a broker is named twice'],
  ['t', { partitions: -1, replication: -1, assignment: [[1, 7]] }, 39, 'partition 0: broker 7 is not in the cluster'],
  ['t', { partitions: 3, assignment: [[1]] }, 42, 'expected either an assignment or counts, got both'],
  [
    't',
    { configs: { 'retention.ms': 'soon' } },
    40,
    'retention.ms: expected a whole number from -1 to 9223372036854775807, got "soon"',
  ],
  ['t', { configs: { 'retention.msec': '5' } }, 40, 'unknown setting retention.msec; did you mean retention.ms?'],
  ['t', { configs: { 'cleanup.policy': 'compact' } }, 40, 'cleanup.policy: expected one of delete, got "compact"'],
])('a topic %j with %j is refused with %i: %s', (name, extra, code, message) =>
  withMeta(({ machine, apply }) => {
    apply(create(topicOf('taken'), topicOf('take_n.')));
    const before = machine.snapshot();
    const [outcome] = apply<{ errorCode: number; errorMessage: string }[]>(create(topicOf(name, extra)));
    expect(outcome).toMatchObject({ errorCode: code, errorMessage: message });
    // Nothing but the memory of the command has changed.
    const strip = (bytes: Uint8Array) => ({ ...(decodeJson(bytes) as object), results: [] });
    expect(strip(machine.snapshot())).toEqual(strip(before));
  }),
);

test('what is not said about a topic follows defaults, and the brokers that there are', () =>
  withMeta(
    ({ machine, apply }) => {
      apply(create(topicOf('t', { partitions: -1, replication: -1 })));
      expect(machine.topics.get('t')?.partitions).toHaveLength(1);
      expect(machine.topics.get('t')?.partitions[0]?.replicas).toEqual([1]);
    },
    [founder(1)],
  ));

test('partitions only grow; settings change as a whole or not at all', () =>
  withMeta(({ machine, apply }) => {
    apply(create(topicOf('t')));
    const more = (count: number) =>
      apply<{ errorCode: number }[]>({
        type: 'create-partitions',
        topics: [{ name: 't', count, assignment: undefined }],
        validateOnly: false,
      })[0]?.errorCode;
    expect([more(3), more(2), more(5), more(10_001)]).toEqual([37, 37, 0, 37]);
    expect(machine.topics.get('t')?.partitions.map(({ group }) => group)).toEqual([1024, 1025, 1026, 1027, 1028]);
    const alter = (
      changes: readonly [string, 'set' | 'delete' | 'append', string | undefined][],
      mode: 'replace' | 'incremental',
    ) =>
      apply<{ errorCode: number }[]>({
        type: 'alter-configs',
        resources: [
          {
            type: 'topic',
            name: 't',
            mode,
            changes: changes.map(([name, operation, value]) => ({ name, operation, value })),
          },
        ],
        validateOnly: false,
      })[0]?.errorCode;
    expect(
      alter(
        [
          ['retention.ms', 'set', '1000'],
          ['segment.bytes', 'set', '1'],
        ],
        'incremental',
      ),
    ).toBe(40);
    expect(machine.topics.get('t')?.configs.size).toBe(0);
    expect(alter([['retention.ms', 'set', '1000']], 'incremental')).toBe(0);
    expect(alter([['retention.ms', 'append', '1000']], 'incremental')).toBe(40);
    expect(alter([['segment.ms', 'set', '5']], 'replace')).toBe(0);
    expect([...(machine.topics.get('t')?.configs ?? [])]).toEqual([['segment.ms', '5']]);
  }));

test('a broker whose storage changed, or whose disk is older than known, is another member', () =>
  withMeta(({ machine, apply, founded }) => {
    expect(metaFounders(founded)).toEqual([65_537, 131_073, 196_609]);
    const register = (
      storage: string,
      incarnation: number,
      startCount: number,
      session: string,
      broker = 2,
      journalEnd = 100 * startCount,
      durableEnd = journalEnd,
    ) =>
      apply<{ verdict: string; incarnation: number }>({
        type: 'register-broker',
        ...founder(broker),
        storage,
        incarnation,
        startCount,
        session,
        journalEnd,
        durableEnd,
      });
    expect(register('disk-a', 1, 1, 's1')).toMatchObject({ verdict: 'known', incarnation: 1 });
    expect(register('disk-a', 1, 1, 's1')).toMatchObject({ verdict: 'known', incarnation: 1 });
    expect(register('disk-a', 1, 2, 's2')).toMatchObject({ verdict: 'known', incarnation: 1 });
    expect(register('disk-a', 1, 2, 's3')).toMatchObject({ verdict: 'rolled-back', incarnation: 2 });
    expect(isCurrent(machine, 2, 1, 9)).toBe(false);
    expect(register('disk-b', 0, 1, 's4')).toMatchObject({ verdict: 'replaced', incarnation: 3 });
    expect(register('disk-b', 0, 1, 's4')).toMatchObject({ verdict: 'replaced', incarnation: 3 });
    expect(register('disk-b', 3, 1, 's4')).toMatchObject({ verdict: 'known', incarnation: 3 });
    expect(register('disk-b', 2, 5, 's5')).toMatchObject({ verdict: 'fenced', incarnation: 4 });
    expect(register('disk-c', 4, 6, 's6')).toMatchObject({ verdict: 'replaced', incarnation: 5 });
    expect(register('disk-d', 0, 1, 's7', 9)).toMatchObject({ verdict: 'joined', incarnation: 1 });
    expect(desiredMembers(machine, 0)).toEqual({ voters: [65_537, 131_077, 196_609], learners: [9 * 65_536 + 1] });
    expect(isCurrent(machine, 2, 5, 6)).toBe(true);
    expect(isCurrent(machine, 2, 5, 5)).toBe(false);
    // A later start, on a journal that is shorter than it was at an earlier one.
    expect(register('disk-d', 1, 2, 's8', 9, 100)).toMatchObject({ verdict: 'known', incarnation: 1 });
    // What was in the page cache alone was not promised, and may be gone; what was durable may not.
    expect(register('disk-d', 1, 3, 's9', 9, 150, 120)).toMatchObject({ verdict: 'known', incarnation: 1 });
    expect(register('disk-d', 1, 4, 's10', 9, 120)).toMatchObject({ verdict: 'known', incarnation: 1 });
    expect(register('disk-d', 1, 5, 's11', 9, 119)).toMatchObject({ verdict: 'rolled-back', incarnation: 2 });
  }));

test('who asked for an incarnation before another start was given one, and is heard after it, replaces nobody', () =>
  withMeta(({ machine, apply }) => {
    const ask = (session: string, seen: number, broker = 2) =>
      apply<{ verdict: string; incarnation: number }>({
        type: 'register-broker',
        ...founder(broker),
        storage: `disk of ${session}`,
        incarnation: 0,
        startCount: 1,
        session,
        journalEnd: 0,
        durableEnd: 0,
        seen,
      });
    // Both asked when the first incarnation was the last one; the first of them has been killed since.
    expect(ask('alive', 1)).toMatchObject({ verdict: 'replaced', incarnation: 2 });
    expect(ask('killed', 1)).toMatchObject({ verdict: 'outrun', incarnation: 2 });
    expect(ask('alive', 1)).toMatchObject({ verdict: 'replaced', incarnation: 2 });
    expect(machine.sessionOf(2)).toBe('alive');
    expect(ask('later', 2)).toMatchObject({ verdict: 'replaced', incarnation: 3 });
    // One that the cluster had never seen.
    expect(ask('new', 0, 9)).toMatchObject({ verdict: 'joined', incarnation: 1 });
    expect(ask('newer', 0, 9)).toMatchObject({ verdict: 'outrun', incarnation: 1 });
  }));

test('a request that is repeated after its broker has registered itself leaves what the registration says', () =>
  withMeta(({ machine, apply }) => {
    const start = { ...founder(2), storage: 'new disk', startCount: 1, session: 's' };
    const ask: MetaCommand = {
      type: 'register-broker',
      ...start,
      incarnation: 0,
      journalEnd: 0,
      durableEnd: 0,
      seen: 1,
    };
    expect(apply(ask)).toMatchObject({ verdict: 'replaced', incarnation: 2 });
    expect(apply({ type: 'register-broker', ...start, incarnation: 2, journalEnd: 70, durableEnd: 60 })).toMatchObject({
      verdict: 'known',
      incarnation: 2,
    });
    expect(apply(ask)).toMatchObject({ verdict: 'replaced', incarnation: 2 });
    expect(machine.journalEndOf(2)).toBe(60);
    // The same start on another disk yet.
    expect(apply({ ...ask, storage: 'newer disk' })).toMatchObject({ verdict: 'replaced', incarnation: 2 });
    expect(machine.brokers.get(2)?.storage).toBe('newer disk');
  }));

test('quotas, credentials and access rules', () =>
  withMeta(({ machine, apply }) => {
    const set = (
      user: string | null | undefined,
      clientId: string | null | undefined,
      produceRate: number | undefined,
    ) =>
      apply<{ errorCode: number }[]>({
        type: 'alter-quotas',
        entries: [{ entity: { user, clientId }, changes: [{ key: 'produceRate', value: produceRate }] }],
        replaceAll: false,
        validateOnly: false,
      })[0]?.errorCode;
    expect([set(undefined, null, 10), set('alice', undefined, 20), set('alice', 'app', 30)]).toEqual([0, 0, 0]);
    expect([set(undefined, undefined, 1), set('alice', null, 0)]).toEqual([42, 42]);
    const rate = (user: string | undefined, client: string) => machine.quota(user, client).produceRate;
    expect([rate('alice', 'app'), rate('alice', 'x'), rate('bob', 'app'), rate(undefined, 'x')]).toEqual([
      30, 20, 10, 10,
    ]);
    set('alice', 'app', undefined);
    expect(rate('alice', 'app')).toBe(20);
    expect(machine.quotas).toHaveLength(2);

    const credential = {
      iterations: 4096,
      salt: new Uint8Array([1]),
      storedKey: new Uint8Array([2]),
      serverKey: new Uint8Array([3]),
    };
    const scram = apply<{ errorCode: number }[]>({
      type: 'alter-scram',
      upserts: [
        { user: 'alice', mechanism: 'SCRAM-SHA-256', ...credential },
        { user: 'bob', mechanism: 'SCRAM-SHA-512', ...credential, iterations: 10 },
      ],
      deletions: [{ user: 'carol', mechanism: 'SCRAM-SHA-256' }],
    });
    expect(scram.map(({ errorCode }) => errorCode)).toEqual([0, 93, 91]);
    expect(machine.credential('alice', 'SCRAM-SHA-256')?.storedKey).toEqual(new Uint8Array([2]));

    const binding = {
      resourceType: 'topic',
      resourceName: 'or',
      patternType: 'prefixed',
      principal: 'User:alice',
      host: '*',
      operation: 'read',
      permission: 'allow',
    } as const;
    apply({ type: 'create-acls', bindings: [binding, binding] });
    expect(machine.acls).toEqual([binding]);
    const any = {
      resourceType: undefined,
      principal: undefined,
      host: undefined,
      operation: undefined,
      permission: undefined,
    };
    const remove = (resourceName: string, patternType: 'literal' | 'match') =>
      apply<{ deleted: object[] }[]>({ type: 'delete-acls', filters: [{ ...any, resourceName, patternType }] })[0]
        ?.deleted;
    expect(remove('orders', 'literal')).toEqual([]);
    expect(remove('orders', 'match')).toEqual([binding]);
    expect(machine.acls).toEqual([]);
  }));

test('the same commands give the same bytes, also through a snapshot between them', () =>
  withMeta(async ({ host, machine, solo, apply, founded }) => {
    apply(create(topicOf('b', { configs: { 'segment.ms': '5', 'retention.ms': '7' } }), topicOf('a')));
    apply({ type: 'set-read-only', reason: 'moving' });
    apply({
      type: 'alter-quotas',
      entries: [{ entity: { user: null, clientId: undefined }, changes: [{ key: 'fetchRate', value: 5 }] }],
      replaceAll: false,
      validateOnly: false,
    });
    const cut = solo.log.length;
    const middle = await machine.checkpoint();
    apply({ type: 'allocate-producer-ids' });
    apply(create(topicOf('a'), topicOf('c')));
    const replay = new MetaMachine(host.telemetry);
    replay.open(undefined, founded);
    for (const entry of solo.log) replay.apply(entry);
    const resumed = new MetaMachine(host.telemetry);
    resumed.open(middle, undefined);
    for (const entry of solo.log.slice(cut)) resumed.apply(entry);
    const bytes = Buffer.from(machine.snapshot()).toString();
    expect(Buffer.from(replay.snapshot()).toString()).toBe(bytes);
    expect(Buffer.from(resumed.snapshot()).toString()).toBe(bytes);
    expect([machine.version, replay.version, resumed.version]).toEqual([
      solo.lastIndex,
      solo.lastIndex,
      solo.lastIndex,
    ]);
    expect(resumed.readOnly).toBe('moving');
    expect(resumed.quota('x', 'y').fetchRate).toBe(5);
    expect([...resumed.topics.keys()].sort()).toEqual(['a', 'b', 'c']);
  }));

test('a command whose answer is lost is sent again and done once', () =>
  withMeta(async ({ host, machine, rpc, apply }) => {
    const commands = createMetaCommands(host, rpc, machine);
    rpc.troubles.push('unreachable', 'lost', 'lost');
    const block = await commands.submit({ type: 'allocate-producer-ids' });
    expect(block).toEqual({ first: 1, count: 1_000 });
    expect(rpc.calls).toBe(4);
    expect(await commands.submit({ type: 'allocate-producer-ids' })).toEqual({ first: 1_001, count: 1_000 });
    // What is remembered is bounded.
    for (let n = 0; n < rememberedCommands; n++) apply({ type: 'set-read-only', reason: undefined });
    const stored = decodeJson(machine.snapshot()) as { results: unknown[] };
    expect(stored.results).toHaveLength(rememberedCommands);
  }));

test('without a leader a command is refused for sure, after a lost answer it is in doubt', () =>
  withMeta(async ({ host, machine, rpc, solo }) => {
    const commands = createMetaCommands(host, rpc, machine);
    solo.lose();
    await expect(commands.submit({ type: 'allocate-producer-ids' }, { timeoutMs: 500 })).rejects.toMatchObject({
      name: 'MetaError',
      outcome: 'refused',
    });
    solo.lead();
    solo.hold();
    const pending = commands.submit({ type: 'allocate-producer-ids' }, { timeoutMs: 500 });
    await host.clock.sleep(10);
    solo.lose();
    await expect(pending).rejects.toMatchObject({ name: 'MetaError', outcome: 'unknown' });
  }));

test('bytes survive JSON', () => {
  const value = { a: new Uint8Array([0, 255]), b: [{ c: new Uint8Array() }], d: null };
  expect(decodeJson(encodeJson(value))).toEqual(value);
  expect(decodeJson(encodeJson({ body: Buffer.from('x') }))).toEqual({ body: new Uint8Array([120]) });
});
