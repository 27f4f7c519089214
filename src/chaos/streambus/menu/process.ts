import { choose, powerModes, scale, single } from '../../faultMenu.ts';
import { disk, type FaultEntry, fault, lasting, minority, one } from './entry.ts';

/** Ends and pauses of processes, and losses of power. */
export const processEntries: readonly FaultEntry[] = [
  {
    name: 'kill',
    family: 'process',
    weight: 3,
    steps: (draw, cluster) =>
      single(fault('process.kill', one(draw, cluster), {}, { restart: scale(draw.a, 20, 4_000) })),
  },
  {
    name: 'pause',
    family: 'process',
    weight: 2,
    steps: (draw, cluster) => single(fault('process.pause', one(draw, cluster), { duration: lasting(draw, 5_000) })),
  },
  {
    name: 'slow process',
    family: 'process',
    weight: 1,
    steps: (draw, cluster) =>
      single(fault('process.slow', one(draw, cluster), { duration: lasting(draw) }, { factor: scale(draw.a, 2, 40) })),
  },
  {
    name: 'power loss of a minority',
    family: 'power',
    weight: 3,
    steps: (draw, cluster) =>
      single(
        fault(
          'process.power-loss',
          minority(draw, cluster),
          {},
          { restart: scale(draw.a, 50, 4_000), mode: choose(draw.b, powerModes) },
        ),
      ),
  },
  {
    name: 'power loss of all',
    family: 'power',
    weight: 3,
    steps: (draw, { nodes }) =>
      single(
        fault('process.power-loss', nodes, {}, { restart: scale(draw.a, 50, 2_000), mode: choose(draw.b, powerModes) }),
      ),
  },
  {
    // Brokers come back one after the other: an election among those who are there.
    name: 'power loss of all, back in turn',
    family: 'power',
    weight: 2,
    steps: (draw, { nodes }) =>
      nodes.map((node, index) => ({
        afterMs: 0,
        step: fault(
          'process.power-loss',
          node,
          {},
          { restart: 100 + index * scale(draw.a, 50, 1_500), mode: choose(draw.b + index, powerModes) },
        ),
      })),
  },
  {
    // Journal writes are on their way when the power goes: whole, in part, or as garbage.
    name: 'power loss in a slow write',
    family: 'power',
    weight: 3,
    steps: (draw, { nodes }) => [
      {
        afterMs: 0,
        step: fault(
          'disk.slow-sync',
          nodes,
          { duration: 1_200 },
          { device: disk, p50: scale(draw.a, 50, 300), p99: 400 },
        ),
      },
      {
        afterMs: scale(draw.length, 100, 1_200),
        step: fault('process.power-loss', nodes, {}, { restart: 200, mode: choose(draw.b, powerModes) }),
      },
    ],
  },
  {
    // The second loss falls into the recovery from the first.
    name: 'power loss in recovery',
    family: 'power',
    weight: 2,
    steps: (draw, cluster) => {
      const nodes = minority(draw, cluster);
      const restart = scale(draw.a, 50, 500);
      return [
        { afterMs: 0, step: fault('process.power-loss', nodes, {}, { restart, mode: choose(draw.b, powerModes) }) },
        {
          afterMs: restart + scale(draw.length, 1, 60),
          step: fault('process.power-loss', nodes, {}, { restart: 100, mode: choose(draw.b + draw.at, powerModes) }),
        },
      ];
    },
  },
  {
    // A pause long enough for an election, then the old leader wakes, and is killed.
    name: 'pause, then kill',
    family: 'leader',
    weight: 3,
    steps: (draw) => [
      { afterMs: 0, step: fault('process.pause', 'primary', { duration: scale(draw.length, 500, 4_000) }) },
      {
        afterMs: scale(draw.length, 500, 4_000) + scale(draw.a, 0, 200),
        step: fault('process.power-loss', 'all', {}, { restart: 300, mode: choose(draw.b, powerModes) }),
      },
    ],
  },
  {
    // What a leader alone appends meanwhile reaches beyond the state that the others begin with: it is given that, and has to drop its own.
    name: 'leader alone appends, the others begin anew',
    family: 'leader',
    weight: 3,
    steps: (draw, cluster) => {
      const { nodes } = cluster;
      if (nodes.length < 3) return [];
      const alone = one(draw, cluster);
      const others = nodes.filter((node) => node !== alone);
      const ask = (asked: string | readonly string[], path: string, body: unknown) =>
        fault('operator.request', asked, {}, { path: `/admin/${path}`, body: JSON.stringify(body) });
      const cutMs = 400;
      const checkpointMs = cutMs + scale(draw.length, 1_200, 3_500);
      return [
        { afterMs: 0, step: ask('all', 'raft/transfer', { group: 0, to: 1 + nodes.indexOf(alone) }) },
        {
          // Those who ask still reach it.
          afterMs: cutMs,
          step: fault(
            'network.partition',
            nodes,
            { duration: checkpointMs + 150 - cutMs },
            { groups: [[alone], others], direction: 'both' },
          ),
        },
        ...Array.from({ length: 8 }, (_, turn) => ({
          afterMs: cutMs + 20 + 20 * turn,
          step: ask(alone, 'quotas', { clients: { [`guest-${turn}`]: { fetch_rate: 1e9 } } }),
        })),
        { afterMs: checkpointMs, step: ask('all', 'raft/snapshot', { group: 0 }) },
        { afterMs: checkpointMs, step: ask('all', 'raft/snapshot', { group: choose(draw.a, [1, 2, 1024, 1025]) }) },
        {
          afterMs: checkpointMs + 100,
          step: fault('process.kill', others, {}, { restart: scale(draw.b, 50, 500) }),
        },
      ];
    },
  },
  {
    name: 'kill the leader',
    family: 'leader',
    weight: 4,
    steps: (draw) => single(fault('process.kill', 'primary', {}, { restart: scale(draw.a, 100, 4_000) })),
  },
  {
    name: 'kill leader after leader',
    family: 'leader',
    weight: 2,
    steps: (draw) =>
      [0, 1, 2].map((turn) => ({
        afterMs: turn * scale(draw.length, 300, 3_000),
        step: fault('process.kill', 'primary', {}, { restart: scale(draw.a, 100, 2_000) }),
      })),
  },
];
