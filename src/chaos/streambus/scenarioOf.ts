import type { ScenarioDocument } from '../definition.ts';
import type { FaultDraw } from '../faultDraw.ts';
import type { Step } from '../faultMenu.ts';
import { complete } from './complete.ts';
import type { StreamBusDraw } from './draw.ts';
import type { Cluster } from './menu/entry.ts';
import { entryNamed } from './menu/menu.ts';

/** Times of a run, in virtual milliseconds: the cluster forms, it is turbulent, the last faults end. */
const turbulentFromMs = 4_000;
const turbulentToMs = 16_000;
const endMs = 22_000;

const MIB = 1024 * 1024;

/** The scenario of a draw, completed. */
export function scenarioOf(draw: StreamBusDraw): ScenarioDocument {
  const completed = complete({
    engine: 'streambus',
    seed: draw.seed,
    cluster: { nodes: draw.brokers, config: configOf(draw), devices: devicesOf(draw) },
    duration: `${endMs}ms`,
    buggify: true,
    load: loadOf(draw),
    timeline: timelineOf(draw),
  });
  if (completed === undefined) throw new Error('a drawn run of which nothing can be demanded');
  return completed;
}

function timelineOf(draw: StreamBusDraw): readonly Step[] {
  const nodes = Array.from({ length: draw.brokers }, (_, index) => `streambus-${index + 1}`);
  const cluster: Cluster = {
    nodes,
    victim: draw.brokers < 3 ? undefined : nodes[draw.seed % draw.brokers],
    partitions: partitionsOf(draw),
    restsAfterMs: (fault) => Math.max(0, turbulentFromMs + draw.config.flushMs - momentOf(fault)),
  };
  return draw.faults
    .flatMap((fault) => stepsOf(fault, cluster))
    .sort((a, b) => a.atMs - b.atMs)
    .map(({ atMs, step }) => ({ at: `${atMs}ms`, ...step }));
}

function momentOf({ at }: FaultDraw): number {
  return turbulentFromMs + ((turbulentToMs - turbulentFromMs) * at) / 1_000;
}

/** What the load writes to: nobody misses what was never there. */
function partitionsOf({ load }: StreamBusDraw): readonly string[] {
  const topics = Array.from({ length: load.topics }, (_, topic) => `t${topic}`);
  const keys = topics.flatMap((topic) => partitionsOfTopic(topic, load.partitions));
  return load.transactional === 0 ? keys : [...keys, ...partitionsOfTopic('tx', 2)];
}

function partitionsOfTopic(topic: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, partition) => `${topic}/partition-${partition}`);
}

function stepsOf(fault: FaultDraw, cluster: Cluster): { readonly atMs: number; readonly step: Step }[] {
  const base = momentOf(fault);
  return entryNamed(fault.entry)
    .steps(fault, cluster)
    .map(({ afterMs, step }) => ({ atMs: Math.min(endMs - 1, Math.round(base + afterMs)), step }));
}

function configOf({ config }: StreamBusDraw): Record<string, unknown> {
  return {
    cluster: { raft: { tick: config.tickMs, election_ticks: config.electionTicks } },
    storage: {
      flush_interval: config.flushMs,
      segment_size: MIB,
      compaction: { interval: '2s' },
      journal: { segment_size: 4 * config.maxMessageKib * 1024 },
    },
    topics: { max_message: config.maxMessageKib * 1024 },
    consumer_groups: { session_min: 500, initial_delay: config.initialDelayMs },
    shards: { groups: config.shards, transactions: config.shards },
  };
}

function devicesOf({ flushTenths }: StreamBusDraw): Record<string, unknown> {
  return { data: { bytes: 256 * MIB, 'flush latency': flushTenths / 10 } };
}

function loadOf({ load }: StreamBusDraw): Record<string, unknown> {
  return {
    producers: load.producers,
    think: `${load.thinkMs}ms`,
    idempotent: load.idempotent,
    batch: load.batch,
    text: load.textBytes,
    transactional: load.transactional,
    'transaction every': `${load.transactionEveryMs}ms`,
    'transaction thinks': `${load.transactionThinksMs}ms`,
    'old transactions': load.oldTransactions,
    aborts: load.aborts,
    consumers: load.consumers,
    groups: load.groups,
    members: load.members,
    session: `${load.sessionMs}ms`,
    ...(load.churnMs === 0 ? {} : { churn: `${load.churnMs}ms` }),
    topics: load.topics,
    partitions: load.partitions,
    timeout: `${load.timeoutMs}ms`,
    ...(load.shortLivedMs === 0 ? {} : { 'short-lived': `${load.shortLivedMs}ms` }),
    ...(load.passingMs === 0 ? {} : { passing: `${load.passingMs}ms` }),
    admin: '2s',
    'watch offsets': '300ms',
    vanish: 50,
    clients: 2,
  };
}
