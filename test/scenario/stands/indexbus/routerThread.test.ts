import { expect, test } from 'vitest';
import { parseFault } from '../../../../src/faults/registry.ts';
import { registerParticipants } from '../../../../src/faults/sharedMemoryControl.ts';
import type { Region } from '../../../../src/host/sharedMemory.ts';
import { RouterThread } from '../../../../src/scenario/stands/indexbus/routerThread.ts';
import { World } from '../../../../src/sim/world.ts';

/** A process that polls each millisecond for as long as it can, and one task beside it that ticks every 10 ms. */
async function polling(hasOwnCore: boolean) {
  const world = new World({ seed: 3 });
  const machine = world.addMachine('r');
  const polls: number[] = [];
  const ticks: number[] = [];
  const process = machine.start('router', (plain) => {
    const host = thread.over(plain);
    const poll = async (region: Region): Promise<void> => {
      for (;;) {
        await host.clock.sleep(0.01);
        polls.push(world.now);
        await region.waitAsync(0, 0, 1);
      }
    };
    void host.shm.open('ring', 4096, { mode: 'create' }).then(poll);
    const tick = (): void => {
      ticks.push(world.now);
      host.clock.timer(10, tick);
    };
    tick();
  });
  const thread = new RouterThread(process, hasOwnCore);
  registerParticipants(world, {
    stall: () => () => {},
    preempt: () => () => {},
    interrupt: () => () => {},
    wordOf: () => 0,
    damaged: () => {},
    stallRouter: () => thread.hold(),
    hasOwnCore: () => thread.hasOwnCore,
  });
  const apply = (name: string, parameters: Record<string, unknown>) => {
    const { definition, parameters: parsed } = parseFault(name, parameters);
    return definition.apply({ world, targets: ['r'] }, parsed);
  };
  const gaps = (): number[] =>
    polls.slice(1).flatMap((at, index) => (at - (polls[index] ?? at) > 5 ? [at - (polls[index] ?? at)] : []));
  return { world, machine, polls, ticks, apply, gaps };
}

test('shm.stall-router: the thread stands still, the process goes on, and the thread too once it is healed', async () => {
  const { world, polls, ticks, apply, gaps } = await polling(false);
  await world.run({ toMs: 100 });
  const heal = apply('shm.stall-router', {});
  await world.run({ toMs: 200 });
  const stood = polls.length;
  await world.run({ toMs: 300 });
  expect(polls.length).toBe(stood);
  expect(ticks.length).toBeGreaterThan(28);
  await heal?.();
  await world.run({ toMs: 400 });
  expect(polls.length).toBeGreaterThan(stood + 50);
  expect(gaps()).toHaveLength(1);
});

test('shm.router-jitter: the core is taken again and again, from a thread that has none of its own', async () => {
  for (const hasOwnCore of [false, true]) {
    const { world, apply, gaps } = await polling(hasOwnCore);
    const heal = apply('shm.router-jitter', { length: '50ms', every: '200ms' });
    await world.run({ toMs: 2_000 });
    await heal?.();
    await world.run({ toMs: 3_000 });
    const taken = gaps();
    expect(taken.length > 5 && taken.length < 20).toBe(!hasOwnCore);
    for (const gap of taken) expect(gap).toBeGreaterThan(45);
  }
});

test('work of the loop takes as much longer as the processor is slow', async () => {
  const { world, machine, polls } = await polling(false);
  await world.run({ toMs: 100 });
  const quick = polls.length;
  machine.slow(1_000);
  await world.run({ toMs: 200 });
  // 10 µs of work are 10 ms now.
  expect(polls.length - quick).toBeLessThan(12);
  expect(quick).toBeGreaterThan(60);
});
