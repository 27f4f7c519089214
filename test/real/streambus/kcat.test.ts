import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRealHost } from '../../../src/real/host.ts';
import { apiKeys } from '../../../src/wire/kafka/apis.ts';
import { WireClient } from '../../engines/streambus/kafka/support/wireClient.ts';
import { eventually, type LocalCluster, startCluster } from './support/cluster.ts';
import { hasKcat, kcat, linesOf, type RunningKcat, startKcat } from './support/kcat.ts';

let cluster: LocalCluster;
const running: RunningKcat[] = [];

/** What every kcat of these tests is told: where, and to find new partitions soon. */
const brokers = (): string[] => ['-b', cluster.bootstrap.join(','), '-X', 'topic.metadata.refresh.interval.ms=500'];
const numbers = (count: number): string[] => Array.from({ length: count }, (_, n) => `${n}`);

async function topic(name: string, numPartitions: number): Promise<string> {
  const [first = ''] = cluster.bootstrap;
  const [host = '', port = ''] = first.split(':');
  const client = await WireClient.open(createRealHost({ name: 'test', telemetry: { options: { level: 'error' } } }), {
    host,
    port: Number(port),
  });
  const { topics } = await client.call(apiKeys.CreateTopics, 7, {
    topics: [{ name, numPartitions, replicationFactor: 3 }],
    timeoutMs: 20_000,
  });
  expect(topics[0]).toMatchObject({ errorCode: 0 });
  client.connection.destroy();
  return name;
}

async function produce(name: string, lines: readonly string[], ...more: string[]): Promise<void> {
  const { status, err } = await kcat([...brokers(), '-P', '-q', '-t', name, ...more], `${lines.join('\n')}\n`);
  expect(err).toBe('');
  expect(status).toBe(0);
}

async function consume(name: string, ...more: string[]): Promise<string[]> {
  const { status, out } = await kcat([...brokers(), '-C', '-t', name, '-o', 'beginning', '-e', '-q', ...more]);
  expect(status).toBe(0);
  return linesOf(out);
}

function join(group: string, name: string, ...settings: string[]): RunningKcat {
  const args = ['-G', group, '-X', 'auto.offset.reset=earliest', '-X', 'session.timeout.ms=30000'];
  const more = ['heartbeat.interval.ms=300', ...settings].flatMap((setting) => ['-X', setting]);
  const member = startKcat([...brokers(), ...args, ...more, '-u', name]);
  running.push(member);
  return member;
}

/** The partitions that a member of a group was given last. */
function assigned(member: RunningKcat): string[] {
  const last = member
    .err()
    .split('\n')
    .filter((line) => line.includes('assigned:'))
    .at(-1);
  return last?.slice(last.indexOf('assigned:')).match(/\[\d+\]/g) ?? [];
}

describe.skipIf(!hasKcat)('kcat', () => {
  beforeAll(async () => {
    cluster = await startCluster({ brokers: 3 });
  });
  afterAll(async () => {
    for (const { process } of running) process.kill('SIGKILL');
    await cluster?.stop();
  });

  test('lists brokers and topics', async () => {
    await topic('listed', 2);
    const { out } = await kcat([...brokers(), '-L']);
    expect(out).toContain('3 brokers:');
    expect(out).toContain('topic "listed" with 2 partitions:');
  });

  test('produces and consumes keys, values and headers, in order', async () => {
    const name = await topic('plain', 1);
    await produce(name, ['a:1', 'b:2', 'c:'], '-K:', '-H', 'h=x');
    const lines = await consume(name, '-f', '%k=%s %h %o\n');
    expect(lines).toEqual(['a=1 h=x 0', 'b=2 h=x 1', 'c= h=x 2']);
  });

  test('each codec comes back as it was', async () => {
    const name = await topic('codecs', 1);
    const expected: string[] = [];
    for (const codec of ['gzip', 'snappy', 'lz4', 'zstd']) {
      const lines = numbers(50).map((n) => `${codec} ${n} ${'x'.repeat(100)}`);
      await produce(name, lines, '-z', codec);
      expected.push(...lines);
    }
    expect(await consume(name)).toEqual(expected);
  });

  test('asks for offsets by time', async () => {
    const name = await topic('asked', 1);
    await produce(name, numbers(5));
    expect((await kcat([...brokers(), '-Q', '-t', `${name}:0:-1`])).out.trim()).toBe(`${name} [0] offset 5`);
    expect((await kcat([...brokers(), '-Q', '-t', `${name}:0:-2`])).out.trim()).toBe(`${name} [0] offset 0`);
    expect((await kcat([...brokers(), '-Q', '-t', `${name}:0:1`])).out.trim()).toBe(`${name} [0] offset 0`);
  });

  test('an idempotent producer leaves each message once, in order', async () => {
    const name = await topic('idempotent', 1);
    await produce(name, numbers(2_000), '-X', 'enable.idempotence=true', '-X', 'linger.ms=1');
    expect(await consume(name)).toEqual(numbers(2_000));
  });

  test('a transaction is seen once it is committed', async () => {
    const name = await topic('transacted', 2);
    await produce(name, numbers(20), '-X', 'transactional.id=kcat-tx');
    await produce(name, ['again'], '-X', 'transactional.id=kcat-tx');
    const lines = await consume(name, '-X', 'isolation.level=read_committed');
    expect(lines.sort()).toEqual([...numbers(20), 'again'].sort());
  });

  test('two members share a group, and one takes all again when the other leaves', async () => {
    const name = await topic('shared', 4);
    const first = join('kcat-shared', name);
    await eventually(
      () => assigned(first),
      (partitions) => partitions.length === 4,
    );
    const second = join('kcat-shared', name);
    await eventually(
      () => [assigned(first), assigned(second)],
      ([one = [], two = []]) => one.length === 2 && two.length === 2,
    );
    await produce(name, numbers(40), '-p', '-1');
    await eventually(
      () => linesOf(first.out()).length + linesOf(second.out()).length,
      (count) => count >= 40,
    );
    expect([...linesOf(first.out()), ...linesOf(second.out())].sort()).toEqual(numbers(40).sort());
    second.process.kill('SIGTERM');
    await second.done;
    await eventually(
      () => assigned(first),
      (partitions) => partitions.length === 4,
    );
  });

  test('members that give partitions up one by one, and keep their places, share a group', async () => {
    const name = await topic('cooperative', 4);
    const strategy = 'partition.assignment.strategy=cooperative-sticky';
    const first = join('kcat-cooperative', name, strategy, 'group.instance.id=one');
    await produce(name, numbers(8), '-p', '-1');
    await eventually(
      () => linesOf(first.out()).length,
      (count) => count === 8,
    );
    const second = join('kcat-cooperative', name, strategy, 'group.instance.id=two');
    await eventually(
      () => second.err(),
      (told) => told.includes('assignment of 2 partition(s)'),
    );
    // Both read by now: what comes is read once, by one or the other.
    let round = 0;
    await eventually(
      async () => {
        await produce(name, numbers(20), '-p', '-1');
        round += 1;
        return linesOf(second.out()).length;
      },
      (count) => count > 0,
    );
    await eventually(
      () => linesOf(first.out()).length + linesOf(second.out()).length,
      (count) => count >= 8 + 20 * round,
    );
    expect(linesOf(first.out()).length + linesOf(second.out()).length).toBe(8 + 20 * round);
  });

  test('a group goes on where it has committed', async () => {
    const name = await topic('resumed', 1);
    await produce(name, numbers(10));
    const args = ['-G', 'kcat-resumed', '-X', 'auto.offset.reset=earliest', '-q'];
    const first = await kcat([...brokers(), ...args, '-c', '6', name]);
    expect(linesOf(first.out)).toEqual(numbers(6));
    const second = await kcat([...brokers(), ...args, '-c', '4', name]);
    expect(linesOf(second.out)).toEqual(['6', '7', '8', '9']);
  });

  test('a missing topic is made when it is produced to', async () => {
    await produce('made-by-kcat', ['x']);
    expect(await consume('made-by-kcat')).toEqual(['x']);
  });
});
