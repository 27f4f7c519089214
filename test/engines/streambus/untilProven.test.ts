import { expect, test } from 'vitest';
import { untilProven } from '../../../src/engines/streambus/lifecycle.ts';
import { World } from '../../../src/sim/world.ts';
import type { JournalStatus } from '../../../src/storage/journal/index.ts';

function story(after: { readonly provenLsn?: number; readonly state?: string }) {
  const world = new World({ seed: 1 });
  world.addMachine('b1');
  const waits: (string | undefined)[] = [];
  let outcome: string | undefined;
  world.machines.get('b1')?.start('broker', async (host) => {
    const begin = host.clock.now();
    const isLater = () => host.clock.now() - begin >= 15_000;
    const journal = {
      get provenLsn() {
        return isLater() ? (after.provenLsn ?? 3) : 3;
      },
      durableLsn: 7,
      // Nothing else of it is looked at.
      status: () => ({ state: isLater() ? (after.state ?? 'read-only') : 'read-only', why: 'full' }) as JournalStatus,
    };
    const { signal } = new AbortController();
    await untilProven(host, journal, signal, (why) => waits.push(why)).then(
      () => {
        outcome = 'done';
      },
      (error: { code: string }) => {
        outcome = error.code;
      },
    );
  });
  return { world, waits, outcome: () => outcome };
}

test('groups wait for a tail that is not on the medium yet, and say so each 10 s', async () => {
  const { world, waits, outcome } = story({ provenLsn: 7 });
  await world.run({ toMs: world.now + 14_000 });
  expect(outcome()).toBeUndefined();
  const why = 'the disk has no room for the tail of the journal: full';
  expect(waits).toEqual([why, why]);
  await world.run({ toMs: world.now + 2_000 });
  expect(outcome()).toBe('done');
  expect(waits).toEqual([why, why, undefined]);
});

test('a journal that fails meanwhile ends the start', async () => {
  const { world, outcome } = story({ state: 'failed' });
  await world.run({ toMs: world.now + 20_000 });
  expect(outcome()).toBe('JOURNAL_FAILED');
});
