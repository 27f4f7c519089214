import { choose, scale, single } from '../../faultMenu.ts';
import { type FaultEntry, fault, lasting, one } from './entry.ts';

/** The network between brokers, and between them and their clients. */
export const networkEntries: readonly FaultEntry[] = [
  {
    name: 'latency',
    family: 'network',
    weight: 2,
    steps: (draw, cluster) =>
      single(
        fault(
          'network.latency',
          one(draw, cluster),
          { duration: lasting(draw) },
          { mean: scale(draw.a, 1, 300), jitter: (scale(draw.a, 1, 300) * draw.b) / 1_000 },
        ),
      ),
  },
  {
    // A request is given up, sent anew on another connection and answered; then the first one arrives.
    name: 'late packets of clients',
    family: 'network',
    weight: 3,
    steps: (draw) =>
      single(
        fault(
          'network.latency',
          draw.where % 2 === 0 ? 'client-1' : 'client-2',
          { duration: scale(draw.length, 2_000, 8_000) },
          { mean: scale(draw.a, 200, 1_500), jitter: scale(draw.a, 200, 1_500) },
        ),
      ),
  },
  {
    // Who gives up after a second sends anew when the network is quick again: what it had sent, and the end of that connection, come later.
    // Then the next transaction of the same producer is open, under the same epoch where it speaks the older protocol.
    name: 'packets of clients late, now and then',
    family: 'network',
    weight: 3,
    steps: (draw) => [
      {
        afterMs: 0,
        step: {
          load: {
            transactional: 4,
            timeout: '1s',
            'transaction every': '100ms',
            'transaction thinks': '150ms',
            'old transactions': choose(draw.where, [100, 50]),
            aborts: 50,
          },
        },
      },
      ...Array.from({ length: 5 }, (_, turn) => ({
        afterMs: 300 + turn * scale(draw.length, 1_700, 2_600),
        step: fault(
          'network.latency',
          ['client-1', 'client-2'],
          { duration: 1_130 },
          { mean: scale(draw.a, 1_250, 2_000) + scale(draw.b, 0, 100) * turn },
        ),
      })),
    ],
  },
  {
    name: 'loss',
    family: 'network',
    weight: 1,
    steps: (draw, cluster) =>
      single(fault('network.loss', one(draw, cluster), { duration: lasting(draw) }, { percent: scale(draw.a, 1, 40) })),
  },
  {
    name: 'reset',
    family: 'network',
    weight: 2,
    steps: (draw, cluster) => single(fault('network.reset', one(draw, cluster), {})),
  },
  {
    // Answers are lost, requests are not: everything is sent again.
    name: 'resets again and again',
    family: 'network',
    weight: 3,
    steps: (draw) =>
      single(fault('network.reset', 'all', { duration: lasting(draw, 4_000) }, { percent: scale(draw.a, 1, 8) })),
  },
  {
    name: 'resets while syncs are slow',
    family: 'network',
    weight: 3,
    steps: (draw) => [
      {
        afterMs: 0,
        step: fault(
          'disk.slow-sync',
          'all',
          { duration: lasting(draw, 4_000) },
          { device: 'sdb', p50: scale(draw.b, 50, 300), p99: scale(draw.b, 100, 500) },
        ),
      },
      {
        afterMs: 50,
        step: fault('network.reset', 'all', { duration: lasting(draw, 4_000) }, { percent: scale(draw.a, 1, 8) }),
      },
    ],
  },
  {
    name: 'half-open',
    family: 'network',
    weight: 1,
    steps: (draw, cluster) =>
      single(fault('network.half-open', one(draw, cluster), { duration: lasting(draw, 4_000) })),
  },
  {
    name: 'sliced reads',
    family: 'network',
    weight: 1,
    steps: (draw, cluster) =>
      single(
        fault(
          'network.slice',
          one(draw, cluster),
          { duration: lasting(draw, 2_000) },
          { bytes: scale(draw.a, 16, 512) },
        ),
      ),
  },
  {
    name: 'one cut off',
    family: 'partition',
    weight: 3,
    steps: (draw, cluster) =>
      single(
        fault(
          'network.partition',
          one(draw, cluster),
          { duration: lasting(draw, 8_000) },
          { direction: choose(draw.a, ['both', 'to', 'from']) },
        ),
      ),
  },
  {
    name: 'leader cut off',
    family: 'partition',
    weight: 3,
    steps: (draw) =>
      single(
        fault(
          'network.partition',
          'primary',
          { duration: lasting(draw, 8_000) },
          { direction: choose(draw.a, ['both', 'to', 'from']) },
        ),
      ),
  },
  {
    // Clients still reach it: it must not acknowledge what it cannot replicate.
    name: 'brokers apart',
    family: 'partition',
    weight: 3,
    steps: (draw, { nodes }) =>
      nodes.length < 3
        ? []
        : single(
            fault(
              'network.partition',
              nodes,
              { duration: lasting(draw, 8_000) },
              {
                shape: choose(draw.b, ['isolate-one', 'halves', 'majorities-ring', 'bridge']),
                direction: choose(draw.a, ['both', 'to', 'from']),
              },
            ),
          ),
  },
];
