import { Counter, Gauge, type Registry } from 'prom-client';
import { HistogramMetric } from '../../host/histogram.ts';
import type { Host } from '../../host/host.ts';
import type { DoorHooks } from './kafka/hooks.ts';
import type { MemoryReading } from './memory.ts';

/** What a group is for, as metrics tell groups apart. */
export type GroupKind = 'meta' | 'shard' | 'data';

/** State of this broker in the metadata's group. */
export type MetaState = 'follower' | 'precandidate' | 'candidate' | 'learner' | 'leader';

/** Indexes of a group on this broker. */
export interface GroupIndexes {
  readonly term: number;
  readonly commit: number;
  readonly applied: number;
}

/** A consumer group that this broker coordinates, as metrics show it. */
export interface GroupReading {
  readonly group: string;
  readonly members: number;
  /** Records behind the ends of its partitions; undefined where it is not known here. */
  readonly lag: number | undefined;
}

/** What gauges ask when they are scraped. Every call is synchronous, touches no disk and must not throw. */
export interface BrokerReadings {
  /** Undefined while the metadata's group is not open here. */
  metaState(): MetaState | undefined;
  metaIndexes(): GroupIndexes | undefined;
  /** The group that has applied least of what it knows to be committed. */
  worstIndexes(): GroupIndexes | undefined;
  partitions(): number;
  leaders(): number;
  underReplicated(): number;
  offline(): number;
  probation(): number;
  /** Largest number of entries that a member of a group led here lacks. */
  replicaLag(): number;
  /** Replicas that catch up, each with the share it has, 0 to 1. */
  syncing(): readonly { readonly topic: string; readonly partition: number; readonly share: number }[];
  consumerGroups(): readonly GroupReading[];
  /** Transactions that are open, and the age of the oldest in seconds; 0 without any. */
  transactions(): { readonly open: number; readonly oldestSeconds: number };
  isReadOnly(): boolean;
  isDraining(): boolean;
  /** A listener beyond loopback takes anybody. */
  isInsecure(): boolean;
  overTargetBytes(): number;
  memory(): MemoryReading;
  connections(): number;
  tasks(): number;
  /** Seconds since 1970; undefined: never. */
  lastScrub(): number | undefined;
}

/** Metrics of a broker. What it tells is synchronous and never throws. */
export interface StreamBusMetrics extends DoorHooks {
  /** The data directory's volume, as last asked for. */
  setDisk(freeBytes: number, totalBytes: number): void;
  journalSynced(seconds: number): void;
  leaderChanged(kind: GroupKind): void;
  electionBegun(kind: GroupKind): void;
  confChanged(kind: GroupKind): void;
  /** A message was dropped: it is of another incarnation, generation, cluster or start. */
  fenced(reason: 'incarnation' | 'generation' | 'cluster' | 'start'): void;
  corrupted(where: string): void;
  repaired(where: string): void;
  rebalanced(group: string): void;
  duplicateAnswered(): void;
  /** An HTTP request was answered by the server's own fault. */
  httpFailed(status: number): void;
  attach(readings: BrokerReadings): void;
}

const requestBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const syncBuckets = [0.0001, 0.00025, ...requestBuckets];

/** Error numbers that are the servers' fault: no majority in time, no room, lost the lead, storage; -1 is a defect. */
const faults: ReadonlySet<number> = new Set([7, 19, 20, 56, -1]);

/** Series of a label whose values clients choose: beyond it they are counted together. */
const maxTopics = 500;
const maxGroups = 200;
const otherName = '_other';

const kinds: readonly GroupKind[] = ['meta', 'shard', 'data'];

/** Registers every metric of a broker in the host's registry. */
export function createMetrics(host: Host): StreamBusMetrics {
  const { registry } = host.telemetry;
  const registers = [registry];
  const counter = <Label extends string = never>(name: string, help: string, labelNames: readonly Label[] = []) =>
    new Counter<Label>({ name, help, labelNames: [...labelNames], registers });
  const histogram = (name: string, help: string, bounds: readonly number[], label?: string) => {
    const made = new HistogramMetric({ name, help, bounds, ...(label !== undefined && { label }) });
    // A registry takes any object with name and get(); its type names only its own classes.
    registry.registerMetric(made as unknown as Gauge);
    return made;
  };

  const requests = histogram(
    'request_duration_seconds',
    'Time of work on a request of the Kafka protocol; deliberate waits are not in it.',
    requestBuckets,
    'api',
  );
  const errors = counter('errors_total', 'Answers with an error that is the fault of the servers.');
  const requestErrors = counter('request_error_total', 'Answers with an error, by its number.', ['api', 'code']);
  const stage = (name: string, help: string) => histogram(`streambus_${name}`, help, requestBuckets, 'stage');
  const produceLatency = stage('produce_latency_seconds', 'Where the time of a produce request goes.');
  const fetchLatency = stage('fetch_latency_seconds', 'Time of work on a fetch request.');
  const commitLatency = stage('commit_latency_seconds', 'Time of work on a commit of offsets.');
  const journalSync = histogram(
    'streambus_journal_sync_duration_seconds',
    'Append to the journal until durable.',
    syncBuckets,
  );
  const messagesIn = counter('streambus_messages_in_total', 'Records acknowledged.', ['topic']);
  const bytesIn = counter('streambus_bytes_in_total', 'Bytes of batches acknowledged.', ['topic']);
  const bytesOut = counter('streambus_bytes_out_total', 'Bytes of batches sent to consumers.', ['topic']);
  const leaderChanges = counter('streambus_leader_changes_total', 'Changes of leader seen here.', ['kind']);
  const elections = counter('streambus_elections_total', 'Elections that a replica here has called.', ['kind']);
  const confChanges = counter('streambus_conf_changes_total', 'Changes of members applied here.', ['kind']);
  for (const kind of kinds) for (const metric of [leaderChanges, elections, confChanges]) metric.inc({ kind }, 0);
  const fenced = counter('streambus_fenced_messages_total', 'Messages of other brokers that do not count any more.', [
    'reason',
  ]);
  const corruptions = counter('streambus_corruptions_total', 'Damage found in files at rest.', ['where']);
  corruptions.inc({ where: 'segment' }, 0);
  const repairs = counter('streambus_repairs_total', 'Damage made good from another replica.', ['where']);
  const rebalances = counter('streambus_rebalances_total', 'Generations that a group has begun.', ['group']);
  const staleTransactions = counter(
    'streambus_stale_txn_requests_total',
    'Transactional requests dropped because their connection is older than the newest of their id.',
  );
  const duplicates = counter(
    'streambus_duplicates_answered_total',
    'Repeated batches answered with their first offset.',
  );
  const throttled = counter('streambus_throttle_seconds_total', 'Time for which clients were held back by quotas.');
  const refusedConnections = counter(
    'streambus_connections_closed_total',
    'Connections closed for a reason of the client.',
    ['reason'],
  );
  const diskFree = new Gauge({ name: 'disk_free', help: 'Free bytes of the volume of the data directory.', registers });
  const diskTotal = new Gauge({ name: 'disk_total', help: 'Bytes of the volume of the data directory.', registers });

  const topicLabel = boundedLabel(maxTopics);
  const groupLabel = boundedLabel(maxGroups);

  return {
    requestDone(api, seconds) {
      requests.of(api).observe(seconds);
      if (api === 'Produce') produceLatency.of('total').observe(seconds);
      if (api === 'Fetch') fetchLatency.of('total').observe(seconds);
      if (api === 'OffsetCommit' || api === 'TxnOffsetCommit') commitLatency.of('total').observe(seconds);
    },
    requestFailed(api, code) {
      requestErrors.inc({ api, code: String(code) });
      if (faults.has(code)) errors.inc();
    },
    produced(topic, records, bytes) {
      const label = { topic: topicLabel(topic) };
      messagesIn.inc(label, records);
      bytesIn.inc(label, bytes);
    },
    fetched: (topic, bytes) => bytesOut.inc({ topic: topicLabel(topic) }, bytes),
    produceStages(journalSeconds, replicateSeconds) {
      produceLatency.of('journal').observe(journalSeconds);
      produceLatency.of('replicate').observe(replicateSeconds);
    },
    throttled: (seconds) => throttled.inc(seconds),
    refused(reason) {
      if (reason === 'stale-transaction') staleTransactions.inc();
      refusedConnections.inc({ reason });
    },
    setDisk(freeBytes, totalBytes) {
      diskFree.set(freeBytes);
      diskTotal.set(totalBytes);
    },
    journalSynced: (seconds) => journalSync.observe(seconds),
    leaderChanged: (kind) => leaderChanges.inc({ kind }),
    electionBegun: (kind) => elections.inc({ kind }),
    confChanged: (kind) => confChanges.inc({ kind }),
    fenced: (reason) => fenced.inc({ reason }),
    corrupted: (where) => corruptions.inc({ where }),
    repaired: (where) => repairs.inc({ where }),
    rebalanced: (group) => rebalances.inc({ group: groupLabel(group) }),
    duplicateAnswered: () => duplicates.inc(),
    httpFailed(status) {
      requestErrors.inc({ api: 'http', code: String(status) });
      if (status >= 500) errors.inc();
    },
    attach: (readings) => attach(registry, readings, (name) => host.telemetry.mutant(name)),
  };
}

/** Gives the first `limit` values their own names, and one name to all others. */
function boundedLabel(limit: number): (value: string) => string {
  const known = new Set<string>();
  return (value) => {
    if (known.has(value)) return value;
    if (known.size >= limit) return otherName;
    known.add(value);
    return value;
  };
}

function attach(registry: Registry, readings: BrokerReadings, mutant: (name: string) => boolean): void {
  const gauge = <Label extends string = never>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    collect: (metric: Gauge<Label>) => void,
  ) =>
    new Gauge<Label>({
      name,
      help,
      labelNames: [...labelNames],
      registers: [registry],
      collect() {
        // What is not said this time is not so any more.
        this.reset();
        if (labelNames.length === 0) this.remove();
        collect(this);
      },
    });
  const plain = (name: string, help: string, value: () => number) =>
    gauge(`streambus_${name}`, help, [], (metric) => metric.set(value()));

  gauge(
    'raft_state',
    'What this broker is in the group of the metadata: the series of the current state.',
    ['state'],
    (metric) => {
      const state = readings.metaState();
      // One line where it holds and none elsewhere, so that counting lines counts leaders.
      if (state !== undefined) metric.set({ state }, 1);
      if (mutant('zero-series') && state !== 'leader') metric.set({ state: 'leader' }, 0);
    },
  );
  const indexes: readonly [string, string, keyof GroupIndexes][] = [
    ['raft_term', 'Term of a group here.', 'term'],
    ['raft_commit_index', 'Last entry of a group that is known here to be committed.', 'commit'],
    ['raft_applied_index', 'Last entry of a group that is applied here.', 'applied'],
  ];
  for (const [name, help, key] of indexes) {
    gauge(name, help, ['group'], (metric) => {
      const meta = readings.metaIndexes();
      const worst = readings.worstIndexes();
      if (meta !== undefined) metric.set({ group: 'metadata' }, meta[key]);
      if (worst !== undefined) metric.set({ group: 'worst' }, worst[key]);
    });
  }
  gauge(
    'sync_progress',
    'Share that a replica which catches up has, 0 to 1; _all: of the least advanced.',
    ['topic', 'partition'],
    (metric) => {
      const syncing = readings.syncing();
      for (const { topic, partition, share } of syncing.slice(0, maxTopics)) {
        metric.set({ topic, partition: String(partition) }, share);
      }
      metric.set(
        { topic: '_all', partition: '_all' },
        syncing.reduce((least, { share }) => Math.min(least, share), 1),
      );
    },
  );
  plain('partitions', 'Replicas of partitions on this broker.', () => readings.partitions());
  plain('leaders', 'Partitions that this broker leads.', () => readings.leaders());
  plain('under_replicated_partitions', 'Partitions led here that a replica lags behind.', () =>
    readings.underReplicated(),
  );
  plain('offline_partitions', 'Partitions with a replica here that nobody is known to lead.', () => readings.offline());
  plain('probation_replicas', 'Replicas here without a vote until a leader has confirmed what they hold.', () =>
    readings.probation(),
  );
  plain('replica_lag_entries', 'Entries that the slowest member of a group led here lacks.', () =>
    readings.replicaLag(),
  );
  groupGauges(gauge, readings);
  plain(
    'transactions_open',
    'Transactions under way that this broker coordinates.',
    () => readings.transactions().open,
  );
  plain(
    'oldest_open_transaction_seconds',
    'Age of the oldest open transaction; 0 without any.',
    () => readings.transactions().oldestSeconds,
  );
  plain('read_only', 'Whether this broker refuses writes.', () => Number(readings.isReadOnly()));
  plain('draining', 'Whether this broker is being stopped.', () => Number(readings.isDraining()));
  plain('insecure_listener', 'Whether a listener beyond loopback takes anybody.', () => Number(readings.isInsecure()));
  plain('over_target_bytes', 'Bytes of data beyond storage.compaction.target_size.', () => readings.overTargetBytes());
  plain('memory_used_bytes', 'Memory of the process, as its machine counts it.', () => readings.memory().usedBytes);
  plain(
    'memory_counted_bytes',
    'Memory of batches and logs, as the broker counts it: what else grows is not meant to.',
    () => readings.memory().countedBytes,
  );
  plain(
    'memory_limit_bytes',
    'server.max_memory, or the default that stands for it.',
    () => readings.memory().limitBytes,
  );
  gauge('streambus_heap_limit_bytes', 'What the heap may grow to, of the limit of memory.', [], (metric) => {
    const { heapLimitBytes } = readings.memory();
    if (heapLimitBytes !== undefined) metric.set(heapLimitBytes);
  });
  plain('connections', 'Connections of clients.', () => readings.connections());
  plain('tasks', 'Things under way: what GET /debug/pprof/goroutine lists.', () => readings.tasks());
  gauge('streambus_last_scrub_timestamp_seconds', 'When every segment here was last read whole.', [], (metric) => {
    const at = readings.lastScrub();
    if (at !== undefined) metric.set(at);
  });
}

type MakeGauge = <Label extends string>(
  name: string,
  help: string,
  labelNames: readonly Label[],
  collect: (metric: Gauge<Label>) => void,
) => unknown;

/** Series of consumer groups: the first by name have their own, the others share one. */
function groupGauges(gauge: MakeGauge, readings: BrokerReadings): void {
  const series = (value: (reading: GroupReading) => number | undefined) => (metric: Gauge<'group'>) => {
    const sums = new Map<string, number>();
    const sorted = [...readings.consumerGroups()].sort((left, right) => (left.group < right.group ? -1 : 1));
    for (const [at, reading] of sorted.entries()) {
      const shown = value(reading);
      if (shown === undefined) continue;
      const name = at < maxGroups ? reading.group : otherName;
      sums.set(name, (sums.get(name) ?? 0) + shown);
    }
    for (const [group, sum] of sums) metric.set({ group }, sum);
  };
  gauge(
    'streambus_consumer_group_lag',
    'Records behind the ends of its partitions.',
    ['group'],
    series(({ lag }) => lag),
  );
  gauge(
    'streambus_consumer_group_members',
    'Members of a consumer group.',
    ['group'],
    series(({ members }) => members),
  );
}
