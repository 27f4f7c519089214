import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { keysOf } from '../../../src/daemon/config/keys.ts';
import { formatProblem, problemsOf } from '../../../src/daemon/config/problems.ts';
import { parseConfigText } from '../../../src/daemon/config/source.ts';
import { changedKeys } from '../../../src/engines/configChanges.ts';
import { adminCommands } from '../../../src/engines/streambus/admin/commands/all.ts';
import { parsePeer, reloadableKeys, reloadInto, streamBusConfigSchema } from '../../../src/engines/streambus/config.ts';
import { topicSettings } from '../../../src/engines/streambus/meta/topicSettings.ts';
import { bytesOf, millisOf, sizeText, spanText } from '../../../src/engines/streambus/quantities.ts';
import { createStreamBus } from '../../../src/engines/streambus/streambus.ts';
import { World } from '../../../src/sim/world.ts';

/** What `hotfire serve streambus --validate-config` says of a text. */
function complaints(text: string): string[] {
  const source = parseConfigText('broker.yaml', text);
  const parsed = streamBusConfigSchema.safeParse(source.value);
  if (parsed.success) return [];
  const keys = keysOf(streamBusConfigSchema);
  return problemsOf(parsed.error.issues, source.value, keys, (path) => `broker.yaml:${source.lineOf(path)}`).map(
    formatProblem,
  );
}

test("the runbook's configuration is taken as it stands", () => {
  const text = `
storage:
  retention:
    max_bytes: 100GB  # Per topic
    max_age: 7d
  compaction:
    enabled: true
    interval: 1h
    target_size: 50GB
  flush_interval: "5s"
network:
  compression: true
server:
  max_memory: 8GB
`;
  expect(complaints(text)).toEqual([]);
  const { storage, server } = streamBusConfigSchema.parse(parseConfigText('broker.yaml', text).value);
  expect(storage.retention).toEqual({ max_bytes: 100 * 2 ** 30, max_age: 604_800_000 });
  expect(storage.flush_interval).toBe(5_000);
  expect(server.max_memory).toBe(8 * 2 ** 30);
});

test('a parsed configuration parses to itself', () => {
  const config = streamBusConfigSchema.parse({
    server: { broker_id: 2 },
    cluster: { peers: ['1:a:9093', '2:[::1]:9093'] },
  });
  expect(streamBusConfigSchema.parse(config)).toEqual(config);
  expect(streamBusConfigSchema.parse({})).toMatchObject({
    server: { port: 9092, rpc_port: 9093, http_port: 8080 },
    cluster: { auto_format: true, raft: { tick: 100, heartbeat_ticks: 2, election_ticks: 10 } },
    shards: { groups: 8, transactions: 8 },
  });
});

test.each([
  [
    'storage:\n  flush_intervall: 5s',
    /^broker\.yaml:2: storage\.flush_intervall: .*did you mean storage\.flush_interval\?$/,
  ],
  [
    'storage:\n  flush_interval: 5',
    /^broker\.yaml:2: storage\.flush_interval: expected a span of time such as 5s, 100ms to 1m, got 5$/,
  ],
  ['storage:\n  flush_interval: 5x', /got "5x"$/],
  ['storage:\n  segment_size: 1KB', /expected a size such as 64MB, 1MB to 2GB, got "1KB"$/],
  ['server:\n  broker_id: 0', /server\.broker_id: expected at least 1, got 0$/],
  ['cluster:\n  peers: ["1:a"]\nserver:\n  broker_id: 1', /expected id:host:port of a broker's RPC/],
  ['cluster:\n  peers: ["1:a:1", "1:b:1"]\nserver:\n  broker_id: 1', /expected each broker once, got 1 twice$/],
  ['cluster:\n  peers: ["1:a:1"]', /server\.broker_id: expected the number of this broker/],
  [
    'cluster:\n  raft:\n    heartbeat_ticks: 10',
    /election_ticks: expected more than cluster\.raft\.heartbeat_ticks = 10, got 10$/,
  ],
  ['security:\n  sasl:\n    mechanisms: [PLAIN]', /expected security\.tls with PLAIN/],
  ['server:\n  rpc_port: 9092', /server\.rpc_port: expected another port than server\.port, got 9092 for both$/],
  ['server:\n  http_port: 9093', /server\.http_port: expected another port than server\.rpc_port, got 9093 for both$/],
  ['backup:\n  keep: 3', /^broker\.yaml:1: backup: expected one of server, cluster, /],
])('%j is refused with its line and what to do', (text, complaint) => {
  expect(complaints(text)).toEqual([expect.stringMatching(complaint)]);
});

test('what can change while running is taken over in place, the rest waits for a restart', () => {
  const config = streamBusConfigSchema.parse({});
  const { storage } = config;
  const next = streamBusConfigSchema.parse({
    storage: { flush_interval: '1s', segment_size: '1MB', retention: { max_age: '1h' } },
    quotas: { default: { produce_rate: 5 } },
    network: { max_connections: 100 },
  });
  expect(reloadInto(config, next)).toEqual({
    applied: ['quotas.default.produce_rate', 'storage.flush_interval', 'storage.retention.max_age'],
    needRestart: ['network.max_connections', 'storage.segment_size'],
  });
  expect(storage).toBe(config.storage);
  expect(config.storage).toMatchObject({
    flush_interval: 1_000,
    segment_size: 2 ** 28,
    retention: { max_age: 3_600_000 },
  });
  expect(config.network.max_connections).toBe(2_000);
  expect(changedKeys(config, next)).toEqual(['network.max_connections', 'storage.segment_size']);
});

test('each reloadable key is one, and reloading changes no other', () => {
  const leaves = new Set(keysOf(streamBusConfigSchema).leaves.map((path) => path.join('.')));
  for (const key of reloadableKeys) expect(leaves).toContain(key);
});

test('sizes, spans and peers are read and written', () => {
  expect(['1', '1kb', '1.5 MB', '2GiB', '1PB', '-1', ''].map(bytesOf)).toEqual([
    1,
    1_024,
    1_572_864,
    2_147_483_648,
    undefined,
    undefined,
    undefined,
  ]);
  expect(['100ms', '5s', '1.5h', '7d', '5', 's'].map(millisOf)).toEqual([
    100,
    5_000,
    5_400_000,
    604_800_000,
    undefined,
    undefined,
  ]);
  expect([sizeText(2 ** 28), sizeText(1_500), spanText(90_000), spanText(604_800_000)]).toEqual([
    '256MB',
    '1500',
    '90s',
    '7d',
  ]);
  expect(parsePeer('3:[fe80::1]:9093')).toEqual({ broker: 3, host: 'fe80::1', port: 9093 });
  expect(['3:host', 'x:host:1', '0:host:1', '1:host:70000', '1::1:1'].map(parsePeer)).toEqual(Array(5).fill(undefined));
});

test('the page for operators has every key, every route, every command and every metric', async () => {
  const text = readFileSync(join(import.meta.dirname, '../../../docs/streambus.md'), 'utf8');
  for (const path of keysOf(streamBusConfigSchema).leaves) expect(text).toContain(`\`${path.join('.')}\``);
  for (const name of topicSettings.keys()) expect(text).toContain(`\`${name}\``);
  for (const name of adminCommands.keys()) expect(text).toContain(`\`${name}`);
  const world = new World({ seed: 1 });
  world.addMachine('b1').start('routes', (host) => {
    const bus = createStreamBus(host, streamBusConfigSchema.parse({}));
    for (const { method, path } of bus.routes) expect(text).toContain(`\`${method} ${path}`);
    for (const { name } of host.telemetry.registry.getMetricsAsArray()) {
      expect(text).toContain(`\`${name.replace(/^streambus_/, '')}\``);
    }
  });
  await world.run({ toMs: 1_000 });
});
