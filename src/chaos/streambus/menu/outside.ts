import { choose, scale, single } from '../../faultMenu.ts';
import { type FaultEntry, fault, lasting, one } from './entry.ts';

/** Clocks, load, and what operators do. */
export const outsideEntries: readonly FaultEntry[] = [
  {
    name: 'clock jump',
    family: 'clock',
    weight: 2,
    steps: (draw, cluster) =>
      single(fault('clock.jump', one(draw, cluster), {}, { ms: scale(draw.a, -600_000, 600_000) })),
  },
  {
    name: 'clock drift',
    family: 'clock',
    weight: 2,
    steps: (draw, cluster) =>
      single(
        fault('clock.drift', one(draw, cluster), { duration: lasting(draw) }, { ppm: scale(draw.a, -50_000, 50_000) }),
      ),
  },
  {
    name: 'load spike',
    family: 'load',
    weight: 2,
    steps: (draw) =>
      single({ fault: 'load.spike', duration: lasting(draw, 2_000), with: { factor: scale(draw.a, 2, 6) } }),
  },
  { name: 'idle', family: 'load', weight: 1, steps: (draw) => single({ fault: 'load.idle', duration: lasting(draw) }) },
  {
    name: 'restart',
    family: 'operator',
    weight: 2,
    steps: (draw, cluster) =>
      single(fault('operator.restart', one(draw, cluster), {}, { wait: scale(draw.a, 0, 1_000) })),
  },
  {
    name: 'campaign',
    family: 'operator',
    weight: 1,
    steps: (draw, cluster) =>
      single(
        fault(
          'operator.request',
          one(draw, cluster),
          {},
          { path: '/admin/raft/campaign', body: JSON.stringify({ group: choose(draw.a, [0, 1, 2, 1024, 1025]) }) },
        ),
      ),
  },
  {
    name: 'transfer',
    family: 'operator',
    weight: 3,
    steps: (draw, { nodes }) =>
      single(
        fault(
          'operator.request',
          'all',
          {},
          {
            path: '/admin/raft/transfer',
            body: JSON.stringify({
              group: choose(draw.a, [0, 1, 2, 1024, 1025]),
              to: 1 + (draw.b % nodes.length),
            }),
          },
        ),
      ),
  },
  {
    name: 'snapshot',
    family: 'operator',
    weight: 1,
    steps: (draw) =>
      single(
        fault(
          'operator.request',
          'all',
          {},
          { path: '/admin/raft/snapshot', body: JSON.stringify({ group: choose(draw.a, [0, 1, 2, 1024]) }) },
        ),
      ),
  },
  {
    name: 'read-only for a while',
    family: 'operator',
    weight: 1,
    steps: (draw, cluster) => [
      {
        afterMs: 0,
        step: fault(
          'operator.request',
          one(draw, cluster),
          {},
          { path: '/admin/readonly', body: JSON.stringify({ enabled: true, scope: 'broker' }) },
        ),
      },
      {
        afterMs: lasting(draw),
        step: fault('operator.request', one(draw, cluster), {}, { method: 'DELETE', path: '/admin/readonly' }),
      },
    ],
  },
];
