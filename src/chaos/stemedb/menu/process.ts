import { choose, faultStep as fault, powerModes, scale, single } from '../../faultMenu.ts';
import { type FaultEntry, lasting, wal } from './entry.ts';

/** Ends and pauses of processes, and losses of power. */
export const processEntries: readonly FaultEntry[] = [
  {
    name: 'kill',
    family: 'process',
    weight: 3,
    steps: (draw) => single(fault('process.kill', {}, { restart: scale(draw.a, 20, 1_500) })),
  },
  {
    name: 'pause',
    family: 'process',
    weight: 1,
    steps: (draw) => single(fault('process.pause', { duration: lasting(draw, 2_500) })),
  },
  {
    name: 'slow process',
    family: 'process',
    weight: 1,
    steps: (draw) => single(fault('process.slow', { duration: lasting(draw) }, { factor: scale(draw.a, 2, 40) })),
  },
  {
    name: 'power loss',
    family: 'power',
    weight: 4,
    steps: (draw) =>
      single(fault('process.power-loss', {}, { restart: scale(draw.a, 50, 1_500), mode: choose(draw.b, powerModes) })),
  },
  {
    // A batch is on its way when the power goes: whole, in part, or as garbage.
    name: 'power loss in a slow write',
    family: 'power',
    weight: 3,
    steps: (draw) => [
      {
        afterMs: 0,
        step: fault('disk.slow-sync', { duration: 1_000 }, { device: wal, p50: scale(draw.a, 100, 400), p99: 500 }),
      },
      {
        afterMs: scale(draw.length, 100, 1_000),
        step: fault('process.power-loss', {}, { restart: 100, mode: choose(draw.b, ['tear', 'reorder', 'corrupt']) }),
      },
    ],
  },
  {
    // The second loss falls into the recovery from the first.
    name: 'power loss in recovery',
    family: 'power',
    weight: 3,
    steps: (draw) => {
      const restart = scale(draw.a, 50, 500);
      const mode = choose(draw.b, powerModes);
      const again = restart + scale(draw.length, 0, 1_000) / 100;
      return [
        { afterMs: 0, step: fault('process.power-loss', {}, { restart, mode }) },
        {
          afterMs: again,
          step: fault('process.power-loss', {}, { restart: 100, mode: choose(draw.b + draw.at, powerModes) }),
        },
      ];
    },
  },
  {
    name: 'kill in recovery',
    family: 'power',
    weight: 2,
    steps: (draw) => {
      const restart = scale(draw.a, 50, 500);
      const again = restart + scale(draw.length, 0, 1_000) / 100;
      return [
        { afterMs: 0, step: fault('process.power-loss', {}, { restart, mode: choose(draw.b, powerModes) }) },
        { afterMs: again, step: fault('process.kill', {}, { restart: 100 }) },
        {
          afterMs: again + 100 + scale(draw.at, 0, 1_000) / 100,
          step: fault('process.power-loss', {}, { restart: 100, mode: 'drop' }),
        },
      ];
    },
  },
];
