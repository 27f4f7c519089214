import { describe, expect, it } from 'vitest';
import { openJournal } from '../../../src/storage/journal/index.ts';
import { journalWorld, payloadOf, smallJournal } from '../../support/journalWorld.ts';

/** Commits a second of closed-loop writers on a device whose durable write takes about 100 ms, and what was seen meanwhile. */
async function closedLoop(writers: number, mutants: string[] = []) {
  const { world, machine, begin } = journalWorld({ seed: 31, mutants });
  const slow = machine.devices.addDevice('slow', { model: { syncMs: 100, jitter: 0 } });
  machine.devices.mount('/data', slow);
  let commits = 0;
  let waitMax = 0;
  let lastBatch = 0;
  let began = 0;
  await begin(
    async (host) => {
      const { journal } = await openJournal(host, { ...smallJournal, segmentBytes: 4 << 20, maxWaitMs: 100 });
      began = world.now;
      const writer = async (k: number) => {
        for (let n = 1; ; n++) {
          const asked = host.clock.now();
          await journal.append([{ type: 1, payload: payloadOf(k + n) }]).durable();
          if (world.now - began > 5000) {
            commits += 1;
            waitMax = Math.max(waitMax, host.clock.now() - asked);
            lastBatch = journal.status().lastBatch?.records ?? 0;
          }
          // The time in which an answer travels and the next request comes back.
          await host.clock.sleep(3);
        }
      };
      for (let k = 0; k < writers; k++) {
        void writer(k);
        // Not all at once: they would be in step by accident.
        await host.clock.sleep(7);
      }
    },
    () => began > 0 && world.now - began > 25_000,
  );
  return { perSecond: commits / 20, waitMax, lastBatch };
}

describe('gathering', () => {
  it('should bring closed-loop writers into one batch, 1.6 times as many commits as without', async () => {
    const gathered = await closedLoop(64);
    const halves = await closedLoop(64, ['no-gather']);
    expect(gathered.lastBatch).toBeGreaterThanOrEqual(0.8 * 64);
    expect(gathered.perSecond).toBeGreaterThan(1.6 * halves.perSecond);
  });

  it('should not make a lone writer wait, as a fixed wait does', async () => {
    const lone = await closedLoop(1);
    const fixed = await closedLoop(1, ['fixed-wait']);
    expect(fixed.waitMax).toBeGreaterThan(lone.waitMax + 90);
  });
});
