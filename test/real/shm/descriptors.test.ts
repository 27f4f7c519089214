import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { source } from './asNobody.ts';
import { inMemoryDirectory } from './memoryDirectory.ts';
import { describeMapped } from './needsNative.ts';

/** Runs a module that may have 128 files open; what it prints as JSON. `fill` takes all descriptors that are left, `free` gives one back. */
function withFewDescriptors(by: 'addon' | 'FFI', directory: string, program: string): unknown {
  const text = `
    import { closeSync, openSync } from 'node:fs';
    import { openBus } from ${JSON.stringify(`${source}/engines/indexbus/bus.ts`)};
    import { createSegment } from ${JSON.stringify(`${source}/engines/indexbus/segment.ts`)};
    import { createRealHost } from ${JSON.stringify(`${source}/real/host.ts`)};
    const directory = ${JSON.stringify(directory)};
    const host = createRealHost({ name: 'few' });
    const { shm } = host;
    const taken = [];
    const fill = () => { try { for (;;) taken.push(openSync('/dev/null', 'r')); } catch {} };
    const free = () => closeSync(taken.pop());
    const told = (call) => call.then(() => 'no error', (error) => error.name + ' ' + error.code);
    ${program}`;
  const words = ['--nofile=128', process.execPath, '--input-type=module', '-e', text];
  const env = { ...process.env, HOTFIRE_NATIVE: by === 'FFI' ? 'off' : '' };
  const ran = spawnSync('prlimit', words, { encoding: 'utf8', env });
  expect(ran.stderr).toBe('');
  return JSON.parse(ran.stdout);
}

describeMapped('a process that has no descriptor left', (_, by) => {
  test('is told so by every call, however far it comes', () =>
    inMemoryDirectory(async (directory) => {
      const said = withFewDescriptors(
        by,
        directory,
        `
        await shm.open('there', 4096, { mode: 'create', directory });
        await shm.open('held', 4096, { mode: 'create', backing: 'memfd', directory });
        const calls = [
          () => shm.stat('there', { directory }),
          ...['there', 'held'].map((name) => () => shm.open(name, 4096, { mode: 'open', directory })),
          ...['there', 'held', 'new'].map((name) => () => shm.open(name, 4096, { mode: 'create', directory })),
          () => shm.open('newer', 4096, { mode: 'create', backing: 'memfd', directory }),
        ];
        fill();
        const codes = calls.map(() => new Set());
        for (let left = 0; left < 6; left++) {
          for (const [index, call] of calls.entries()) codes[index].add(await told(call().then((region) => region.close?.())));
          free();
        }
        console.log(JSON.stringify(codes.map((each) => [...each])));
        process.exit(0);`,
      );
      const told = ['SharedMemoryError EMFILE', 'no error'];
      expect(said).toEqual([told, told, told, told, told, told, told]);
    }));

  test('gets an error of the bus from each of its calls', () =>
    inMemoryDirectory(async (directory) => {
      const said = withFewDescriptors(
        by,
        directory,
        `
        const sizes = { producers: 2, lanes: 2, slots: 64, laneRing: 64, slotBytes: 64, topics: 4 };
        await createSegment({ shm, name: 'bus', directory }, sizes, 1);
        const open = () => openBus({ segment: 'bus', directory, host, attachTimeoutMs: 50 });
        const bus = await open();
        fill();
        const codes = [await told(open()), await told(bus.producer()), await told(bus.consumer({ subscription: 'all' }))];
        while (taken.length > 0) free();
        console.log(JSON.stringify([...codes, await told(bus.producer())]));
        process.exit(0);`,
      );
      const none = 'BusError IB_NO_DESCRIPTORS';
      expect(said).toEqual([none, none, none, 'BusError IB_NO_ROUTER']);
    }));
});
