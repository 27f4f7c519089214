import { expect, test } from 'vitest';
import { parseFault } from '../../src/faults/registry.ts';
import type { Region } from '../../src/host/sharedMemory.ts';
import { World } from '../../src/sim/world.ts';

/** A machine with a container, a region that both have open, and a word that both see. */
async function pair() {
  const world = new World({ seed: 1 });
  const machine = world.addMachine('m');
  const container = world.addMachine('c', { within: machine });
  const regions: Region[] = [];
  const open = async (host: {
    shm: { open: (name: string, bytes: number, options: { mode: 'create' }) => Promise<Region> };
  }) => {
    regions.push(await host.shm.open('ring', 4096, { mode: 'create' }));
  };
  const one = machine.start('one', open);
  await world.run({ toMs: 20 });
  const other = container.start('other', open);
  await world.run({ toMs: 40 });
  const [mine, theirs] = regions;
  if (mine === undefined || theirs === undefined) throw new Error('both should have the region');
  return { world, machine, container, one, other, mine, theirs };
}

function apply(world: World, name: string, targets: readonly string[], parameters: Record<string, unknown> = {}) {
  const { definition, parameters: parsed } = parseFault(name, parameters);
  return definition.apply({ world, targets }, parsed);
}

test('a container shares the memory and the clock of its machine, has a process and pids of its own, and loses power with it', async () => {
  const { world, machine, container, one, other, mine, theirs } = await pair();
  mine.words[3] = 7;
  expect([theirs.words[3], container.clock === machine.clock, one.pid === other.pid]).toEqual([7, true, false]);
  apply(world, 'process.power-loss', ['c'], { restart: 'never' });
  expect([one.alive, other.alive, machine.sharedMemory.names]).toEqual([false, false, []]);
});

test('shm.crash-at-step ends the process exactly before its n-th access at a place, and unwinds its code', async () => {
  const { world, other, theirs } = await pair();
  apply(world, 'shm.crash-at-step', ['c'], { steps: 2, point: 9, restart: 'never' });
  theirs.step(9);
  theirs.step(8);
  expect(other.alive).toBe(true);
  expect(() => theirs.step(9)).toThrow('has ended');
  expect(other.alive).toBe(false);
});

test('shm.zombie keeps the locks of a dead process until it is healed; shm.lock-lost takes them from a living one', async () => {
  const { world, container, other, mine, theirs } = await pair();
  const identity = other.host.shm.identity();
  theirs.lock(1);
  expect(mine.evidence(1, identity)).toEqual({ lock: 'held', process: 'running' });
  apply(world, 'shm.lock-lost', ['c']);
  expect(mine.evidence(1, identity)).toEqual({ lock: 'free', process: 'running' });
  theirs.lock(1);
  const heal = apply(world, 'shm.zombie', ['c']);
  container.kill();
  expect(mine.evidence(1, identity)).toEqual({ lock: 'held', process: 'gone' });
  await heal?.();
  expect(mine.evidence(1, identity)).toEqual({ lock: 'free', process: 'gone' });
});

test('shm.pid-reuse gives the pid of a dead process to another one that started later', async () => {
  const { world, container, other, mine } = await pair();
  const identity = other.host.shm.identity();
  container.kill();
  await world.run({ toMs: 100 });
  const heal = apply(world, 'shm.pid-reuse', ['c']);
  expect(mine.evidence(1, identity).process).toBe('other');
  await heal?.();
  expect(mine.evidence(1, identity).process).toBe('gone');
});

test('shm.wake-lost: a wake reaches nobody, and the sleeper goes on when its own time is over', async () => {
  const { world, mine, other, theirs } = await pair();
  const results: string[] = [];
  const sleep = () => other.deliver('sleep', () => void theirs.waitAsync(5, 0, 50).then((how) => results.push(how)));
  const heal = apply(world, 'shm.wake-lost', ['m']);
  sleep();
  await world.run({ toMs: 60 });
  expect(mine.wake(5, 1)).toBe(0);
  await world.run({ toMs: 200 });
  await heal?.();
  sleep();
  await world.run({ toMs: 210 });
  expect(mine.wake(5, 1)).toBe(1);
  await world.run({ toMs: 220 });
  expect(results).toEqual(['timeout', 'woken']);
});

test('shm.truncated-region and shm.foreign-region stand under the name until they are healed; those attached keep the memory', async () => {
  const { world, machine, mine } = await pair();
  mine.words[0] = 42;
  const short = apply(world, 'shm.truncated-region', ['m'], { region: 'ring', bytes: 64 });
  expect(machine.sharedMemory.memoryOf('ring')?.byteLength).toBe(64);
  await short?.();
  const foreign = apply(world, 'shm.foreign-region', ['m'], { region: 'ring' });
  const other = machine.sharedMemory.memoryOf('ring');
  expect(other === undefined || new Int32Array(other)[0] === 42).toBe(false);
  await foreign?.();
  expect([machine.sharedMemory.memoryOf('ring') === mine.words.buffer, mine.words[0]]).toEqual([true, 42]);
});
