import { z } from 'zod';
import { changedKeys, reloadReport } from '../configChanges.ts';
import type { BrokerId } from './ids.ts';
import { size, span } from './quantities.ts';

const KB = 1024;
const MB = 1024 * KB;
const GB = 1024 * MB;
const TB = 1024 * GB;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/** Largest number of a broker: Kafka's node ids are 32 bits, signed. */
export const maxBrokerId = 2_147_483_647;

const port = z.int().min(1).max(65_535);
const path = z
  .string()
  .regex(/^\/[^\0]*$/, 'expected an absolute path')
  .transform((value) => (value.length > 1 ? value.replace(/\/+$/, '') : value));
const rate = z.int().min(1).max(1_000_000_000).optional();

const server = z.strictObject({
  broker_id: z
    .int()
    .min(1)
    .max(maxBrokerId)
    .optional()
    .describe('number of this broker, for ever; 1 where it has no peers'),
  host: z.string().min(1).default('0.0.0.0').describe('where Kafka, RPC and HTTP are listened for'),
  advertised_host: z
    .string()
    .min(1)
    .optional()
    .describe('what clients and brokers are told; default: the name of the machine'),
  port: port.default(9092),
  rpc_port: port.default(9093),
  http_port: port.default(8080),
  max_memory: size(64 * MB, 1 * TB)
    .optional()
    .describe('budget: cache 20 %, requests in flight 10 %; default: half of the memory of the cgroup, at most 8GB'),
});

const raft = z.strictObject({
  tick: span(10, 1 * SECOND).default(100),
  heartbeat_ticks: z.int().min(1).max(100).default(2),
  election_ticks: z.int().min(3).max(1_000).default(10),
  max_uncommitted: size(1 * MB, 1 * GB)
    .default(64 * MB)
    .describe('of a group; beyond it a produce is refused with 19'),
});

const peer = z.string().refine((text) => parsePeer(text) !== undefined, {
  error: ({ input }) =>
    `expected id:host:port of a broker's RPC, such as 2:broker-2:9093, got ${JSON.stringify(input)}`,
});

const cluster = z.strictObject({
  id: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,64}$/, 'expected 1 to 64 letters, digits, dots, dashes or underscores')
    .optional()
    .describe('name of the cluster; default: drawn at format'),
  peers: z
    .array(peer)
    .max(1_000)
    .default([])
    .describe('id:host:rpc_port of brokers to ask first, this one among them or not'),
  auto_format: z.boolean().default(true).describe('form a new cluster once every peer says that it has none'),
  rack: z.string().min(1).max(255).optional(),
  raft: raft.prefault({}),
});

const storage = z.strictObject({
  data_dir: path.default('/var/lib/streambus'),
  flush_interval: span(100, 60 * SECOND)
    .default(5 * SECOND)
    .describe('how often segments are synced; acknowledgements come from the journal'),
  segment_size: size(1 * MB, 2 * GB).default(256 * MB),
  segment_age: span(1 * MINUTE, 10 * YEAR).default(7 * DAY),
  journal: z
    .strictObject({
      segment_size: size(256 * KB, 1 * GB)
        .default(64 * MB)
        .describe('at least four of the largest messages'),
      max_batch: size(4 * KB, 16 * MB).default(1 * MB),
      max_wait: span(0, 1 * SECOND).default(0),
    })
    .prefault({}),
  retention: z
    .strictObject({
      max_bytes: size(1 * MB, 1024 * TB)
        .optional()
        .describe('of a topic, over its partitions; none when absent'),
      max_age: span(1 * SECOND, 100 * YEAR).default(7 * DAY),
    })
    .prefault({}),
  compaction: z
    .strictObject({
      enabled: z.boolean().default(true).describe('delete by retention from time to time; by hand it is always done'),
      interval: span(1 * SECOND, 30 * DAY).default(1 * HOUR),
      target_size: size(1 * MB, 1024 * TB)
        .optional()
        .describe('over it a metric says so; nothing is deleted for it'),
    })
    .prefault({}),
  read_only_below: z.number().min(0).max(0.5).default(0.05).describe('share of free space; back at + 0.03'),
  scrub_interval: span(1 * MINUTE, 1 * YEAR).default(7 * DAY),
});

const network = z.strictObject({
  compression: z.boolean().default(false).describe('zstd between brokers'),
  max_request: size(1 * MB, 1 * GB).default(100 * MB),
  max_connections: z.int().min(17).max(100_000).default(2_000).describe('16 of them are kept for administration'),
  idle_timeout: span(1 * SECOND, 1 * DAY).default(10 * MINUTE),
});

const topics = z.strictObject({
  auto_create: z.boolean().default(true),
  default_partitions: z.int().min(1).max(10_000).default(1),
  default_replication: z.int().min(1).max(7).default(3).describe('as many as there are brokers, where those are fewer'),
  max_message: size(1 * KB, 64 * MB).default(1 * MB),
  acks_one: z.enum(['quorum', 'leader']).default('quorum'),
});

const consumerGroups = z.strictObject({
  session_min: span(100, 1 * HOUR).default(6 * SECOND),
  session_max: span(1 * SECOND, 1 * DAY).default(30 * MINUTE),
  initial_delay: span(0, 5 * MINUTE).default(3 * SECOND),
  offsets_retention: span(1 * MINUTE, 10 * YEAR).default(7 * DAY),
});

const transactions = z.strictObject({
  max_timeout: span(1 * SECOND, 1 * DAY).default(15 * MINUTE),
  id_expiration: span(1 * MINUTE, 1 * YEAR).default(7 * DAY),
});

const shards = z.strictObject({
  groups: z.int().min(1).max(500).default(8),
  transactions: z.int().min(1).max(500).default(8),
});

const replication = z.strictObject({
  catchup_rate: size(64 * KB, 16 * GB)
    .default(64 * MB)
    .describe('bytes a second that a broker gives to replicas that catch up'),
});

const quotas = z.strictObject({
  default: z
    .strictObject({
      produce_rate: rate.describe('records a second, of a client id at a broker'),
      fetch_rate: rate,
      produce_bytes_rate: rate,
      fetch_bytes_rate: rate,
    })
    .prefault({}),
});

const slowQuery = z.strictObject({
  threshold: span(1, 1 * HOUR).default(500),
  size: z.int().min(1).max(100_000).default(1_000),
});

const tls = z.strictObject({ cert: path, key: path, client_ca: path.optional() });

const security = z.strictObject({
  tls: tls.optional().describe('of the Kafka listener'),
  sasl: z
    .strictObject({
      mechanisms: z.array(z.enum(['SCRAM-SHA-256', 'SCRAM-SHA-512', 'PLAIN'])).default([]),
      session_lifetime: span(1 * SECOND, 30 * DAY)
        .optional()
        .describe('after it a connection must authenticate again; for ever when absent'),
    })
    .prefault({}),
  acl: z
    .strictObject({
      enabled: z.boolean().default(false),
      super_users: z.array(z.string().regex(/^User:.+$/, 'expected User:name')).default([]),
    })
    .prefault({}),
  inter_broker: z
    .strictObject({
      secret_file: path.optional().describe('brokers prove to each other that they have the same secret'),
      tls: tls.optional(),
    })
    .prefault({}),
  admin: z
    .strictObject({
      token_file: path.optional().describe('one "token role[,role]" a line; needed beyond loopback'),
      tls: tls.optional(),
      allow_anonymous: z.boolean().default(false),
    })
    .prefault({}),
});

const debug = z.strictObject({ pprof: z.boolean().default(true) });

/** The configuration of a broker, as its file has it. `parse({})` gives every default; unknown keys are errors. */
export const streamBusConfigSchema = z
  .strictObject({
    server: server.prefault({}),
    cluster: cluster.prefault({}),
    storage: storage.prefault({}),
    network: network.prefault({}),
    topics: topics.prefault({}),
    consumer_groups: consumerGroups.prefault({}),
    transactions: transactions.prefault({}),
    shards: shards.prefault({}),
    replication: replication.prefault({}),
    quotas: quotas.prefault({}),
    slow_query: slowQuery.prefault({}),
    security: security.prefault({}),
    debug: debug.prefault({}),
  })
  .superRefine((config, context) => {
    const issue = (key: readonly string[], message: string) =>
      context.addIssue({ code: 'custom', path: [...key], message });
    const ports = (['port', 'rpc_port', 'http_port'] as const).map((key) => ({ key, port: config.server[key] }));
    for (const [at, { key, port: own }] of ports.entries()) {
      const same = ports.slice(0, at).find(({ port: other }) => other === own);
      if (same !== undefined)
        issue(['server', key], `expected another port than server.${same.key}, got ${own} for both`);
    }
    const { raft: clock, peers } = config.cluster;
    if (clock.election_ticks <= clock.heartbeat_ticks) {
      issue(
        ['cluster', 'raft', 'election_ticks'],
        `expected more than cluster.raft.heartbeat_ticks = ${clock.heartbeat_ticks}, got ${clock.election_ticks}`,
      );
    }
    if (peers.length > 0 && config.server.broker_id === undefined) {
      issue(['server', 'broker_id'], 'expected the number of this broker, since cluster.peers names others');
    }
    const ids = peers.map((text) => parsePeer(text)?.broker);
    const twice = ids.find((id, at) => ids.indexOf(id) !== at);
    if (twice !== undefined) issue(['cluster', 'peers'], `expected each broker once, got ${twice} twice`);
    if (config.consumer_groups.session_min > config.consumer_groups.session_max) {
      issue(
        ['consumer_groups', 'session_min'],
        `expected at most consumer_groups.session_max = ${config.consumer_groups.session_max} ms, got ${config.consumer_groups.session_min} ms`,
      );
    }
    if (config.topics.max_message > config.network.max_request) {
      issue(
        ['topics', 'max_message'],
        `expected at most network.max_request = ${config.network.max_request}, got ${config.topics.max_message}`,
      );
    }
    if (config.storage.journal.segment_size < 4 * config.topics.max_message) {
      issue(
        ['storage', 'journal', 'segment_size'],
        `expected at least four times topics.max_message = ${config.topics.max_message}, got ${config.storage.journal.segment_size}`,
      );
    }
    if (config.security.sasl.mechanisms.includes('PLAIN') && config.security.tls === undefined) {
      issue(['security', 'sasl', 'mechanisms'], 'expected security.tls with PLAIN: it sends the password as it is');
    }
  });

/** A checked configuration. Spans are milliseconds, sizes bytes. */
export type StreamBusConfig = z.infer<typeof streamBusConfigSchema>;

/** A broker to ask first. */
export interface Peer {
  readonly broker: BrokerId;
  readonly host: string;
  /** Of its RPC. */
  readonly port: number;
}

/** Reads `id:host:port`, an IPv6 host in brackets; undefined when it is none. */
export function parsePeer(text: string): Peer | undefined {
  const [, id, bracketed, plain, number] = /^(\d{1,10}):(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const broker = Number(id);
  const atPort = Number(number);
  if (host === undefined || !(broker >= 1 && broker <= maxBrokerId) || !(atPort >= 1 && atPort <= 65_535)) {
    return undefined;
  }
  return { broker, host, port: atPort };
}

/** The peers of a configuration, this broker among them if it is named, by ascending number. */
export function peersOf(config: StreamBusConfig): readonly Peer[] {
  return config.cluster.peers
    .flatMap((text) => parsePeer(text) ?? [])
    .sort((left, right) => left.broker - right.broker);
}

/** Number of this broker. Without peers there is nobody to be told from. */
export function brokerIdOf(config: StreamBusConfig): BrokerId {
  return config.server.broker_id ?? 1;
}

/** What clients and brokers connect to. `machine` is the host's name. */
export function advertisedHost(config: StreamBusConfig, machine: string): string {
  return config.server.advertised_host ?? machine;
}

/** Keys that take effect while the broker runs; every other change needs a restart. */
export const reloadableKeys: ReadonlySet<string> = new Set([
  'storage.flush_interval',
  'storage.retention.max_bytes',
  'storage.retention.max_age',
  'storage.compaction.enabled',
  'storage.compaction.interval',
  'storage.compaction.target_size',
  'storage.read_only_below',
  'storage.scrub_interval',
  'replication.catchup_rate',
  'quotas.default.produce_rate',
  'quotas.default.fetch_rate',
  'quotas.default.produce_bytes_rate',
  'quotas.default.fetch_bytes_rate',
  'slow_query.threshold',
  'slow_query.size',
]);

/**
 * Takes over into `config` those keys of `next` that can change while running. The object stays the same one, so whoever
 * reads a key when it needs it has the new value.
 */
export function reloadInto(
  config: StreamBusConfig,
  next: StreamBusConfig,
): { readonly applied: readonly string[]; readonly needRestart: readonly string[] } {
  const changed = changedKeys(config, next);
  const { journal, data_dir: dataDir, segment_size: segmentSize, segment_age: segmentAge } = config.storage;
  Object.assign(config.storage, {
    ...next.storage,
    journal,
    data_dir: dataDir,
    segment_size: segmentSize,
    segment_age: segmentAge,
  });
  Object.assign(config.replication, next.replication);
  Object.assign(config.quotas, next.quotas);
  Object.assign(config.slow_query, next.slow_query);
  return reloadReport(changed, reloadableKeys);
}
