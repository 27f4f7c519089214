import type { FaultDraw } from '../../faultDraw.ts';
import { choose, type LaterStep, type Step, scale, single } from '../../faultMenu.ts';
import { type Cluster, dataOf, disk, type FaultEntry, fault, lasting, one } from './entry.ts';

/** Some bits of what a broker has of its partitions: it may have none, where not every broker has a replica of each, or after a wipe. */
const rot = (victim: string, bits: number): Step =>
  fault('disk.bit-rot', victim, {}, { path: dataOf('*/*/*.seg'), bits, optional: true });

/** Deletes one partition, or all: where not every broker has a replica of each, the one that was chosen need not be there. */
function deletePartition({ b }: FaultDraw, { nodes, partitions }: Pick<Cluster, 'nodes' | 'partitions'>): string {
  const all = partitions.map(dataOf).join(' ');
  return `rm -rf ${nodes.length > 3 ? all : choose(b, [...partitions.map(dataOf), all])}`;
}

/** Another fault may have started it too early: what was deleted under a broker that runs is not missed before its next start. */
const again = (victim: string): LaterStep => ({
  afterMs: 320,
  step: fault('process.kill', victim, {}, { restart: 400 }),
});

/** Slow and failing disks, and disks that lose what they had. */
export const diskEntries: readonly FaultEntry[] = [
  {
    name: 'slow sync',
    family: 'slow-disk',
    weight: 3,
    steps: (draw, cluster) =>
      single(
        fault(
          'disk.slow-sync',
          one(draw, cluster),
          { duration: lasting(draw) },
          { device: disk, p50: scale(draw.a, 5, 300), p99: scale(draw.a, 20, 1_500) },
        ),
      ),
  },
  {
    name: 'slow sync everywhere',
    family: 'slow-disk',
    weight: 1,
    steps: (draw) =>
      single(
        fault(
          'disk.slow-sync',
          'all',
          { duration: lasting(draw, 3_000) },
          { device: disk, p50: scale(draw.a, 5, 150), p99: scale(draw.a, 20, 600) },
        ),
      ),
  },
  {
    name: 'stall',
    family: 'slow-disk',
    weight: 1,
    steps: (draw, cluster) =>
      single(fault('disk.stall', one(draw, cluster), { duration: lasting(draw, 3_000) }, { device: disk })),
  },
  {
    name: 'sync error',
    family: 'disk-errors',
    weight: 3,
    steps: (draw, cluster) =>
      single(
        fault(
          'disk.sync-error',
          one(draw, cluster),
          { duration: lasting(draw, 1_000) },
          { device: disk, times: 1, variant: choose(draw.a, ['keep', 'revert']) },
        ),
      ),
  },
  {
    name: 'sync errors everywhere',
    family: 'disk-errors',
    weight: 1,
    steps: (draw) =>
      single(
        fault(
          'disk.sync-error',
          'all',
          { duration: lasting(draw, 500) },
          { device: disk, times: 1, variant: choose(draw.a, ['keep', 'revert']) },
        ),
      ),
  },
  {
    name: 'wiped',
    family: 'damage',
    weight: 2,
    steps: (draw, { victim }) =>
      victim === undefined ? [] : single(fault('process.wipe', victim, {}, { restart: scale(draw.a, 100, 4_000) })),
  },
  {
    // The copy is older than the last start: that is what the count of starts tells. The start in between has time to become known.
    name: 'rolled back',
    family: 'damage',
    weight: 3,
    steps: (draw, { victim }) =>
      victim === undefined
        ? []
        : [
            {
              afterMs: 0,
              step: fault(
                'process.old-disk',
                victim,
                {},
                { age: scale(draw.length, 4_000, 8_000), restart: scale(draw.a, 100, 2_000) },
              ),
            },
            { afterMs: 200, step: fault('process.kill', victim, {}, { restart: 100 }) },
          ],
  },
  {
    // Changes of members are under way for long, and go over to the next leader half done.
    name: 'wiped while syncs are slow, leaders die',
    family: 'damage',
    weight: 3,
    steps: (draw, { victim }) => {
      if (victim === undefined) return [];
      const restart = scale(draw.a, 100, 800);
      const kill = fault('process.kill', 'primary', {}, { restart: 100 });
      return [
        { afterMs: 0, step: fault('process.wipe', victim, {}, { restart }) },
        {
          afterMs: restart,
          step: fault(
            'disk.slow-sync',
            'all',
            { duration: 8_000 },
            { device: disk, p50: scale(draw.b, 100, 900), p99: scale(draw.b, 900, 2_000) },
          ),
        },
        ...[1, 2, 3]
          .slice(draw.where % 4)
          .map((turn) => ({ afterMs: restart + turn * scale(draw.length, 500, 1_600), step: kill })),
      ];
    },
  },
  {
    // What the runbook calls option B: the votes go, the identity stays.
    name: 'raft-state deleted',
    family: 'damage',
    weight: 2,
    steps: (draw, { victim }) =>
      victim === undefined
        ? []
        : [
            { afterMs: 0, step: fault('process.kill', victim, {}, { restart: scale(draw.a, 600, 3_000) }) },
            { afterMs: 300, step: { operator: 'rm -rf /var/lib/streambus/raft-state', on: victim } },
            again(victim),
          ],
  },
  {
    name: 'partition deleted',
    family: 'damage',
    weight: 2,
    steps: (draw, { victim, ...cluster }) =>
      victim === undefined
        ? []
        : [
            { afterMs: 0, step: fault('process.kill', victim, {}, { restart: scale(draw.a, 600, 3_000) }) },
            {
              afterMs: 300,
              step: { operator: deletePartition(draw, cluster), on: victim },
            },
            again(victim),
          ],
  },
  {
    // With one of the others gone, what is left of a majority has to count on the one that lost a partition.
    name: 'partition deleted, another killed',
    family: 'damage',
    weight: 3,
    steps: (draw, { victim, ...cluster }) => {
      if (victim === undefined) return [];
      const { nodes } = cluster;
      const restart = scale(draw.a, 600, 1_500);
      const others = nodes.filter((node) => node !== victim);
      return [
        { afterMs: 0, step: fault('process.kill', victim, {}, { restart }) },
        {
          afterMs: 300,
          step: { operator: deletePartition(draw, cluster), on: victim },
        },
        {
          afterMs: restart + scale(draw.length, 0, 400),
          step: fault('process.kill', choose(draw.where, others), {}, { restart: 3_000 }),
        },
      ];
    },
  },
  {
    name: 'rot in a segment',
    family: 'damage',
    weight: 2,
    steps: (draw, { victim, restsAfterMs }) =>
      victim === undefined ? [] : [{ afterMs: restsAfterMs(draw), step: rot(victim, scale(draw.a, 1, 4)) }],
  },
  {
    // Recovery finds the damage, or else who reads all from the beginning: from this broker, which has nothing in memory any more.
    name: 'rot in a segment, then restarted',
    family: 'damage',
    weight: 2,
    steps: (draw, { nodes, victim, restsAfterMs }) => {
      if (victim === undefined) return [];
      const rotsMs = restsAfterMs(draw);
      const restart = scale(draw.length, 100, 2_000);
      const backMs = rotsMs + 100 + restart;
      return [
        // So much that of each partition something is hit.
        { afterMs: rotsMs, step: rot(victim, scale(draw.a, 4, 40)) },
        { afterMs: rotsMs + 100, step: fault('process.power-loss', victim, {}, { restart, mode: 'drop' }) },
        ...[1024, 1025, 1026, 1027].map((group) => ({
          afterMs: backMs + 1_500,
          step: fault(
            'operator.request',
            'all',
            {},
            { path: '/admin/raft/transfer', body: JSON.stringify({ group, to: 1 + nodes.indexOf(victim) }) },
          ),
        })),
        { afterMs: backMs + 1_700, step: { load: { consumers: 4 } } },
      ];
    },
  },
];
