import type { Registry } from 'prom-client';
import type { GaugeSeen, MetricSeen } from '../../../checkers/streambus/evidence.ts';
import type { World } from '../../../sim/world.ts';
import type { GroupFeed } from './groupFeed.ts';
import type { NodeRecord } from './nodeRecord.ts';

const sampleEveryMs = 5_000;
/** What the core decides shows at its next turn. */
const settleMs = 50;

export interface Samples {
  readonly metrics: MetricSeen[];
  readonly gauges: GaugeSeen[];
}

/** Reads, at steady intervals, what each broker shows of itself, beside what the stand knows. */
export function startSampling(world: World, records: readonly NodeRecord[], feed: GroupFeed, into: Samples): void {
  const sample = (): void => {
    world.scheduler.after(sampleEveryMs, 'samples', undefined, sample);
    for (const record of records) void sampleNode(world, record, feed, into);
  };
  world.scheduler.after(sampleEveryMs, 'samples', undefined, sample);
}

async function sampleNode(world: World, record: NodeRecord, feed: GroupFeed, into: Samples): Promise<void> {
  const { host, member } = record;
  if (host === undefined || member === undefined || record.state !== 'up') return;
  const { registry } = host.telemetry;
  const before = truthOf(feed, member);
  // While its journal has no room a broker takes no turn: what its core has decided nobody has been told of yet.
  const core = record.running?.bus.runtime.view(metaGroup)?.status.state === 'leader' ? 1 : 0;
  const shown = await readMetrics(registry);
  const atMs = world.now;
  await new Promise<void>((resolve) => void world.scheduler.after(settleMs, 'samples settle', undefined, resolve));
  if (record.member !== member || record.state !== 'up') return;
  const after = truthOf(feed, member);
  const node = record.node;
  for (const name of ['leads', 'term', 'applied'] as const) {
    const values = [before[name], after[name], ...(name === 'leads' ? [core] : [])];
    into.metrics.push({
      node,
      atMs,
      name: names[name],
      shown: shown[name],
      least: Math.min(...values),
      most: Math.max(...values),
    });
  }
  into.metrics.push({ node, atMs, name: 'series of raft_state', shown: shown.states, least: 1, most: 1 });
  for (const [name, value, limit] of shown.bounded) into.gauges.push({ node, atMs, name, value, limit });
}

const names = {
  leads: 'raft_state{state="leader"}',
  term: 'raft_term{group="metadata"}',
  applied: 'raft_applied_index{group="metadata"}',
} as const;

const metaGroup = 0;

function truthOf(feed: GroupFeed, member: number): { leads: number; term: number; applied: number } {
  const meta = feed.groupOf(metaGroup);
  return {
    leads: meta.leads.has(member) ? 1 : 0,
    term: meta.terms.get(member) ?? 0,
    applied: meta.applied.get(member) ?? 0,
  };
}

interface Value {
  readonly labels: Readonly<Record<string, string | number | undefined>>;
  readonly value: number;
}

/** Connections that a broker takes at most by its configuration on the stand. */
const connectionsMax = 2_000;

async function readMetrics(registry: Registry) {
  const [states, terms, applied, counted, limit, connections] = await Promise.all(
    [
      'raft_state',
      'raft_term',
      'raft_applied_index',
      'streambus_memory_counted_bytes',
      'streambus_memory_limit_bytes',
      'streambus_connections',
    ].map((name) => valuesOf(registry, name)),
  );
  const ofMeta = (values: readonly Value[] | undefined): number | undefined =>
    values?.find(({ labels }) => labels.group === 'metadata')?.value;
  const bounded: (readonly [string, number, number])[] = [];
  const memory = [counted?.[0]?.value, limit?.[0]?.value] as const;
  if (memory[0] !== undefined && memory[1] !== undefined) bounded.push(['memory', memory[0], memory[1]]);
  const open = connections?.[0]?.value;
  if (open !== undefined) bounded.push(['connections', open, connectionsMax]);
  return {
    states: states?.length,
    leads: states === undefined ? undefined : states.some(({ labels }) => labels.state === 'leader') ? 1 : 0,
    term: ofMeta(terms),
    applied: ofMeta(applied),
    bounded,
  };
}

async function valuesOf(registry: Registry, name: string): Promise<readonly Value[] | undefined> {
  const metric = registry.getSingleMetric(name);
  if (metric === undefined) return undefined;
  const { values } = await metric.get();
  return values as readonly Value[]; // prom-client's own type differs by kind of metric; these fields are in all
}
