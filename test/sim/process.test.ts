import { expect, test } from 'vitest';
import type { Host } from '../../src/host/host.ts';
import { TURN_MS } from '../../src/sim/process.ts';
import { World } from '../../src/sim/world.ts';

/** Logs the virtual time of a timer every 10 ms, for as long as it lives. */
function ticker(seen: number[]): (host: Host) => void {
  return ({ clock }) => {
    const tick = (): void => {
      seen.push(clock.now());
      clock.timer(10, tick);
    };
    clock.timer(10, tick);
  };
}

test('a dead process never sees another timer fire or promise settle', async () => {
  const world = new World({ seed: 1 });
  const machine = world.addMachine('a');
  const seen: string[] = [];
  const process = machine.start('main', async ({ clock }) => {
    clock.timer(50, () => seen.push('timer'));
    void clock.sleep(50).then(() => seen.push('sleep'));
    void process.io('device', 50, () => seen.push('io body')).then(() => seen.push('io'));
    await clock.sleep(10);
    seen.push('alive at 10');
  });
  world.scheduler.at(20, 'kill', undefined, () => machine.kill());
  world.scheduler.at(60, 'deliver', undefined, () => process.deliver('late', () => seen.push('delivered')));
  await world.run({ toMs: 200 });
  expect(seen).toEqual(['alive at 10']);
  expect(process.alive).toBe(false);
  expect(await process.exited).toEqual({ atMs: 20, code: 137, signal: 'SIGKILL', reason: 'killed' });
});

test('what a dead process asks of its host never settles and does nothing', async () => {
  const world = new World({ seed: 1 });
  const machine = world.addMachine('a');
  let settled = false;
  const process = machine.start('main', ({ clock, telemetry }) => {
    process.exit(3, 'done');
    telemetry.logger.info('from the grave');
    void clock.sleep(1).then(() => {
      settled = true;
    });
  });
  await world.run({ toMs: 100 });
  expect(settled).toBe(false);
  expect(world.logs.lines).toEqual([]);
  expect(await process.exited).toMatchObject({ code: 3, reason: 'done', signal: undefined });
});

test('each start is a new incarnation with draws of its own', async () => {
  const world = new World({ seed: 1 });
  const machine = world.addMachine('a');
  const draws: number[] = [];
  for (let round = 1; round <= 2; round++) {
    machine.start('main', (host) => {
      expect(host.incarnation).toBe(round);
      draws.push(host.random.stream('x').uint32());
    });
    await world.run({ toMs: world.now + 1 });
    machine.kill();
  }
  expect(draws[0]).not.toBe(draws[1]);
});

test('a paused process runs nothing while its clock goes on, and then everything in order', async () => {
  const world = new World({ seed: 1 });
  const machine = world.addMachine('a');
  const seen: [string, number][] = [];
  machine.start('main', ({ clock }) => {
    for (const ms of [30, 20, 10]) clock.timer(ms, () => seen.push([`timer ${ms}`, clock.now()]));
  });
  world.scheduler.at(5, 'pause', undefined, () => machine.pause());
  await world.run({ toMs: 100 });
  expect(seen).toEqual([]);
  machine.resume();
  await world.run({ toMs: 200 });
  expect(seen.map(([name]) => name)).toEqual(['timer 10', 'timer 20', 'timer 30']);
  expect(seen[0]?.[1]).toBe(100);
});

test('a timer that is cancelled during a pause does not fire after it', async () => {
  const world = new World({ seed: 1 });
  const machine = world.addMachine('a');
  let fired = 0;
  machine.start('main', ({ clock }) => {
    const timer = clock.timer(10, () => fired++);
    world.scheduler.at(50, 'cancel', undefined, () => timer.cancel());
  });
  world.scheduler.at(5, 'pause', undefined, () => machine.pause());
  await world.run({ toMs: 60 });
  machine.resume();
  await world.run({ toMs: 100 });
  expect(fired).toBe(0);
});

test('a process that is killed while paused stays silent after resume', async () => {
  const world = new World({ seed: 1 });
  const machine = world.addMachine('a');
  const seen: number[] = [];
  machine.start('main', ticker(seen));
  await world.run({ toMs: 5 });
  const process = machine.process;
  machine.pause();
  await world.run({ toMs: 50 });
  machine.kill();
  process?.resume();
  await world.run({ toMs: 100 });
  expect(seen).toEqual([]);
});

test('turns of the event loop take time, slow ones more', async () => {
  const world = new World({ seed: 1 });
  const machine = world.addMachine('a');
  const times: number[] = [];
  const main = ({ clock }: Host): void => {
    times.length = 0;
    const turn = (): void => {
      times.push(clock.now());
      if (times.length < 4) clock.timer(0, turn);
    };
    clock.timer(0, turn);
  };
  machine.start('main', main);
  await world.run({});
  expect(times.slice(1).map((time, index) => time - (times[index] ?? 0))).toEqual([TURN_MS, TURN_MS, TURN_MS]);
  machine.kill();
  machine.slow(1000);
  machine.start('main', main);
  await world.run({});
  const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
  expect(gaps).toEqual([1000 * TURN_MS, 1000 * TURN_MS, 1000 * TURN_MS]);
});

test('starting a machine whose process runs is refused', () => {
  const world = new World({ seed: 1 });
  const machine = world.addMachine('a');
  machine.start('main', () => {});
  expect(() => machine.start('again', () => {})).toThrow('a#1 runs');
});

test('the log book has every line with its time and its process', async () => {
  const world = new World({ seed: 1 });
  const heard: string[] = [];
  world.logs.subscribe((line) => heard.push(line.message));
  world.addMachine('a').start('main', async ({ clock, telemetry }) => {
    await clock.sleep(7);
    telemetry.logger.child({ part: 'x' }).warn('disk is slow', { ms: 3 });
  });
  await world.run({});
  expect(world.logs.lines).toEqual([
    { atMs: 7, machine: 'a', incarnation: 1, level: 'warn', message: 'disk is slow', fields: { part: 'x', ms: 3 } },
  ]);
  expect(heard).toEqual(['disk is slow']);
});
