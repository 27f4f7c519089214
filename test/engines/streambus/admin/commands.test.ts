import { beforeAll, expect, test } from 'vitest';
import { CommandUsage } from '../../../../src/engines/streambus/admin/commands/command.ts';
import { PasswordCheck } from '../../../../src/engines/streambus/security/passwordCheck.ts';
import { createPlainServer } from '../../../../src/engines/streambus/security/plain.ts';
import type { Clock } from '../../../../src/host/clock.ts';
import { Desk } from './desk.ts';

let desk: Desk;
beforeAll(async () => {
  desk = new Desk();
  await desk.up();
  expect(await desk.run('topics create orders --partitions 3 --config retention.ms=3600000')).toBe(0);
  await desk.produce('orders', 20);
});

test('a healthy cluster looks as in the runbook', async () => {
  const code = await desk.run('cluster-health-check');
  const leader = desk.brokers.leaderOf(0);
  expect(desk.lines).toEqual([
    ...[1, 2, 3].map((id) => `✓ broker-${id}: healthy${id === leader ? ' (leader)' : ''}`),
    '✓ Raft: quorum OK (3/3)',
    '✓ Partitions: balanced',
    expect.stringMatching(/^✓ Disk: \d+% used$/),
  ]);
  expect(code).toBe(0);
  expect(await desk.run('check-quorum')).toBe(0);
  expect(desk.lines).toHaveLength(1 + 16 + 3);
  expect(desk.lines.every((line) => line.startsWith('✓'))).toBe(true);
});

test('metrics name the one leader by one line, and only where it leads', async () => {
  const leaders: number[] = [];
  for (const broker of [1, 2, 3]) {
    const { body } = await desk.ask('GET', '/metrics', undefined, { broker: String(broker) });
    const lines = String(body).split('\n');
    if (lines.filter((line) => /raft_state.*leader/.test(line)).length === 1) leaders.push(broker);
    expect(lines).toEqual(expect.arrayContaining([expect.stringMatching(/^raft_term\{group="metadata"\} \d+$/)]));
    expect(lines).toContain('sync_progress{topic="_all",partition="_all"} 1');
    expect(lines).toContain('streambus_offline_partitions 0');
  }
  expect(leaders).toEqual([desk.brokers.leaderOf(0)]);
});

test('topics are described, altered and deleted; what cannot be is refused by name', async () => {
  expect(await desk.run('topics create events --partitions 2')).toBe(0);
  expect(await desk.run('topics alter events --partitions 4 --config segment.ms=5000')).toBe(0);
  expect(await desk.run('topics describe events')).toBe(0);
  expect(desk.lines).toContain('  segment.ms = 5000');
  expect(await desk.run('topics list')).toBe(0);
  expect(desk.lines).toEqual(expect.arrayContaining([expect.stringMatching(/^events\s+4\s+3\s/)]));
  await expect(desk.run('topics alter events segment.ms=6000')).rejects.toThrow('--config segment.ms=6000');
  expect(await desk.ask('POST', '/admin/storage/compact', undefined, { aggressive: 'maybe' })).toMatchObject({
    status: 422,
  });
  const again = await desk.ask('POST', '/admin/topics', { name: 'events' });
  expect(again).toMatchObject({ status: 409, body: { error: { code: 'TOPIC_EXISTS' } } });
  expect(await desk.ask('POST', '/admin/topics', { nmae: 'x' })).toMatchObject({
    status: 422,
    body: { error: { code: 'BAD_FIELD', hint: 'did you mean name?' } },
  });
  expect(await desk.ask('POST', '/admin/topics', { name: 'y', configs: { 'retention.mss': 5 } })).toMatchObject({
    status: 422,
    body: { error: { code: 'BAD_CONFIG', message: expect.stringContaining('did you mean retention.ms?') } },
  });
  expect(await desk.run('topics delete events')).toBe(0);
  expect(await desk.ask('GET', '/admin/topics/events')).toMatchObject({ status: 404 });
  expect(await desk.ask('GET', '/admin/topics', undefined, { broker: '9' })).toMatchObject({
    status: 404,
    body: { error: { code: 'UNKNOWN_BROKER', hint: 'brokers of the cluster: 1, 2, 3' } },
  });
});

test('an order goes to the group that its query names, and a parameter that is not known is refused', async () => {
  const states = async () => {
    const { body } = await desk.ask('GET', '/admin/raft/status', undefined, { broker: '1' });
    return (body as { readonly term: number }).term;
  };
  const before = await states();
  for (const order of ['campaign', 'snapshot']) {
    const path = `/admin/raft/${order}`;
    const answer = await desk.ask('POST', path, undefined, { broker: '2', group: 'orders/0' });
    expect(answer).toMatchObject({ status: 200, body: { group: 'orders/0' } });
    expect(await desk.ask('POST', path, undefined, { broker: '2', group: 'orders/9' })).toMatchObject({ status: 404 });
    expect(await desk.ask('POST', path, { group: 'orders/1' }, { group: 'orders/0' })).toMatchObject({
      status: 422,
      body: { error: { code: 'BAD_QUERY', hint: 'name it once' } },
    });
  }
  const moved = await desk.ask('POST', '/admin/raft/transfer', { to: 3 }, { group: 'orders/2' });
  expect(moved).toMatchObject({ status: 200, body: { group: 'orders/2' } });
  expect(await states()).toBe(before);
  const refusal = (message: string, hint: string) => ({
    status: 422,
    body: { error: { code: 'BAD_QUERY', message, hint } },
  });
  expect(await desk.ask('POST', '/admin/raft/campaign', undefined, { groop: 'orders/0' })).toEqual(
    refusal('groop: expected one of group, broker', 'did you mean group?'),
  );
  expect(await desk.ask('POST', '/admin/raft/transfer', { to: 1 }, { to: '1', broker: '2' })).toEqual(
    refusal('to: expected one of group, broker', 'to belongs in the JSON of the body'),
  );
  expect(await desk.ask('DELETE', '/admin/readonly', undefined, { scop: 'cluster' })).toEqual(
    refusal('scop: expected one of scope, broker', 'did you mean scope?'),
  );
  expect(await desk.ask('DELETE', '/admin/readonly', undefined, { scope: 'all' })).toEqual(
    refusal('scope: expected broker or cluster, got "all"', ''),
  );
  expect(await desk.ask('DELETE', '/admin/topics/orders', undefined, { dry_run: 'true' })).toMatchObject({
    status: 422,
  });
  expect(await desk.ask('POST', '/admin/storage/trim', undefined, { topic: 'orders' })).toEqual(
    refusal('topic: expected one of scope, broker', 'topic belongs in the JSON of the body'),
  );
  expect(await desk.ask('GET', '/admin/slow-queries', undefined, { limit: 'abc' })).toEqual(
    refusal('limit: expected a number, got "abc"', ''),
  );
  // Probes and scrapers add what they like.
  for (const path of ['/health', '/health/live', '/health/ready', '/metrics']) {
    expect(await desk.ask('GET', path, undefined, { probe: 'x' })).toMatchObject({ status: 200 });
  }
});

test('a consumer group that is not there is not found; an alteration of nothing is refused', async () => {
  expect(await desk.ask('GET', '/admin/groups', undefined, { group: 'nope' })).toMatchObject({
    status: 404,
    body: { error: { code: 'UNKNOWN_GROUP', message: 'there is no consumer group nope' } },
  });
  expect(await desk.run('groups describe nope')).toBe(1);
  expect(desk.lines).toEqual(['✗ nope: there is no such group']);
  await expect(desk.run('topics alter orders')).rejects.toThrow('--partitions or --config');
  const much = await desk.ask('POST', '/admin/topics/orders', { configs: { 'retention.ms': 'many' } });
  expect(much).toMatchObject({ body: { error: { message: expect.stringContaining('to 9223372036854775807') } } });
});

test('every replica is read and compared', async () => {
  expect(await desk.run('verify-data-integrity')).toBe(0);
  expect(desk.lines).toEqual([
    ...[0, 1, 2].map((n) =>
      expect.stringMatching(new RegExp(`^✓ orders/${n}: 3 replicas alike, offsets 0 to 20, 20 batches`)),
    ),
    '✓ 3 partitions verified',
  ]);
});

test('jobs of the storage are begun and can be asked for', async () => {
  for (const path of [
    '/admin/storage/scrub',
    '/admin/storage/rebuild-index',
    '/admin/storage/trim',
    '/admin/storage/compact',
  ]) {
    const { status, body } = await desk.ask('POST', path);
    expect(status).toBe(202);
    const { job } = body as { job: string };
    await desk.brokers.run(5_000);
    const done = await desk.ask('GET', `/admin/jobs/${job}`);
    expect(done).toMatchObject({ status: 200, body: { state: 'done', progress: 1 } });
    if (path.endsWith('scrub')) expect(done.body).toMatchObject({ result: { partitions: 3, batches: 60, damaged: 0 } });
  }
  expect(await desk.ask('GET', '/admin/jobs/nothing')).toMatchObject({ status: 404 });
  expect(await desk.ask('POST', '/admin/storage/trim', { before: 'soon' })).toMatchObject({ status: 422 });
});

test('quotas and read-only mode', async () => {
  expect(await desk.run('quotas set --default produce_rate=10000 --client app --rates fetch_rate=5')).toBe(0);
  const { body } = await desk.ask('GET', '/admin/quotas', undefined, { broker: '3' });
  expect(body).toMatchObject({ default: { produce_rate: 10_000 }, clients: { app: { fetch_rate: 5 } } });
  expect(await desk.ask('POST', '/admin/quotas', { default: { produce_rat: 5 } })).toMatchObject({
    status: 422,
    body: { error: { code: 'BAD_QUOTA' } },
  });
  expect(await desk.run('quotas clear')).toBe(0);
  expect(desk.lines.at(-1)).toMatch(/^default\s+none/);

  expect(await desk.run('readonly on --cluster --reason moving')).toBe(0);
  for (const broker of ['1', '2', '3']) {
    await desk.brokers.run(1_000);
    const state = await desk.ask('GET', '/admin/readonly', undefined, { broker });
    expect(state.body).toMatchObject({ enabled: true, reason: 'moving' });
  }
  // Two reasons at one broker: taking one away says what is left, where, and how it goes.
  expect(await desk.run('readonly on --broker 2 --reason repair')).toBe(0);
  expect(await desk.run('readonly off --broker 2')).toBe(1);
  expect(desk.lines).toEqual([
    '! another reason keeps writes refused at broker-2:',
    'broker-2: writes are refused: moving (lifted by: hotfire streambus readonly off --cluster)',
  ]);
  expect(await desk.run('readonly off --cluster')).toBe(0);
  expect(await desk.run('readonly show --broker 2')).toBe(0);
  expect(desk.lines).toEqual(['broker-2: writes are taken']);
});

test.each([
  'readonly on',
  'readonly off',
  'readonly on --broker 2 --cluster',
  'readonly on moving --cluster',
  'quotas set produce_rate=5',
  'quotas show app',
  'groups list mine',
  'groups describe',
  'groups describe mine yours',
])('%s is a usage error', async (line) => {
  await expect(desk.run(line)).rejects.toThrow(CommandUsage);
});

test('a group is described with its offsets and lag by partition', async () => {
  const bus = desk.brokers.bus(1);
  const shard = bus.metadata.shardOf('groups', 'shop');
  await desk.brokers.until('a coordinator', () => desk.brokers.leaderOf(shard) !== undefined);
  const coordinator = desk.brokers.bus(desk.brokers.leaderOf(shard) ?? 0).services.groupCoordinator(shard);
  const offset = { topic: 'orders', leaderEpoch: -1, metadata: '' };
  const codes = await desk.on(async () =>
    coordinator?.commitOffsets({
      groupId: 'shop',
      memberId: '',
      groupInstanceId: undefined,
      generationId: -1,
      retentionMs: undefined,
      offsets: [
        { ...offset, partition: 0, offset: 15 },
        { ...offset, partition: 2, offset: 20 },
      ],
    }),
  );
  expect(codes).toEqual([0, 0]);
  expect(await desk.run('groups describe shop')).toBe(0);
  expect(desk.lines.slice(-3)).toEqual([
    'TOPIC   PARTITION  COMMITTED  END  LAG  MEMBER',
    'orders  0          15         20   5    -',
    'orders  2          20         20   0    -',
  ]);
  expect(await desk.run('groups describe none')).toBe(1);
});

test('an election that nobody needs leaves the leader; a transfer moves it', async () => {
  const before = desk.brokers.leaderOf(0) ?? 0;
  const other = (before % 3) + 1;
  expect(await desk.run(`force-election --broker ${other}`)).toBe(0);
  expect(desk.lines.at(-1)).toMatch(/a healthy leader is kept$/);
  const moved = await desk.ask('POST', '/admin/raft/transfer', { to: other });
  expect(moved.status).toBe(200);
  await desk.brokers.until('another leader', () => desk.brokers.leaderOf(0) === other);
  expect(await desk.ask('GET', '/admin/raft/status', undefined, { group: 'orders/0' })).toMatchObject({
    status: 200,
    body: { group: 'orders/0', voters: [65_537, 131_073, 196_609] },
  });
  expect(await desk.ask('GET', '/admin/raft/status', undefined, { group: 'orders/7' })).toMatchObject({ status: 404 });
});

test('what is under way is dumped; what only production has is refused here', async () => {
  expect(await desk.run('diagnose-latency')).toBe(0);
  expect(desk.lines.filter((line) => line.startsWith('==='))).toEqual([
    '=== Broker Metrics ===',
    '=== System Resources ===',
    '=== Network Latency ===',
    '=== Recent Slow Queries ===',
    '=== Verdict ===',
  ]);
  expect(await desk.ask('GET', '/debug/pprof/goroutine')).toMatchObject({ status: 200 });
  expect(await desk.ask('GET', '/debug/pprof/profile')).toMatchObject({
    status: 501,
    body: { error: { code: 'NO_PROFILER' } },
  });
  expect(await desk.ask('GET', '/debug/pprof/profile', undefined, { seconds: '301' })).toMatchObject({ status: 422 });
  expect(await desk.run('groups')).toBe(0);
  expect(await desk.ask('GET', '/admin/transactions')).toMatchObject({
    status: 200,
    body: { transactions: [], unavailable: [] },
  });
});

test('users are made and removed; their passwords get them in and are never shown', async () => {
  desk.files.set(undefined, 'pencil\nsecond line\n');
  desk.files.set('/password', 'other secret');
  expect(await desk.run('users set alice')).toBe(0);
  expect(desk.lines).toEqual(['✓ user alice set: SCRAM-SHA-256, SCRAM-SHA-512']);
  expect(await desk.run('users set bob --mechanism SCRAM-SHA-512 --iterations 8192 --password-file /password')).toBe(0);
  expect(await desk.run('users list')).toBe(0);
  expect(desk.lines.map((line) => line.split(/ +/))).toEqual([
    ['USER', 'MECHANISM', 'ITERATIONS'],
    ['alice', 'SCRAM-SHA-256', '4096'],
    ['alice', 'SCRAM-SHA-512', '4096'],
    ['bob', 'SCRAM-SHA-512', '8192'],
  ]);

  // PLAIN is checked against what is stored.
  const { metadata } = desk.brokers.bus(1);
  await desk.brokers.until('known everywhere', () => metadata.credentials.has('bob'));
  const passwords = new PasswordCheck({ now: () => 0 } as Clock, new Uint8Array(32)); // it only reads the time
  const login = (user: string, password: string) =>
    createPlainServer(
      (name, mechanism) => metadata.credential(name, mechanism),
      (name, given, stored) => passwords.check(name, given, stored, 'here'),
    ).step(new TextEncoder().encode(`\0${user}\0${password}`)).kind;
  expect([login('alice', 'pencil'), login('bob', 'other secret'), login('alice', 'second line')]).toEqual([
    'done',
    'done',
    'failed',
  ]);
  const [first, second] = metadata.credentials.get('alice') ?? [];
  expect(first?.salt).toHaveLength(16);
  expect(first?.salt).not.toEqual(second?.salt);

  for (const body of [
    { name: 'carol', password: 'pencil', iterations: 5 },
    { name: 'carol', password: 'pencil', mechanism: 'PLAIN' },
    { name: '', password: 'pencil' },
    { name: 'carol', password: ['pencil'] },
  ]) {
    const { status, body: answer } = await desk.ask('POST', '/admin/users', body);
    expect(status).toBe(422);
    expect(JSON.stringify(answer)).not.toContain('pencil');
  }
  const post = [...desk.brokers.running.values()][0]?.routes.find(
    ({ method, path }) => method === 'POST' && path === '/admin/users',
  );
  const body = new TextEncoder().encode('{"password": pencil}');
  const { signal } = new AbortController();
  const broken = await post?.handler({ method: 'POST', query: {}, headers: {}, parameters: {}, body, signal });
  expect(broken).toMatchObject({ status: 400, body: { error: { code: 'BAD_JSON' } } });
  expect(JSON.stringify(broken)).not.toContain('pencil');
  expect(post?.role).toBe('admin');

  desk.files.set(undefined, '\n');
  await expect(desk.run('users set carol')).rejects.toThrow('expected a password');
  await expect(desk.run('users set')).rejects.toThrow('expected the name of a user');
  await expect(desk.run('users delete bob --mechanism SCRAM-SHA-256')).rejects.toMatchObject({ code: 'UNKNOWN_USER' });
  expect(await desk.run('users delete alice --mechanism SCRAM-SHA-256')).toBe(0);
  expect(await desk.run('users delete bob')).toBe(0);
  expect(await desk.run('users list')).toBe(0);
  expect(desk.lines.slice(1)).toEqual([expect.stringMatching(/^alice +SCRAM-SHA-512 +4096$/)]);
  await expect(desk.run('users delete bob')).rejects.toMatchObject({ code: 'UNKNOWN_USER', status: 404 });
});

test('a rolling restart waits for each broker, and a broker that is down is named', async () => {
  expect(await desk.run('rolling-restart --timeout 120')).toBe(0);
  expect(desk.lines).toHaveLength(3);
  expect(desk.lines.every((line) => /^✓ broker-\d: restarted and in sync after \d+ s$/.test(line))).toBe(true);
  // The last one is waited for, too: it serves, and does not only know of nothing that is wrong.
  for (const broker of ['1', '2', '3']) {
    expect((await desk.ask('GET', '/health', undefined, { broker })).status, `broker-${broker}`).toBe(200);
  }

  desk.brokers.stop(2, 'kill');
  await desk.brokers.run(15_000);
  expect(await desk.run('cluster-health-check')).toBe(1);
  expect(desk.lines).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^✗ broker-2: does not answer at /),
      '! Raft: quorum OK (2/3)',
      expect.stringMatching(/^✗ Partitions: \d+ findings: orders\/0 on broker-2: broker does not answer/),
    ]),
  );
  expect(await desk.run('rolling-restart --timeout 5')).toBe(1);
  expect(desk.lines.at(-1)).toMatch(/^✗ stopped before broker-\d: broker-2 is down$/);
  desk.brokers.stop(3, 'kill');
  await desk.brokers.run(15_000);
  expect(await desk.run('check-quorum')).toBe(1);
  expect(desk.lines[0]).toMatch(/^✗ metadata: 1\/3 voters reachable \(not broker-2, broker-3\), no leader$/);
  expect(await desk.ask('POST', '/admin/topics', { name: 'late' })).toMatchObject({
    status: 503,
    body: { error: { code: 'NO_QUORUM' } },
  });
  const { status } = await desk.ask('GET', '/health');
  expect(status).toBe(503);
  expect((await desk.ask('GET', '/health/live')).status).toBe(200);
  expect((await desk.ask('GET', '/health/ready')).status).toBe(503);
});

test('brokers that compress what they say to each other, and one that does not, hold the same', async () => {
  const mixed = new Desk({ config: { network: { compression: true } } });
  const configured = mixed.brokers.config.bind(mixed.brokers);
  mixed.brokers.config = (id) => {
    const config = configured(id);
    expect(config.network.compression).toBe(true);
    config.network.compression = id !== 3;
    return config;
  };
  mixed.brokers.start();
  await mixed.brokers.until('three brokers', () => mixed.brokers.ready.size === 3);
  expect(await mixed.run('topics create orders --partitions 2')).toBe(0);
  await mixed.produce('orders', 200);
  expect(await mixed.run('verify-data-integrity')).toBe(0);
});
