import { faultStep as fault, scale, single } from '../../faultMenu.ts';
import { type FaultEntry, lasting } from './entry.ts';

/** The network between clients and nodes. */
export const networkEntries: readonly FaultEntry[] = [
  {
    name: 'latency',
    family: 'network',
    weight: 1,
    steps: (draw) =>
      single(
        fault(
          'network.latency',
          { duration: lasting(draw) },
          { mean: scale(draw.a, 1, 100), jitter: scale(draw.b, 0, 1) },
        ),
      ),
  },
  {
    name: 'loss',
    family: 'network',
    weight: 1,
    steps: (draw) => single(fault('network.loss', { duration: lasting(draw) }, { percent: scale(draw.a, 1, 40) })),
  },
  { name: 'reset', family: 'network', weight: 2, steps: () => single(fault('network.reset', {})) },
  {
    name: 'partition',
    family: 'network',
    weight: 2,
    steps: (draw) => single(fault('network.partition', { duration: lasting(draw, 4_000) })),
  },
  {
    name: 'half-open',
    family: 'network',
    weight: 1,
    steps: (draw) => single(fault('network.half-open', { duration: lasting(draw, 3_000) })),
  },
  {
    name: 'sliced reads',
    family: 'network',
    weight: 1,
    steps: (draw) => single(fault('network.slice', { duration: lasting(draw) }, { bytes: scale(draw.a, 1, 64) })),
  },
];
