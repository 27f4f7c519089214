import { describe } from 'vitest';
import { createRealHost } from '../../src/real/host.ts';
import { createSabSegments, createSabSharedMemory } from '../../src/real/sharedMemory.ts';
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
      // Killed and started once, so that its pid is one of its own.
      const there = world.machines.get('b');
      there?.kill();
      const participant = there?.start('participant', () => {});
      const machine = world.machines.get('a');
      if (participant === undefined || machine === undefined) throw new Error('expected two machines');
      return body({
        one: host.shm,
        other: machine.sharedMemory.of(participant),
        sleep: (ms) => host.clock.sleep(ms),
      });
    });
  });
});

describe('shared memory, real, within a process', () => {
  sharedMemoryConformance(async (body) => {
    const segments = createSabSegments();
    const participant = (pid: number) => createSabSharedMemory(segments, { pid, startTicks: 0, pidSpace: 1 });
    await body({ one: participant(1), other: participant(2), sleep: (ms) => real.clock.sleep(ms) });
  });
});
