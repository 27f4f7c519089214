import { expect, test } from 'vitest';
import type { Host } from '../../src/host/host.ts';
import { WALL_START, type World } from '../../src/sim/world.ts';
import { applyFault, machines } from './stand.ts';

async function clocks(): Promise<{ world: World; a: Host; b: Host }> {
  const { world, hosts } = await machines(['a', 'b']);
  const { a, b } = hosts;
  if (a === undefined || b === undefined) throw new Error('expected two hosts');
  return { world, a, b };
}

test('an offset moves the wall of its node alone, until it is healed', async () => {
  const { world, a, b } = await clocks();
  const heal = applyFault(world, 'clock.offset', { ms: '5s' }, ['a']);
  await world.run({ toMs: 1000 });
  expect([a.clock.wall(), b.clock.wall()]).toEqual([WALL_START + 6000, WALL_START + 1000]);
  expect(a.clock.now()).toBe(1000);
  await heal?.();
  expect(a.clock.wall()).toBe(WALL_START + 1000);
});

test('a jump moves the wall once, backwards too, and monotonic time does not notice', async () => {
  const { world, a, b } = await clocks();
  expect(applyFault(world, 'clock.jump', { ms: '-1h' }, ['a'])).toBeUndefined();
  await world.run({ toMs: 1000 });
  expect([a.clock.wall(), a.clock.now()]).toEqual([WALL_START + 1000 - 3_600_000, 1000]);
  expect(b.clock.wall()).toBe(WALL_START + 1000);
});

test('a drift makes both clocks run fast, timers with them, and healed they go on without a jump', async () => {
  const { world, a } = await clocks();
  const heal = applyFault(world, 'clock.drift', { ppm: 1000 }, ['a']);
  let firedAt = 0;
  a.clock.timer(1001, () => {
    firedAt = world.now;
  });
  await world.run({ toMs: 1001 });
  expect(a.clock.now()).toBeCloseTo(1002, 6);
  expect(a.clock.wall()).toBeCloseTo(WALL_START + 1002, 3);
  await heal?.();
  expect(a.clock.now()).toBeCloseTo(1002, 6);
  await world.run({ toMs: 2001 });
  expect(a.clock.now()).toBeCloseTo(2002, 6);
  expect(firedAt).toBeCloseTo(1001, 2);
});

test('a timer does not fire early when the clock slows down while it runs', async () => {
  const { world, a } = await clocks();
  const startMs = a.clock.now();
  let elapsed = 0;
  a.clock.timer(1000, () => {
    elapsed = a.clock.now() - startMs;
  });
  applyFault(world, 'clock.drift', { ppm: -100_000 }, ['a']);
  await world.run({ toMs: 3000 });
  expect(elapsed).toBeGreaterThanOrEqual(999.9999);
  expect(elapsed).toBeLessThan(1000.01);
});

test('a frozen wall stands still while monotonic time goes on, and healed it is where it would be', async () => {
  const { world, a, b } = await clocks();
  await world.run({ toMs: 100 });
  const heal = applyFault(world, 'clock.freeze', {}, ['a']);
  await world.run({ toMs: 5100 });
  expect([a.clock.wall(), a.clock.now(), b.clock.wall()]).toEqual([WALL_START + 100, 5100, WALL_START + 5100]);
  await heal?.();
  expect(a.clock.wall()).toBe(WALL_START + 5100);
});
