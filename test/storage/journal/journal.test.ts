import { describe, expect, it } from 'vitest';
import { openJournal } from '../../../src/storage/journal/index.ts';
import { journalWorld, payloadOf, readAll, smallJournal, withJournal } from '../../support/journalWorld.ts';

describe('journal', () => {
  it('should give back, after a restart, what it acknowledged', async () => {
    const { run } = journalWorld({ seed: 1 });
    await run((host) =>
      withJournal(host, async (journal, recovery) => {
        expect(recovery).toMatchObject({ verdict: 'clean', first: 1, last: 0, floor: 0, missing: [] });
        for (let n = 1; n <= 50; n++) {
          const ticket = journal.append([{ type: 1, stream: n, payload: payloadOf(n) }]);
          expect(ticket).toMatchObject({ first: n, last: n });
          await ticket.durable();
          expect(journal.durableLsn).toBe(n);
        }
        expect((await journal.read(17)).payload).toEqual(payloadOf(17));
        expect((await readAll(journal)).map(({ lsn }) => lsn)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
      }),
    );
    await run((host) =>
      withJournal(host, async (journal, recovery) => {
        expect(recovery).toMatchObject({ verdict: 'clean', first: 1, last: 50, floor: 50 });
        const all = await readAll(journal);
        expect(all.map(({ payload }) => payload)).toEqual(Array.from({ length: 50 }, (_, i) => payloadOf(i + 1)));
        expect(journal.append([{ type: 1, payload: payloadOf(51) }])).toMatchObject({ first: 51, last: 51 });
        await journal.flush();
        expect((await journal.read(51)).payload).toEqual(payloadOf(51));
      }),
    );
  });

  it('should write appends of one turn in one batch, and each append in one batch', async () => {
    const { run } = journalWorld({ seed: 2 });
    await run((host) =>
      withJournal(host, async (journal) => {
        const tickets = Array.from({ length: 40 }, (_, i) =>
          journal.append([
            { type: 1, payload: payloadOf(2 * i) },
            { type: 2, payload: [payloadOf(2 * i + 1, 9), payloadOf(7, 3)] },
          ]),
        );
        await Promise.all(tickets.map((ticket) => ticket.durable()));
        expect(journal.status().lastBatch?.records).toBe(80);
        expect((await journal.read(80)).payload).toHaveLength(12);
      }),
    );
  });

  it('should roll over segments and read across them', async () => {
    const { run } = journalWorld({ seed: 3 });
    await run((host) =>
      withJournal(host, async (journal) => {
        for (let n = 1; n <= 60; n++) await journal.append([{ type: 1, payload: payloadOf(n, 3000) }]).durable();
        expect(journal.segments().length).toBeGreaterThan(3);
        expect(await readAll(journal, 30)).toHaveLength(31);
        journal.pin('test', 40);
        await host.clock.sleep(100);
        expect(journal.firstLsn).toBeGreaterThan(1);
        expect(journal.firstLsn).toBeLessThanOrEqual(40);
        expect((await readAll(journal)).at(-1)?.lsn).toBe(60);
      }),
    );
    await run((host) =>
      withJournal(host, async (journal, recovery) => {
        expect(recovery.verdict).toBe('clean');
        expect(recovery.last).toBe(60);
        expect((await journal.read(60)).payload).toEqual(payloadOf(60, 3000));
      }),
    );
  });

  it('should read a record of any segment at the price of its own pages, once a segment is known', async () => {
    const { run, machine } = journalWorld({ seed: 31 });
    await run((host) =>
      withJournal(host, async (journal) => {
        for (let n = 1; n <= 240; n++) await journal.append([{ type: 1, payload: payloadOf(n, 3000) }]).durable();
        expect(journal.segments().length).toBeGreaterThan(12);
      }),
    );
    const device = machine.devices.device('root');
    await run((host) =>
      withJournal(host, async (journal) => {
        const all = Array.from({ length: 240 }, (_, i) => i + 1);
        // Many readers of segments that nobody knows: each is scanned once.
        await Promise.all(all.map((lsn) => journal.read(lsn)));
        for (const lsn of all) {
          device.evict();
          const before = device.statistics.readBytes;
          expect((await journal.read(lsn)).payload).toEqual(payloadOf(lsn, 3000));
          expect(device.statistics.readBytes - before).toBeLessThanOrEqual(2 * 4096);
        }
      }),
    );
  });

  it('should survive a kill at any time with everything acknowledged', async () => {
    for (let seed = 1; seed <= 6; seed++) {
      const { run, begin, machine, world } = journalWorld({ seed, buggify: true });
      let acked = 0;
      const until = 1 + ((seed * 7919) % 400);
      const start = world.now;
      await begin(
        async (host) => {
          const { journal } = await openJournal(host, smallJournal);
          for (let n = 1; ; n++) {
            await journal.append([{ type: 1, payload: payloadOf(n) }]).durable();
            acked = n;
          }
        },
        () => world.now - start > until,
      );
      machine.powerLoss('tear');
      await run((host) =>
        withJournal(host, async (journal, recovery) => {
          expect(recovery.verdict).not.toBe('corrupt');
          const all = await readAll(journal);
          expect(all.length).toBeGreaterThanOrEqual(acked);
          expect(all.map(({ payload }) => payload)).toEqual(all.map((_, i) => payloadOf(i + 1)));
        }),
      );
    }
  });

  it('should refuse a second process and name the first', async () => {
    const { run } = journalWorld({ seed: 5 });
    await run(async (host) => {
      await withJournal(host, async () => {
        await expect(openJournal(host, smallJournal)).rejects.toMatchObject({ code: 'JournalLocked' });
      });
    });
  });
});
