import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Consumer, Producer, stringDeserializers, stringSerializers } from '@platformatic/kafka';
import { Kafka, type KafkaConfig, logLevel, type SASLOptions } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AclBinding } from '../../../src/engines/streambus/meta/metadata.ts';
import { credentialOf } from '../../../src/engines/streambus/security/scramKeys.ts';
import { eventually, type LocalCluster, makeCertificate, startCluster } from './support/cluster.ts';
import { hasKcat, kcat, linesOf } from './support/kcat.ts';

const directory = mkdtempSync(join(tmpdir(), 'hotfire-streambus-tls-'));
let cluster: LocalCluster;
let ca: string;
let certFile: string;
const closing: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  const made = makeCertificate(directory);
  ca = made.ca;
  certFile = made.cert;
  cluster = await startCluster({
    brokers: 1,
    config: {
      security: {
        tls: { cert: made.cert, key: made.key },
        sasl: { mechanisms: ['SCRAM-SHA-256', 'SCRAM-SHA-512', 'PLAIN'] },
        acl: { enabled: true, super_users: ['User:admin'] },
      },
    },
  });
  const commands = cluster.brokers.get(1)?.services.commands;
  if (commands === undefined) throw new Error('broker 1 runs');
  const upserts = (['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const).flatMap((mechanism) =>
    ['admin', 'reader'].map((user) => ({
      user,
      ...credentialOf(mechanism, `${user}-secret`, new Uint8Array(16).fill(3), 4_096),
    })),
  );
  await commands.submit({ type: 'alter-scram', upserts, deletions: [] });
  const permitted: readonly Partial<AclBinding>[] = [
    { resourceType: 'topic', operation: 'read' },
    { resourceType: 'group', operation: 'read' },
  ];
  await commands.submit({
    type: 'create-acls',
    bindings: permitted.map((rule) => ({
      resourceType: 'topic',
      resourceName: 'open-',
      patternType: 'prefixed',
      principal: 'User:reader',
      host: '*',
      operation: 'read',
      permission: 'allow',
      ...rule,
    })),
  });
});
afterAll(async () => {
  // What a client meets while it leaves is not what is tested.
  await Promise.allSettled(closing.map((close) => close()));
  await cluster?.stop();
  rmSync(directory, { recursive: true, force: true });
});

function kafkajsAs(sasl: SASLOptions | undefined, ssl: KafkaConfig['ssl'] = { ca: [ca] }): Kafka {
  return new Kafka({
    clientId: 'kafkajs-secure',
    brokers: cluster.bootstrap,
    logLevel: logLevel.NOTHING,
    retry: { retries: 2 },
    ...(ssl === undefined ? {} : { ssl }),
    ...(sasl === undefined ? {} : { sasl }),
  });
}

const mechanisms = ['SCRAM-SHA-256', 'SCRAM-SHA-512', 'PLAIN'] as const;

describe.each(mechanisms)('%s over TLS', (mechanism) => {
  const name = `open-${mechanism.toLowerCase()}`;

  test('kafkajs produces and consumes; a wrong password is refused', async () => {
    const lower = mechanism.toLowerCase() as 'scram-sha-256' | 'scram-sha-512' | 'plain'; // the names of kafkajs
    // One member of the union at a time is what its types know.
    const saslOf = (password: string) => ({ mechanism: lower, username: 'admin', password }) as SASLOptions;
    const kafka = kafkajsAs(saslOf('admin-secret'));
    const producer = kafka.producer();
    await producer.connect();
    await producer.send({ topic: name, messages: [{ value: 'by kafkajs' }] });
    await producer.disconnect();
    const consumer = kafka.consumer({ groupId: `open-kafkajs-${lower}`, maxWaitTimeInMs: 100 });
    closing.push(() => consumer.disconnect());
    const values: string[] = [];
    await consumer.connect();
    await consumer.subscribe({ topic: name, fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ message }) => {
        values.push(message.value?.toString() ?? '');
      },
    });
    await eventually(
      () => values,
      (seen) => seen.includes('by kafkajs'),
    );
    const admin = kafkajsAs(saslOf('wrong')).admin();
    await expect(admin.connect()).rejects.toThrow(/[Aa]uthentication failed/);
  });

  test('platformatic produces and consumes', async () => {
    const options = {
      clientId: 'platformatic-secure',
      bootstrapBrokers: cluster.bootstrap,
      tls: { ca: [ca] },
      sasl: { mechanism, username: 'admin', password: 'admin-secret' },
    };
    const producer = new Producer({ ...options, serializers: stringSerializers });
    closing.push(() => producer.close());
    await producer.send({ messages: [{ topic: name, value: 'by platformatic' }] });
    const consumer = new Consumer({
      ...options,
      groupId: `open-platformatic-${mechanism}`,
      deserializers: stringDeserializers,
    });
    closing.push(() => consumer.close(true));
    const stream = await consumer.consume({ topics: [name], mode: 'earliest', maxWaitTime: 100 });
    const values: string[] = [];
    stream.on('data', ({ value }) => {
      values.push(value);
    });
    await eventually(
      () => values,
      (seen) => seen.includes('by platformatic'),
    );
  });

  test.skipIf(!hasKcat)('kcat produces and consumes; a wrong password is refused', async () => {
    const args = (password: string): string[] =>
      [
        `security.protocol=SASL_SSL`,
        `sasl.mechanisms=${mechanism}`,
        'sasl.username=admin',
        `sasl.password=${password}`,
        `ssl.ca.location=${certFile}`,
      ].flatMap((setting) => ['-X', setting]);
    const broker = ['-b', cluster.bootstrap.join(',')];
    const produced = await kcat([...broker, ...args('admin-secret'), '-P', '-q', '-t', name], 'by kcat\n');
    expect([produced.status, produced.err]).toEqual([0, '']);
    const consumed = await kcat([
      ...[...broker, ...args('admin-secret')],
      ...['-C', '-t', name, '-o', 'beginning', '-e', '-q'],
    ]);
    expect(linesOf(consumed.out)).toContain('by kcat');
    const refused = await kcat([...broker, ...args('wrong'), '-L', '-m', '3']);
    expect(refused.status).not.toBe(0);
    expect(refused.err).toMatch(/[Aa]uthentication/);
  });
});

test('who may read only is refused by name, and a client without TLS or without SASL gets nothing', async () => {
  const reader = kafkajsAs({ mechanism: 'scram-sha-256', username: 'reader', password: 'reader-secret' });
  const producer = reader.producer();
  closing.push(() => producer.disconnect());
  await producer.connect();
  const messages = [{ value: 'no' }];
  await expect(producer.send({ topic: 'open-plain', messages })).rejects.toMatchObject({
    type: 'TOPIC_AUTHORIZATION_FAILED',
  });
  await expect(producer.send({ topic: 'closed', messages })).rejects.toThrow();
  const admin = reader.admin();
  closing.push(() => admin.disconnect());
  await admin.connect();
  await expect(admin.createTopics({ topics: [{ topic: 'open-new' }] })).rejects.toThrow();
  expect((await admin.listTopics()).every((topic) => topic.startsWith('open-'))).toBe(true);
  const strangers = [
    kafkajsAs(undefined).admin(),
    kafkajsAs({ mechanism: 'plain', username: 'admin', password: 'admin-secret' }, false).admin(),
  ];
  for (const stranger of strangers) {
    closing.push(() => stranger.disconnect());
    // kafkajs connects without asking anything: it fails at the latest with the first request.
    await expect(stranger.connect().then(() => stranger.listTopics())).rejects.toThrow();
  }
});
