import { choose, scale, single } from '../../faultMenu.ts';
import { consumer, type FaultEntry, fault, lasting, participant } from './entry.ts';

/** What the kernel does with shared memory, wakes, locks and pids. */
export const memoryEntries: readonly FaultEntry[] = [
  {
    name: 'lost wakes',
    family: 'wake',
    weight: 2,
    steps: (draw, { nodes }) =>
      single(
        fault('shm.wake-lost', nodes[0] ?? 'one', { duration: lasting(draw) }, { percent: scale(draw.a, 5, 100) }),
      ),
  },
  {
    name: 'spurious wakes',
    family: 'wake',
    weight: 2,
    steps: (draw, { nodes }) =>
      single(
        fault('shm.wake-spurious', nodes[0] ?? 'one', { duration: lasting(draw) }, { percent: scale(draw.a, 5, 80) }),
      ),
  },
  {
    name: 'copies interrupted',
    family: 'slow',
    weight: 3,
    steps: (draw, cast) =>
      single(
        fault('shm.torn-copy', consumer(draw, cast), { duration: lasting(draw) }, { percent: scale(draw.a, 5, 100) }),
      ),
  },
  {
    name: 'core lost',
    family: 'wake',
    weight: 4,
    steps: (draw, cast) =>
      single(
        fault('shm.preempted', participant(draw, cast), { duration: lasting(draw) }, { percent: scale(draw.a, 1, 30) }),
      ),
  },
  {
    name: 'core of the router lost',
    family: 'wake',
    weight: 4,
    steps: (draw) =>
      single(fault('shm.preempted', 'primary', { duration: lasting(draw) }, { percent: scale(draw.a, 1, 30) })),
  },
  {
    name: 'lock inherited',
    family: 'proof',
    weight: 2,
    steps: (draw, cast) => {
      const name = participant(draw, cast);
      return [
        { afterMs: 0, step: fault('shm.zombie', name, { duration: lasting(draw) }) },
        { afterMs: 5, step: fault('process.kill', name, {}, { restart: scale(draw.a, 5, 4_000) }) },
      ];
    },
  },
  {
    name: 'lock lost',
    family: 'proof',
    weight: 2,
    steps: (draw, cast) => single(fault('shm.lock-lost', participant(draw, cast), {})),
  },
  {
    name: 'pid used again',
    family: 'proof',
    weight: 2,
    steps: (draw, cast) => {
      const name = participant(draw, cast);
      return [
        { afterMs: 0, step: fault('process.kill', name, {}, { restart: 3_000 }) },
        { afterMs: scale(draw.a, 1, 150), step: fault('shm.pid-reuse', name, { duration: 2_000 }) },
      ];
    },
  },
  {
    name: 'no huge pages',
    family: 'outside',
    weight: 1,
    steps: (draw, { nodes }) =>
      single(fault('shm.hugepages-exhausted', nodes[0] ?? 'one', { duration: lasting(draw) })),
  },
  {
    name: 'no locked memory',
    family: 'outside',
    weight: 1,
    steps: (draw, { nodes }) => single(fault('shm.mlock-denied', nodes[0] ?? 'one', { duration: lasting(draw) })),
  },
  {
    name: 'clock',
    family: 'outside',
    weight: 1,
    steps: (draw, { nodes }) =>
      single(
        choose(draw.b, [true, false])
          ? fault('clock.jump', nodes[0] ?? 'one', {}, { ms: scale(draw.a, -600_000, 600_000) })
          : fault(
              'clock.drift',
              nodes[0] ?? 'one',
              { duration: lasting(draw) },
              { ppm: scale(draw.a, -20_000, 20_000) },
            ),
      ),
  },
];
