import { faultStep as fault, scale, single } from '../../faultMenu.ts';
import { type FaultEntry, lasting } from './entry.ts';

/** Clocks, load, and what operators do. */
export const outsideEntries: readonly FaultEntry[] = [
  {
    name: 'clock jump',
    family: 'clock',
    weight: 2,
    steps: (draw) => single(fault('clock.jump', {}, { ms: scale(draw.a, -600_000, 200_000) })),
  },
  {
    name: 'clock drift',
    family: 'clock',
    weight: 1,
    steps: (draw) => single(fault('clock.drift', { duration: lasting(draw) }, { ppm: scale(draw.a, -50_000, 50_000) })),
  },
  {
    name: 'load spike',
    family: 'load',
    weight: 2,
    steps: (draw) =>
      single({ fault: 'load.spike', duration: lasting(draw, 1_500), with: { factor: scale(draw.a, 2, 6) } }),
  },
  { name: 'idle', family: 'load', weight: 1, steps: (draw) => single({ fault: 'load.idle', duration: lasting(draw) }) },
  {
    name: 'restart',
    family: 'operator',
    weight: 2,
    steps: (draw) => single(fault('operator.restart', {}, { wait: scale(draw.a, 0, 500) })),
  },
  {
    name: 'rate limit',
    family: 'operator',
    weight: 3,
    steps: (draw) => [
      {
        afterMs: 0,
        step: fault(
          'operator.request',
          {},
          {
            path: '/v1/admin/rate-limit',
            body: JSON.stringify({ max_writes_per_sec: scale(draw.a, 2, 60) }),
          },
        ),
      },
      {
        afterMs: lasting(draw),
        step: fault('operator.request', {}, { method: 'DELETE', path: '/v1/admin/rate-limit' }),
      },
    ],
  },
  {
    name: 'checkpoint',
    family: 'operator',
    weight: 1,
    steps: () => single(fault('operator.request', {}, { path: '/v1/admin/checkpoint' })),
  },
];
