import { beforeEach, expect, test } from 'vitest';
import { Desk } from './desk.ts';

/** What an operator asks to see whether all is well. */
const questions = [
  'check-quorum',
  'cluster-health-check',
  'verify-data-integrity',
  'topics list',
  'groups list',
  'users list',
  'quotas show',
  'readonly show',
  'diagnose-latency',
];

let desk: Desk;
beforeEach(() => {
  desk = new Desk();
});

/** The exit code of a command line, and what it says, a broker's refusal too. */
async function said(line: string): Promise<{ readonly exit: number; readonly text: string }> {
  try {
    const exit = await desk.run(line);
    return { exit, text: desk.lines.join('\n') };
  } catch (error) {
    // As the command line and the stand print it.
    if (!(error instanceof Error) || error.name !== 'Refused') throw error;
    return { exit: 1, text: `✗ ${error.message}` };
  }
}

async function expectNotKnown(code: string): Promise<void> {
  for (const question of questions) {
    const { exit, text } = await said(question);
    expect(exit, `${question}: ${text}`).toBe(1);
    expect(text, question).toMatch(/^✗ the metadata is not known: .*; .*brokers/);
    expect(text, question).not.toContain('✓');
  }
  for (const path of [
    'raft/quorum',
    'topics',
    'partitions',
    'partitions/health',
    'cluster/members',
    'users',
    'readonly',
  ])
    expect(await desk.ask('GET', `/admin/${path}`), path).toMatchObject({ status: 503, body: { error: { code } } });
  expect(await desk.ask('GET', '/admin/topics', undefined, { broker: '2' })).toMatchObject({
    status: 503,
    body: { error: { code } },
  });
}

test('one of three brokers of a new cluster says that it knows nothing', async () => {
  desk.brokers.start(1);
  await desk.brokers.run(20_000);
  await expectNotKnown('NOT_READY');
});

test('one of three that comes back alone says that it knows nothing, also without its raft state', async () => {
  await desk.up();
  expect(await desk.run('topics create orders --partitions 2')).toBe(0);
  for (const broker of [1, 2, 3]) desk.brokers.stop(broker, 'kill');
  desk.brokers.start(1);
  await desk.brokers.run(20_000);
  await expectNotKnown('NOT_READY');
  desk.brokers.stop(1, 'kill');
  await desk.brokers.remove(1, '/data/raft-state');
  desk.brokers.start(1);
  await desk.brokers.run(20_000);
  await expectNotKnown('NOT_READY');
  desk.brokers.start(2, 3);
  await desk.brokers.until('three brokers', () => desk.brokers.ready.size === 3);
  await desk.brokers.run(20_000);
  expect(await said('topics list')).toMatchObject({ exit: 0, text: expect.stringContaining('orders') });
});

test('a broker that has lost the others names each group without a leader, and claims nothing of the cluster', async () => {
  await desk.up();
  expect(await desk.run('topics create orders --partitions 2')).toBe(0);
  desk.brokers.stop(2, 'kill');
  desk.brokers.stop(3, 'kill');
  await desk.brokers.run(30_000);
  const quorum = await said('check-quorum');
  expect(quorum.exit).toBe(1);
  expect(quorum.text.split('\n')).toHaveLength(1 + 16 + 2);
  expect(quorum.text).toContain('✗ metadata: 1/3 voters reachable (not broker-2, broker-3), no leader');
  expect(quorum.text).toContain('✗ orders/1: 1/3 voters reachable (not broker-2, broker-3), no leader');
  for (const question of ['verify-data-integrity', 'topics list', 'groups list', 'users list', 'readonly show']) {
    const { exit, text } = await said(question);
    expect(exit, question).toBe(1);
    expect(text, question).toMatch(
      /^✗ the metadata is not known: nobody is known to lead it at broker 1: .*check-quorum/,
    );
  }
  const health = await said('cluster-health-check');
  expect(health.exit).toBe(1);
  expect(health.text).toContain('✗ Raft: no quorum (1/3)');
  expect(health.text).toContain('✗ Partitions: the metadata is not known');
  const latency = await said('diagnose-latency');
  expect(latency.exit).toBe(1);
  expect(latency.text).toContain('! nobody leads the metadata');
  expect(await desk.ask('GET', '/admin/partitions/health')).toMatchObject({
    status: 503,
    body: { error: { code: 'NO_QUORUM' } },
  });
});
