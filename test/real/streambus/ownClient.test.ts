import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createClient, type StreamBusClient } from '../../../src/engines/streambus/client/client.ts';
import type { ClientOptions, SaslLogin } from '../../../src/engines/streambus/client/options.ts';
import { credentialOf } from '../../../src/engines/streambus/security/scramKeys.ts';
import { createRealHost } from '../../../src/real/host.ts';
import { type LocalCluster, makeCertificate, startCluster } from './support/cluster.ts';

const directory = mkdtempSync(join(tmpdir(), 'hotfire-own-client-'));
const host = createRealHost({ name: 'own-client', telemetry: { options: { level: 'error' } } });
const clients: StreamBusClient[] = [];
let cluster: LocalCluster;
let authorities: string;

beforeAll(async () => {
  const made = makeCertificate(directory);
  authorities = made.ca;
  cluster = await startCluster({
    brokers: 1,
    config: {
      security: {
        tls: { cert: made.cert, key: made.key },
        sasl: { mechanisms: ['SCRAM-SHA-256', 'SCRAM-SHA-512', 'PLAIN'] },
      },
    },
  });
  const upserts = (['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const).map((mechanism) => ({
    user: 'a,b=c',
    ...credentialOf(mechanism, 'secret', new Uint8Array(16).fill(3), 4_096),
  }));
  await cluster.brokers.get(1)?.services.commands.submit({ type: 'alter-scram', upserts, deletions: [] });
});

afterAll(async () => {
  for (const client of clients) client.close();
  await cluster.stop();
  rmSync(directory, { recursive: true, force: true });
});

function clientWith(options: Partial<ClientOptions>): StreamBusClient {
  const bootstrap = cluster.bootstrap.map((text) => {
    const [name = '', port = ''] = text.split(':');
    return { host: name, port: Number(port) };
  });
  const client = createClient(host, { bootstrap, operationTimeoutMs: 5_000, ...options });
  clients.push(client);
  return client;
}

describe.each(['SCRAM-SHA-256', 'SCRAM-SHA-512', 'PLAIN'] as const)('own client, %s over TLS', (mechanism) => {
  const login: SaslLogin = { mechanism, user: 'a,b=c', password: 'secret' };

  test('sends and reads', async () => {
    const client = clientWith({ tls: { authorities }, sasl: login });
    const topic = `own-${mechanism.toLowerCase()}`;
    await client.admin.createTopics([{ name: topic, partitions: 1 }]);
    const sent = await client.producer().send({ topic, partition: 0, key: 'k', value: 'v' });
    expect(sent).toMatchObject({ offset: 0 });
    const consumer = client.consumer();
    consumer.assign([{ topic, partition: 0 }]);
    const [record] = await consumer.poll(5_000);
    expect(Buffer.from(record?.value ?? []).toString()).toBe('v');
  });

  test('is refused with a wrong password, without trying again', async () => {
    const client = clientWith({ tls: { authorities }, sasl: { ...login, password: 'wrong' } });
    await expect(client.admin.topics()).rejects.toMatchObject({ code: 'AUTHENTICATION', outcome: 'definite' });
  });
});

test('does not talk to a broker whose certificate nobody vouches for', async () => {
  const client = clientWith({ tls: {}, operationTimeoutMs: 500 });
  await expect(client.admin.topics()).rejects.toMatchObject({ code: 'CONNECTION', outcome: 'definite' });
});
