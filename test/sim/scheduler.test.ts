import { expect, test } from 'vitest';
import { SimulationError } from '../../src/sim/scheduler.ts';
import { World } from '../../src/sim/world.ts';

test('every microtask is drained before virtual time moves', async () => {
  const world = new World({ seed: 1 });
  const seen: number[] = [];
  // The very first event runs under whoever called `run`, whose own microtasks would hide what is missing.
  world.scheduler.at(0.5, 'warm up', undefined, () => {});
  world.scheduler.at(1, 'first', undefined, () => {
    void (async () => {
      for (let turn = 0; turn < 500; turn++) {
        await null;
        seen.push(world.now);
      }
    })();
  });
  world.scheduler.at(1.0001, 'second', undefined, () => seen.push(-1));
  await world.run({});
  expect(seen).toEqual([...Array.from({ length: 500 }, () => 1), -1]);
});

test('events run by time; the seed decides between events of one instant', async () => {
  const orders = new Set<string>();
  for (let seed = 0; seed < 60; seed++) {
    const world = new World({ seed });
    const seen: string[] = [];
    for (const name of ['a', 'b', 'c']) world.scheduler.at(5, name, undefined, () => seen.push(name));
    world.scheduler.at(2, 'early', undefined, () => seen.push('early'));
    await world.run({});
    expect(seen[0]).toBe('early');
    expect([...seen].sort()).toEqual(['a', 'b', 'c', 'early']);
    orders.add(seen.join(''));
  }
  expect(orders.size).toBe(6);
});

test('timers of one process and one instant fire in the order in which they were armed', async () => {
  for (let seed = 0; seed < 10; seed++) {
    const world = new World({ seed });
    const seen: number[] = [];
    world.addMachine('a').start('main', ({ clock }) => {
      for (let index = 0; index < 20; index++) clock.timer(10, () => seen.push(index));
    });
    await world.run({});
    expect(seen).toEqual(Array.from({ length: 20 }, (_, index) => index));
  }
});

test('a run ends at its time, at its condition, after its number of events, or when nothing is left', async () => {
  const world = new World({ seed: 1 });
  let ticks = 0;
  const tick = (): void => {
    ticks++;
    if (ticks < 100) world.scheduler.after(10, 'tick', undefined, tick);
  };
  world.scheduler.after(10, 'tick', undefined, tick);
  await world.run({ toMs: 55 });
  expect([world.now, ticks]).toEqual([55, 5]);
  await world.run({ until: () => ticks === 8 });
  expect([world.now, ticks]).toEqual([80, 8]);
  await world.run({ maxEvents: 2 });
  expect([world.now, ticks]).toEqual([100, 10]);
  await world.run({});
  expect([world.now, ticks]).toEqual([1000, 100]);
});

test('a cancelled event does not run, and a thousand cancelled ones leave the heap', async () => {
  const world = new World({ seed: 1 });
  let ran = 0;
  const events = Array.from({ length: 5000 }, () => world.scheduler.at(1, 'never', undefined, () => ran++));
  for (const event of events) world.scheduler.cancel(event);
  expect(world.scheduler.pending).toBeLessThan(2500);
  await world.run({});
  expect(ran).toBe(0);
});

test('the heap gives events in the order of a sort, whatever was cancelled between', async () => {
  const world = new World({ seed: 3 });
  const random = world.random.stream('test');
  const expected: number[] = [];
  const seen: number[] = [];
  for (let index = 0; index < 3000; index++) {
    const time = random.integer(0, 500);
    const event = world.scheduler.at(time, 'event', undefined, () => seen.push(time));
    if (random.chance(0.4)) world.scheduler.cancel(event);
    else expected.push(time);
  }
  await world.run({});
  expect(seen).toEqual(expected.sort((a, b) => a - b));
});

test('an event that throws ends the run with its name and its time', async () => {
  const world = new World({ seed: 1 });
  const cause = new Error('broken');
  world.scheduler.at(7, 'bad event', undefined, () => {
    throw cause;
  });
  const failure = await world.run({ toMs: 100 }).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(SimulationError);
  expect(String(failure)).toContain('at 7.000 ms, event "bad event" of the world threw: Error: broken');
  expect((failure as SimulationError).cause).toBe(cause);
  await expect(world.run({ toMs: 200 })).rejects.toBe(failure);
});

test('an unhandled rejection in a process ends the run and names the process', async () => {
  const world = new World({ seed: 1 });
  world.addMachine('a').start('main', async ({ clock }) => {
    clock.timer(100, () => {});
    await clock.sleep(20);
    void (async () => {
      await clock.sleep(5);
      throw new Error('nobody waits for me');
    })();
  });
  await expect(world.run({ toMs: 1000 })).rejects.toThrow(
    'at 25.000 ms, unhandled rejection in a#1: Error: nobody waits for me',
  );
});

test('an error thrown in a microtask ends the run and names the process', async () => {
  const world = new World({ seed: 1 });
  world.addMachine('a').start('main', () => {
    queueMicrotask(() => {
      throw new Error('thrown in a microtask');
    });
  });
  await expect(world.run({ toMs: 10 })).rejects.toThrow('uncaught error in a#1: Error: thrown in a microtask');
});

test('a second run while one is under way is refused', async () => {
  const world = new World({ seed: 1 });
  const first = world.run({ toMs: 5 });
  expect(() => world.run({ toMs: 6 })).toThrow('the world runs already');
  await first;
});
