import { describe, expect, it } from 'vitest';
import { openJournal } from '../../../src/storage/journal/index.ts';
import { journalWorld, payloadOf, readAll, smallJournal, withJournal } from '../../support/journalWorld.ts';

/** A world in which a journal with one record was killed. */
async function afterCrash(seed: number) {
  const { begin, run, machine } = journalWorld({ seed });
  let acked = false;
  await begin(
    async (host) => {
      const { journal } = await openJournal(host, smallJournal);
      await journal.append([{ type: 1, payload: payloadOf(1) }]).durable();
      acked = true;
      await new Promise(() => {});
    },
    () => acked,
  );
  machine.kill();
  return { run, machine };
}

describe('a journal over many lives', () => {
  it('should cost a page or two for each orderly restart, not a segment', async () => {
    const { run } = journalWorld({ seed: 31 });
    const o = { maxBytes: 8 * 64 * 1024 };
    for (let n = 1; n <= 12; n++) {
      await run((host) =>
        withJournal(
          host,
          async (journal) => {
            await journal.append([{ type: 1, payload: payloadOf(n) }]).durable();
            await journal.roll();
          },
          o,
        ),
      );
    }
    const { records, disk, sizes } = await run((host) =>
      withJournal(
        host,
        async (journal) => ({
          records: await readAll(journal),
          disk: journal.status().diskBytes,
          sizes: await Promise.all(
            journal.segments().map(async ({ file }) => (await host.disk.stat(`/data/wal/${file}`)).bytes),
          ),
        }),
        o,
      ),
    );
    expect(records.map(({ lsn }) => lsn)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(disk).toBe(sizes.reduce((a, b) => a + b, 0) + 64 * 1024);
    expect(Math.max(...sizes)).toBe(3 * 4096);
  });

  it('should count the errors of the active segment from 0, also after a crash', async () => {
    const { run } = await afterCrash(32);
    const metrics = await run((host) => withJournal(host, () => host.telemetry.registry.metrics()));
    expect(metrics).toContain('test_wal_fsync_errors_total{segment="segment-00000001.wal"} 0');
  });

  it('should end within its time when the witness of a strict tail cannot be written', async () => {
    const { run, machine, world } = journalWorld({ seed: 33 });
    const took = await run(async (host) => {
      const { journal } = await openJournal(host, { ...smallJournal, strictTail: true });
      const rules = machine.devices.device('root').rules;
      rules.add({ kind: 'io-error', operation: 'write', share: 1, transient: true, path: '/other/witness/*' });
      const ticket = journal.append([{ type: 1, payload: payloadOf(1) }]);
      const fate = ticket.durable().then(
        () => 'acknowledged',
        (error: { code: string; outcome: string }) => `${error.code} ${error.outcome}`,
      );
      await host.clock.sleep(10_000);
      const began = world.now;
      await journal.close();
      expect(await fate).toBe('JournalClosed indeterminate');
      return world.now - began;
    });
    expect(took).toBeLessThan(5_000);
  });

  it('should keep and count a torn tail once, however long the room for the rest is missing', async () => {
    const { run, machine } = journalWorld({ seed: 34 });
    await run(async (host) => {
      await withJournal(host, async (journal) => {
        for (let n = 1; n <= 5; n++) await journal.append([{ type: 1, payload: payloadOf(n) }]).durable();
      });
      const file = await host.disk.open('/data/wal/segment-00000001.wal', { mode: 'write' });
      // Behind the seal nothing is read: the page of the seal itself is what is torn.
      await file.write(6 * 4096, [new Uint8Array(4096).fill(7)], { durable: true });
      await file.close();
    });
    const { rules } = machine.devices.device('root');
    const full = rules.add({ kind: 'no-space', operation: 'write', path: '/data/wal/spare.wal' });
    const { metrics, torn, state } = await run(async (host) => {
      const { journal } = await openJournal(host, smallJournal);
      expect(journal.state).toBe('read-only');
      await host.clock.sleep(20_000);
      rules.remove(full.id);
      await host.clock.sleep(3_000);
      const found = {
        metrics: await host.telemetry.registry.metrics(),
        torn: (await host.disk.list('/data/wal/torn')).length,
        state: `${journal.state} ${journal.status().why}`,
      };
      await journal.close();
      return found;
    });
    expect(state).toBe('open ');
    expect(metrics).toContain('test_wal_torn_batches_total 1');
    expect(torn).toBe(1);
  });

  it('should take appends again when room comes for the tail, and read them though others read meanwhile', async () => {
    const { run, machine } = await afterCrash(35);
    const { rules } = machine.devices.device('root');
    const full = rules.add({ kind: 'no-space', operation: 'write', path: '/data/wal/spare.wal' });
    await run(async (host) => {
      const { journal } = await openJournal(host, smallJournal);
      expect(journal.state).toBe('read-only');
      expect((await journal.read(1)).payload).toEqual(payloadOf(1));
      // What was found may be in the page cache alone: it is read, and vouched for only once it is written anew.
      expect([journal.provenLsn, journal.durableLsn]).toEqual([0, 1]);
      await host.clock.sleep(5_500);
      rules.remove(full.id);
      await host.clock.sleep(1_500);
      expect(journal.state).toBe('open');
      expect(journal.provenLsn).toBe(1);
      await journal.append([{ type: 1, payload: payloadOf(2) }]).durable();
      expect((await journal.read(2)).payload).toEqual(payloadOf(2));
      await journal.close();
    });
    expect(await run((host) => withJournal(host, async (journal) => (await readAll(journal)).length))).toBe(2);
  });

  it('should open the file of a segment once for all who read it at the same time, and close it', async () => {
    const { run, machine } = journalWorld({ seed: 36 });
    await run((host) =>
      withJournal(host, async (journal) => {
        for (let n = 1; n <= 9; n++) await journal.append([{ type: 1, payload: payloadOf(n) }]).durable();
      }),
    );
    const opened: string[] = [];
    let closed = 0;
    const stop = machine.devices.device('root').observe((event) => {
      if (event.kind === 'open' && event.path.includes('segment-')) opened.push(event.path);
      if (event.kind === 'close' && event.path.includes('segment-')) closed += 1;
    });
    await run((host) =>
      withJournal(host, async (journal) => {
        opened.length = 0;
        closed = 0;
        await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((lsn) => journal.read(lsn)));
        expect(opened).toEqual(['/data/wal/segment-00000001.wal']);
      }),
    );
    expect(closed).toBe(opened.length);
    stop();
  });
});
