import { describe } from 'vitest';
import { createRealHost } from '../../src/real/host.ts';
import { createSabSharedMemory } from '../../src/real/sharedMemory.ts';
import { World } from '../../src/sim/world.ts';
import { clockConformance } from './clock.conformance.ts';
import { randomConformance } from './random.conformance.ts';
import { sharedMemoryConformance } from './sharedMemory.conformance.ts';
import { inSimulation } from './simulated.ts';

const real = createRealHost({ name: 'here' });

describe('clock, simulated', () => {
  clockConformance(async (body) => {
    await inSimulation((host) => body(host.clock));
  });
});

describe('clock, real', () => {
  clockConformance((body) => body(real.clock));
});

describe('random, simulated', () => {
  randomConformance(() => new World({ seed: 11 }).random);
});

describe('random, real', () => {
  randomConformance(() => createRealHost({ name: 'here' }).random);
});

describe('shared memory, simulated', () => {
  sharedMemoryConformance(async (body) => {
    await inSimulation((host, _there, world) => {
      // A machine runs one process; another participant of its memory is a process of another one.
      const participant = world.machines.get('b')?.process;
      const machine = world.machines.get('a');
      if (participant === undefined || machine === undefined) throw new Error('expected two machines');
      return body({
        one: host.shm,
        other: machine.sharedMemory.of(participant),
        identities: [host.pid, participant.pid],
        sleep: (ms) => host.clock.sleep(ms),
      });
    });
  });
});

describe('shared memory, real', () => {
  sharedMemoryConformance(async (body) => {
    const segments = new Map();
    const [one, other] = [createSabSharedMemory(segments, 1), createSabSharedMemory(segments, 2)];
    await body({ one, other, identities: [1, 2], sleep: (ms) => real.clock.sleep(ms) });
  });
});
