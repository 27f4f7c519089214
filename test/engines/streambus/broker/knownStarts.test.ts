import { expect, test } from 'vitest';
import { KnownStarts, knownStartsFile } from '../../../../src/engines/streambus/broker/knownStarts.ts';
import type { Host } from '../../../../src/host/host.ts';
import { World } from '../../../../src/sim/world.ts';

const start = { storage: 's', incarnation: 1, startCount: 3, servedStart: 2, session: 'a' };

/** Runs on one machine whose disk loses between two runs what was not synced. */
function makeMachine() {
  const world = new World({ seed: 1 });
  const machine = world.addMachine('b1');
  const run = async <T>(work: (host: Host) => Promise<T>): Promise<T> => {
    let outcome: Promise<T> | undefined;
    let isDone = false;
    machine.start('test', async (host) => {
      await host.disk.makeDirectory('/data');
      outcome = work(host).finally(() => {
        isDone = true;
      });
      await outcome;
    });
    await world.run({ toMs: world.now + 60_000, until: () => isDone });
    machine.powerLoss('drop');
    if (outcome === undefined) throw new Error('it did not begin');
    return outcome;
  };
  return { world, run };
}

test('what was noted is there after a power loss; what was only heard is not', async () => {
  const { run } = makeMachine();
  await run(async (host) => {
    await host.disk.syncDirectory('/');
    const starts = new KnownStarts();
    await starts.read(host, '/data');
    starts.heard(2, start);
    await starts.note();
    starts.heard(3, start);
  });
  await run(async (host) => {
    const starts = new KnownStarts();
    await starts.read(host, '/data');
    expect([starts.of(2), starts.of(3)]).toEqual([start, undefined]);
  });
});

test('nothing goes back but by a later incarnation, whatever comes in whatever order', () => {
  const starts = new KnownStarts();
  starts.heard(2, start);
  starts.heard(2, { ...start, startCount: 1, servedStart: 1, session: 'older' });
  expect(starts.of(2)).toEqual(start);
  starts.heard(2, { storage: '', incarnation: 1, startCount: 3, servedStart: 3, session: '' });
  expect(starts.of(2)).toEqual({ ...start, servedStart: 3 });
  starts.heard(2, { ...start, startCount: 9, servedStart: 1, session: 'b' });
  expect(starts.of(2)).toEqual({ ...start, startCount: 9, servedStart: 3, session: 'b' });
  const next = { storage: 't', incarnation: 2, startCount: 1, servedStart: 0, session: 'c' };
  starts.heard(2, next);
  starts.heard(2, start);
  expect(starts.of(2)).toEqual(next);
});

test('who waits for what is written already waits for it, and one that comes meanwhile for the next', async () => {
  const { run } = makeMachine();
  await run(async (host) => {
    const starts = new KnownStarts();
    await starts.read(host, '/data');
    starts.heard(2, start);
    const first = starts.note();
    starts.heard(3, start);
    await Promise.all([first, starts.note()]);
    const read = new KnownStarts();
    await read.read(host, '/data');
    expect([read.of(2), read.of(3)]).toEqual([start, start]);
  });
});

test('a file that nobody can read is as good as none, and is told of', async () => {
  const { run, world } = makeMachine();
  await run(async (host) => {
    const file = await host.disk.open(knownStartsFile('/data'), { mode: 'create' });
    await file.write(0, [new TextEncoder().encode('{"format":1,"starts":[{"broker":"2"}]}')], { durable: true });
    await file.close();
    const starts = new KnownStarts();
    await starts.read(host, '/data');
    expect(starts.of(2)).toBeUndefined();
    starts.heard(2, start);
    await starts.note();
    const again = new KnownStarts();
    await again.read(host, '/data');
    expect(again.of(2)).toEqual(start);
  });
  expect(world.logs.lines.map(({ level }) => level)).toEqual(['warn']);
});
