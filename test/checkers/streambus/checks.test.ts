import { describe, expect, test } from 'vitest';
import type { StreamBusEvidence } from '../../../src/checkers/streambus/evidence.ts';
import { streamBusChecks } from '../../../src/checkers/streambus/index.ts';
import { liveness } from '../../../src/checkers/streambus/service.ts';
import { batch, evidenceOf, found, operation, replica } from './story.ts';

const send = (key: string, value: number, offset?: number) => ({
  kind: 'send',
  key,
  value,
  ...(offset === undefined ? {} : { offset }),
});
const poll = (key: string, ...records: readonly (readonly [offset: number, value: number])[]) => ({
  kind: 'poll',
  records: { [key]: records.map(([offset, value]) => ({ offset, value })) },
});

test('every check has a name of its own and finds nothing in a run in which nothing happened', () => {
  expect(new Set(streamBusChecks.map(({ name }) => name)).size).toBe(streamBusChecks.length);
  for (const check of streamBusChecks) expect(check.run(evidenceOf({})).violations).toEqual([]);
});

describe('what clients see of the log', () => {
  const sent = operation('send', [send('k', 1, 0)], { process: 1 });
  const second = operation('send', [send('k', 2, 1)], { process: 1 });
  const read = operation('poll', [poll('k', [0, 1], [1, 2])], { process: 2 });

  test('should find nothing when all is read in order', () => {
    for (const name of [
      'inconsistent-offsets',
      'duplicate',
      'lost-write',
      'unseen',
      'definite-error',
      'poll-order',
      'send-order',
      'txn-atomic',
    ])
      expect(found(name, { operations: [sent, second, read] })).toEqual([]);
  });
  test('should see each anomaly under its name', () => {
    expect(
      found('lost-write', { operations: [sent, second, operation('poll', [poll('k', [1, 2])], { process: 2 })] }),
    ).toHaveLength(1);
    expect(found('unseen', { operations: [sent] })).toHaveLength(1);
    expect(found('unseen', { operations: [sent], polledToEnd: false })).toEqual([]);
    expect(
      found('duplicate', { operations: [sent, operation('poll', [poll('k', [0, 1], [3, 1])], { process: 2 })] }),
    ).toHaveLength(1);
    expect(
      found('inconsistent-offsets', { operations: [sent, operation('poll', [poll('k', [0, 9])], { process: 2 })] }),
    ).toHaveLength(1);
    const refused = operation('send', [send('k', 7)], {
      process: 3,
      outcome: 'fail',
      output: undefined,
      input: [send('k', 7)],
    });
    expect(
      found('definite-error', { operations: [refused, operation('poll', [poll('k', [0, 7])], { process: 2 })] }),
    ).toHaveLength(1);
    expect(
      found('send-order', { operations: [second, operation('send', [send('k', 3, 0)], { process: 1 })] }),
    ).toHaveLength(1);
  });
  test('should let a rebalance step back between polls, and nobody else', () => {
    const again = [sent, second, read, operation('poll', [poll('k', [0, 1])], { process: 2 })];
    expect(found('poll-order', { operations: again })).toHaveLength(1);
    const subscribed = [operation('subscribe', { keys: ['k'] }, { process: 2 }), ...again];
    expect(found('poll-order', { operations: subscribed })).toEqual([]);
  });
  test('should see a transaction of which half was read', () => {
    const torn = operation('txn', undefined, {
      process: 3,
      outcome: 'info',
      input: [send('k', 1), send('l', 2)],
      completedAt: Number.POSITIVE_INFINITY,
      completedOrder: Number.POSITIVE_INFINITY,
    });
    expect(
      found('txn-atomic', { operations: [torn, operation('poll', [poll('k', [0, 1])], { process: 2 })] }),
    ).toHaveLength(1);
  });
  test('should see a transaction that reads its own records, and two that read from each other', () => {
    const own = operation('txn', [send('k', 1, 0), poll('k', [0, 1])]);
    expect(found('precommitted', { operations: [own] })).toHaveLength(1);
    const one = operation('txn', [send('k', 1, 0), poll('l', [0, 2])], { process: 1 });
    const other = operation('txn', [send('l', 2, 0), poll('k', [0, 1])], { process: 2 });
    expect(found('g1c', { operations: [one, other] })).toEqual([expect.stringMatching(/have read from each other/)]);
    expect(found('g1c', { operations: [one, operation('txn', [poll('k', [0, 1])], { process: 2 })] })).toEqual([]);
    expect(found('precommitted', { operations: [one, other] })).toEqual([]);
  });
});

describe('ack-after-sync', () => {
  const operations = [operation('send', [send('k', 1, 5)], { completedAt: 50 })];
  test('should see an acknowledgement before the media, or without it', () => {
    expect(found('ack-after-sync', { operations, durableAt: () => 50 })).toEqual([]);
    expect(found('ack-after-sync', { operations, durableAt: () => 51 })).toHaveLength(1);
    expect(found('ack-after-sync', { operations, durableAt: () => undefined })).toHaveLength(1);
    expect(found('ack-after-sync', { operations, durableAt: () => 'unknown' })).toEqual([]);
  });
});

describe('consumer groups', () => {
  const seen = (member: string, generation: number, atMs: number) => ({
    group: 'g',
    generation,
    member,
    keys: ['k'],
    atMs,
  });
  const commit = (offset: number, invokedAt: number, more: object = {}) =>
    ({
      group: 'g',
      generation: undefined,
      offsets: { k: offset },
      invokedAt,
      completedAt: invokedAt + 5,
      outcome: 'ok',
      ...more,
    }) as const;
  const fetched = (offset: number | undefined, invokedAt: number) => ({
    group: 'g',
    keys: ['k'],
    offsets: offset === undefined ? {} : { k: offset },
    invokedAt,
    completedAt: invokedAt + 5,
  });

  test('one-owner should see two owners of a generation, and a commit of an old one', () => {
    expect(found('one-owner', { assignments: [seen('m1', 1, 0), seen('m2', 2, 5)] })).toEqual([]);
    expect(found('one-owner', { assignments: [seen('m1', 1, 0), seen('m2', 1, 5)] })).toHaveLength(1);
    const assignments = [seen('m1', 1, 0), seen('m2', 2, 50)];
    expect(found('one-owner', { assignments, commits: [commit(3, 40, { generation: 1 })] })).toEqual([]);
    expect(found('one-owner', { assignments, commits: [commit(3, 60, { generation: 1 })] })).toHaveLength(1);
    expect(found('one-owner', { assignments, commits: [commit(3, 60, { generation: 1, outcome: 'fail' })] })).toEqual(
      [],
    );
  });
  test('offset-commit should see an offset that is older than the last commit, or was never committed', () => {
    const commits = [commit(3, 10), commit(7, 20)];
    expect(found('offset-commit', { commits, offsetFetches: [fetched(7, 30)] })).toEqual([]);
    expect(found('offset-commit', { commits, offsetFetches: [fetched(3, 30)] })).toHaveLength(1);
    expect(found('offset-commit', { commits, offsetFetches: [fetched(undefined, 30)] })).toHaveLength(1);
    expect(found('offset-commit', { commits, offsetFetches: [fetched(9, 30)] })).toHaveLength(1);
    expect(found('offset-commit', { commits: [], offsetFetches: [fetched(undefined, 30)] })).toEqual([]);
  });
  test('offset-commit should let what is under way, or in doubt, be told or not', () => {
    const doubtful = [commit(3, 10), commit(9, 20, { outcome: 'info', completedAt: Number.POSITIVE_INFINITY })];
    for (const offset of [3, 9])
      expect(found('offset-commit', { commits: doubtful, offsetFetches: [fetched(offset, 30)] })).toEqual([]);
    const aborted = [commit(3, 10), commit(9, 20, { outcome: 'fail' })];
    expect(found('offset-commit', { commits: aborted, offsetFetches: [fetched(9, 30)] })).toHaveLength(1);
  });
});

test('hw-monotonic should see an end that steps back for a client', () => {
  const seen = (client: string, highWatermark: number, more: object = {}) => ({
    client,
    key: 'k',
    atMs: highWatermark,
    start: 0,
    highWatermark,
    lastStable: highWatermark,
    ...more,
  });
  expect(found('hw-monotonic', { ends: [seen('c1', 5), seen('c1', 5), seen('c2', 4), seen('c1', 6)] })).toEqual([]);
  expect(found('hw-monotonic', { ends: [seen('c1', 5), seen('c1', 4)] })).toHaveLength(2);
  expect(found('hw-monotonic', { ends: [seen('c1', 5, { lastStable: 6 })] })).toHaveLength(1);
  expect(found('hw-monotonic', { ends: [seen('c1', 5, { start: 6 })] })).toHaveLength(1);
});

test('fetch-gives should see two empty answers in a row that tell of more', () => {
  const seen = (offset: number, stable: number, answerBytes: number) => ({
    client: 'c',
    key: 'k',
    atMs: offset,
    offset,
    stable,
    answerBytes,
  });
  expect(found('fetch-gives', { fetches: [seen(5, 5, 0), seen(5, 9, 0), seen(5, 9, 80), seen(9, 9, 0)] })).toEqual([]);
  expect(found('fetch-gives', { fetches: [seen(5, 9, 0), seen(5, 9, 0)] })).toHaveLength(1);
});

test('epochs-grow should see an epoch given twice, or a lower one', () => {
  const given = (producerId: number, epoch: number) => ({
    transactionalId: 't',
    producerId,
    epoch,
    atMs: 1,
    by: 'EndTxn' as const,
  });
  expect(found('epochs-grow', { epochs: [given(1, 0), given(1, 1), given(2, 0)] })).toEqual([]);
  expect(found('epochs-grow', { epochs: [given(1, 3), given(1, 3)] })).toHaveLength(1);
});

test('sequence should see a batch refused that was the next one', () => {
  const refusals = [{ key: 'k', producerId: 7, sequence: 3, errorCode: 45, atMs: 9 }];
  expect(found('sequence', { refusals })).toEqual([expect.stringMatching(/answered 45 to its batch of sequence 3/)]);
});

describe('what lies on the disks', () => {
  const good = [batch(0, 3), batch(3, 1), batch(4, 2)];
  test('offset-fold should see a gap, a batch of another length, and a bad checksum', () => {
    expect(found('offset-fold', { replicas: [replica('n1', good)] })).toEqual([]);
    expect(found('offset-fold', { replicas: [replica('n1', [batch(0, 3), batch(4, 1)])] })).toHaveLength(1);
    expect(found('offset-fold', { replicas: [replica('n1', [batch(0, 3, { lastOffset: 3 })])] })).toHaveLength(1);
    expect(found('offset-fold', { replicas: [replica('n1', [batch(0, 3, { intact: false })])] })).toHaveLength(1);
    expect(found('offset-fold', { replicas: [replica('n1', [batch(3, 3)])] })).toHaveLength(1);
  });
  test('replica-identity should see other bytes, and another cut', () => {
    expect(found('replica-identity', { replicas: [replica('n1', good), replica('n2', good.slice(0, 2))] })).toEqual([]);
    const other = [batch(0, 3), batch(3, 1, { digest: 99 })];
    expect(found('replica-identity', { replicas: [replica('n1', good), replica('n2', other)] })).toHaveLength(1);
    const cut = (sealed: boolean, ...lengths: number[]) =>
      replica('n2', [], {
        segments: lengths.map((length, index) => ({
          baseOffset: index * 3,
          sealed: sealed || index + 1 < lengths.length,
          batches: index === 0 ? good.slice(0, length) : good.slice(1),
        })),
      });
    expect(found('replica-identity', { replicas: [cut(false, 1, 1), cut(false, 1, 1)] })).toEqual([]);
    expect(found('replica-identity', { replicas: [cut(true, 2), cut(true, 3)] })).toHaveLength(1);
  });
  test('retention should see what is gone without a right, and starts that differ', () => {
    const from = (node: string, start: number) => replica(node, [], { start });
    expect(found('retention', { replicas: [from('n1', 0), from('n2', 0)] })).toEqual([]);
    expect(found('retention', { replicas: [from('n1', 4)] })).toHaveLength(1);
    expect(found('retention', { replicas: [from('n1', 4)], mayBeGoneBelow: new Map([['orders/0', 4]]) })).toEqual([]);
    expect(
      found('retention', { replicas: [from('n1', 4), from('n2', 2)], mayBeGoneBelow: new Map([['orders/0', 4]]) }),
    ).toHaveLength(1);
  });
  test('sequence should see a gap, a repeat, an old epoch, and a new one that does not begin at 0', () => {
    const by = (offset: number, baseSequence: number, more: object = {}) =>
      batch(offset, 1, { producerId: 7, producerEpoch: 0, baseSequence, ...more });
    const of = (...batches: ReturnType<typeof batch>[]) => found('sequence', { replicas: [replica('n1', batches)] });
    expect(of(by(0, 5), by(1, 6), by(2, 0, { producerEpoch: 1 }), by(3, 1, { producerEpoch: 1 }))).toEqual([]);
    expect(of(by(0, 2 ** 31 - 1), by(1, 0))).toEqual([]);
    expect(of(by(0, 5), by(1, 7))).toHaveLength(1);
    expect(of(by(0, 5), by(1, 5))).toHaveLength(1);
    expect(of(by(0, 5, { producerEpoch: 1 }), by(1, 6))).toHaveLength(1);
    expect(of(by(0, 5), by(1, 6, { producerEpoch: 1 }))).toHaveLength(1);
    const end = by(1, -1, { isControl: true, producerEpoch: 1 });
    expect(of(by(0, 5), end, by(2, 0, { producerEpoch: 1 }))).toEqual([]);
    expect(of(by(0, 5), end, by(2, 6))).toHaveLength(1);
  });
});

test('metrics-truth, bounded and liveness should see what is off', () => {
  const metric = { node: 'n1', atMs: 5, name: 'raft_term', shown: 3, least: 3, most: 4 };
  expect(found('metrics-truth', { metrics: [metric] })).toEqual([]);
  expect(found('metrics-truth', { metrics: [{ ...metric, shown: 5 }] })).toEqual([
    'n1 shows raft_term 5; it is between 3 and 4',
  ]);
  expect(found('metrics-truth', { metrics: [{ ...metric, shown: undefined }] })).toHaveLength(1);
  const gauge = { node: 'n1', atMs: 5, name: 'waiters', value: 20_000, limit: 20_000 };
  expect(found('bounded', { gauges: [gauge] })).toEqual([]);
  expect(found('bounded', { gauges: [{ ...gauge, value: 20_001 }] })).toHaveLength(1);
  const looked = { fromMs: 100, toMs: 60_000 };
  const back = { what: 'leaders', healedAtMs: 100, withinMs: 10_000, reachedAtMs: 9_000, missing: undefined, looked };
  expect(found('liveness', { recovery: [back] })).toEqual([]);
  expect(found('liveness', { recovery: [{ ...back, reachedAtMs: 11_000 }] })).toEqual([
    'leaders: expected within 10000 ms of healing, it took 10900 ms',
  ]);
  expect(
    found('liveness', { recovery: [{ ...back, reachedAtMs: Number.POSITIVE_INFINITY, missing: 'group 3' }] }),
  ).toEqual(['leaders: expected within 10000 ms of healing, it never came to that (group 3)']);
});

test('liveness should neither find nor pass what nobody looked at up to the end of its time', () => {
  const never = Number.POSITIVE_INFINITY;
  const goal = { what: 'leaders', healedAtMs: 100, withinMs: 10_000, reachedAtMs: never, missing: 'group 3' };
  const judged = (more: Partial<StreamBusEvidence>) => {
    const { violations, undecided } = liveness.run(evidenceOf(more));
    return [violations.map(({ message }) => message), undecided];
  };
  expect(judged({ recovery: [{ ...goal, looked: { fromMs: 100, toMs: 10_099 } }] })).toEqual([
    [],
    'not decided: leaders: last looked at 9999 ms after healing, of 10000 ms (group 3)',
  ]);
  expect(judged({ recovery: [{ ...goal, missing: undefined, looked: undefined }] })).toEqual([
    [],
    'not decided: leaders: nobody had looked when the run ended',
  ]);
  expect(judged({ recovery: [{ ...goal, reachedAtMs: 20_000, looked: { fromMs: 19_000, toMs: 20_000 } }] })).toEqual([
    [],
    'not decided: leaders: looked at for the first time when its time was up',
  ]);
  // What was too late is found beside what is open.
  const late = { ...goal, looked: { fromMs: 100, toMs: 10_100 } };
  const open = { ...goal, what: 'writes', looked: undefined };
  expect(judged({ recovery: [late, open] })).toEqual([
    ['leaders: expected within 10000 ms of healing, it never came to that (group 3)'],
    'not decided: writes: nobody had looked when the run ended',
  ]);
  expect(judged({ unlooked: 'a check has found something before' })).toEqual([
    [],
    'not decided: a check has found something before',
  ]);
  expect(judged({})).toEqual([[], undefined]);
});
