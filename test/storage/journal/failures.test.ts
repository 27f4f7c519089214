import { describe, expect, it } from 'vitest';
import { JournalError, openJournal, openPack, scrubPack, scrubSegment } from '../../../src/storage/journal/index.ts';
import type { Journal, Ticket } from '../../../src/storage/journal/types.ts';
import { journalWorld, payloadOf, readAll, smallJournal, withJournal } from '../../support/journalWorld.ts';

/** What became of a ticket: `ok`, or code and outcome. */
async function fate(ticket: Ticket): Promise<string> {
  try {
    await ticket.durable();
    return 'ok';
  } catch (error) {
    if (!(error instanceof JournalError)) throw error;
    return `${error.code} ${error.outcome}`;
  }
}

/** One append in flight and three more queued behind it, in batches of their own. */
async function threeQueued(journal: Journal): Promise<string[]> {
  const first = journal.append([{ type: 1, payload: payloadOf(1) }]);
  void journal.flush().catch(() => undefined);
  await Promise.resolve();
  await Promise.resolve();
  const later = [2, 3, 4].map((n) => journal.append([{ type: 1, payload: payloadOf(n, 3000) }]));
  return Promise.all([first, ...later].map(fate));
}

function failing(mutants: string[], rule: 'sync' | 'space') {
  const w = journalWorld({ seed: 21, mutants });
  const device = w.machine.devices.device('root');
  return {
    ...w,
    device,
    break: () =>
      rule === 'sync'
        ? device.rules.add({ kind: 'sync-error', variant: 'keep', remaining: 1, path: '/data/wal/segment-*' })
        : device.rules.add({ kind: 'no-space', operation: 'write', path: '/data/wal/segment-*' }),
  };
}

describe('failures', () => {
  it('should stop for good after a failed sync, and say of each append what became of it', async () => {
    const story = async (mutants: string[]) => {
      const w = failing(mutants, 'sync');
      return w.run((host) =>
        withJournal(
          host,
          async (journal) => {
            await journal.append([{ type: 1, payload: payloadOf(9) }]).durable();
            await host.clock.sleep(50);
            w.break();
            const fates = await threeQueued(journal);
            return { fates, state: journal.state, next: journal.nextLsn, durable: journal.durableLsn };
          },
          { maxBatchBytes: 4096 },
        ),
      );
    };
    const failed = 'JournalFailed not_applied';
    expect(await story([])).toEqual({
      fates: ['JournalFailed indeterminate', failed, failed, failed],
      state: 'failed',
      next: 2,
      durable: 1,
    });
    expect((await story(['submitted-as-not-applied'])).fates[0]).toBe(failed);
    expect((await story(['queued-as-indeterminate'])).fates[1]).toBe('JournalFailed indeterminate');
    expect((await story(['retry-sync'])).fates).toEqual(['ok', 'ok', 'ok', 'ok']);
    expect((await story(['ack-before-sync'])).fates[0]).toBe('ok');
  });

  it('should say that nothing was written when the segment cannot even be opened, and count no sync', async () => {
    const { run } = journalWorld({ seed: 21 });
    const told = await run((host) =>
      withJournal(host, async (journal) => {
        await host.disk.remove('/data/wal/segment-00000001.wal');
        const fates = await threeQueued(journal);
        const synced = await host.telemetry.registry.getSingleMetric('test_wal_fsync_total')?.get();
        return { fates, state: journal.state, next: journal.nextLsn, syncs: synced?.values[0]?.value };
      }),
    );
    const nothing = 'JournalFailed not_applied';
    expect(told).toEqual({ fates: [nothing, nothing, nothing, nothing], state: 'failed', next: 1, syncs: 0 });
  });

  it('should not keep writers waiting at a new segment for a witness that cannot be written', async () => {
    const { machine, run } = journalWorld({ seed: 21 });
    const tookMs = await run((host) =>
      withJournal(host, async (journal) => {
        await journal.append([{ type: 1, payload: payloadOf(1) }]).durable();
        machine.devices.device('root').rules.add({ kind: 'read-only', path: '/other/witness/*' });
        await journal.append([{ type: 1, payload: payloadOf(2) }]).durable();
        // Idle for long enough that the witness is at its tries, a second apart.
        await host.clock.sleep(100);
        const began = host.clock.now();
        await journal.roll();
        await journal.append([{ type: 1, payload: payloadOf(3) }]).durable();
        return host.clock.now() - began;
      }),
    );
    expect(tookMs).toBeLessThan(100);
  });

  it('should stop for good when the name of a new segment cannot be made durable, and go on after a restart', async () => {
    const w = journalWorld({ seed: 21 });
    const device = w.machine.devices.device('root');
    const append = async (journal: Journal, n: number) =>
      journal.append([{ type: 1, payload: payloadOf(n) }]).durable();
    const codeOf = (work: Promise<unknown>) =>
      work.then(
        () => 'ok',
        (error: unknown) => (error instanceof JournalError ? error.code : 'another error'),
      );
    const stopped = await w.run((host) =>
      withJournal(host, async (journal) => {
        await append(journal, 1);
        await host.clock.sleep(50);
        // The directory itself, and none of the files in it.
        device.rules.add({ kind: 'sync-error', variant: 'keep', remaining: 1, path: '/data/wa?' });
        const rolled = await codeOf(journal.roll());
        return { rolled, next: await codeOf(append(journal, 2)), state: journal.state, durable: journal.durableLsn };
      }),
    );
    expect(stopped).toEqual({ rolled: 'JournalFailed', next: 'JournalFailed', state: 'failed', durable: 1 });
    const after = await w.run((host) =>
      withJournal(host, async (journal) => {
        await append(journal, 2);
        return (await readAll(journal)).map((record) => record.lsn);
      }),
    );
    expect(after).toEqual([1, 2]);
  });

  it('should find the tail of a failed sync after a restart, durable this time, or gone for good', async () => {
    for (const variant of ['keep', 'revert', 'late', 'lost', 'false'] as const) {
      const { run, begin, machine } = journalWorld({ seed: 22 });
      let done = false;
      await begin(
        async (host) => {
          const { journal } = await openJournal(host, smallJournal);
          await journal.append([{ type: 1, payload: payloadOf(1) }]).durable();
          const device = machine.devices.device('root');
          device.rules.add({ kind: 'sync-error', variant, remaining: 1, path: '/data/wal/segment-*' });
          for (let n = 2; n <= 4; n++) {
            if (journal.state === 'open') await fate(journal.append([{ type: 1, payload: payloadOf(n) }]));
          }
          done = true;
        },
        () => done,
      );
      machine.kill();
      const first = await run((host) => withJournal(host, async (journal) => (await readAll(journal)).length));
      expect(first).toBeGreaterThanOrEqual(1);
      machine.powerLoss('drop');
      const second = await run((host) => withJournal(host, async (journal) => (await readAll(journal)).length));
      expect(second).toBe(first);
    }
  });

  it('should turn read-only without space, use the LSN again, and open by itself', async () => {
    const story = async (mutants: string[]) => {
      const w = failing(mutants, 'space');
      return w.run(async (host) => {
        const { journal } = await openJournal(host, { ...smallJournal, maxBatchBytes: 4096 });
        await host.clock.sleep(50);
        const rule = w.break();
        const fates = await threeQueued(journal);
        const seen = { fates, state: journal.state, next: journal.nextLsn };
        expect(() => journal.append([{ type: 1, payload: payloadOf(1) }])).toThrow(/read-only/);
        w.device.rules.remove(rule.id);
        await host.clock.sleep(1500);
        const after = journal.state;
        if (after !== 'open') return { ...seen, after };
        const ticket = journal.append([{ type: 1, payload: payloadOf(5) }]);
        await ticket.durable();
        return { ...seen, after, lsn: ticket.first };
      });
    };
    const refused = 'JournalReadOnly not_applied';
    expect(await story([])).toEqual({
      fates: ['JournalReadOnly indeterminate', refused, refused, refused],
      state: 'read-only',
      next: 1,
      after: 'open',
      lsn: 1,
    });
    expect(await story(['read-only-forever'])).toMatchObject({ after: 'read-only' });
    expect(await story(['keep-lsn-after-reject'])).toMatchObject({ next: 5, lsn: 5 });
  });

  it('should be read-only below its reserve, before a write can fail, and serve reads', async () => {
    const w = journalWorld({ seed: 24 });
    await w.run((host) =>
      withJournal(host, async (journal) => {
        await journal.append([{ type: 1, payload: payloadOf(1) }]).durable();
        await host.clock.sleep(100);
        const free = w.machine.devices.device('root').fill({ freeBytes: 10_000 });
        await host.clock.sleep(1500);
        expect(journal.state).toBe('read-only');
        expect((await journal.read(1)).payload).toEqual(payloadOf(1));
        free();
        await host.clock.sleep(1500);
        expect(journal.state).toBe('open');
        await journal.append([{ type: 1, payload: payloadOf(2) }]).durable();
      }),
    );
  });

  it('should say that it is below its reserve to an owner who wants to be told, and go on to its last room', async () => {
    const w = journalWorld({ seed: 27 });
    await w.run((host) =>
      withJournal(
        host,
        async (journal) => {
          const told: (string | undefined)[] = [];
          journal.onLow(() => told.push(journal.low));
          const record = { type: 1, payload: new Uint8Array(5000) };
          await journal.append([record]).durable();
          await host.clock.sleep(100);
          const free = w.machine.devices.device('root').fill({ freeBytes: 10_000 });
          await host.clock.sleep(1500);
          expect(told).toEqual(['10000 bytes are free, the reserve is 131072']);
          expect(journal.state).toBe('open');
          let taken = 0;
          while (journal.state === 'open' && taken < 100) {
            taken += await fate(journal.append([record])).then((outcome) => (outcome === 'ok' ? 1 : 0));
          }
          // What is left of its segment, and all of the spare; each takes two pages.
          expect(taken).toBeGreaterThan(65_536 / 8192);
          expect(taken).toBeLessThan(100);
          expect(journal.status()).toMatchObject({ state: 'read-only', readOnlyReasons: ['no_space'] });
          await host.clock.sleep(5000);
          expect(journal.state).toBe('read-only');
          free();
          await host.clock.sleep(1500);
          expect(journal.state).toBe('open');
          expect(told).toEqual([expect.any(String), undefined]);
          await journal.append([record]).durable();
        },
        { belowReserve: 'tell' },
      ),
    );
  });

  it('should refuse more than it may hold, and too large an append', async () => {
    const { run } = journalWorld({ seed: 25 });
    await run((host) =>
      withJournal(
        host,
        async (journal) => {
          const record = { type: 1, payload: new Uint8Array(5000) };
          journal.append([record]);
          expect(() => journal.append([record])).toThrow(expect.objectContaining({ code: 'JournalFull' }));
          const large = { type: 1, payload: new Uint8Array(70_000) };
          expect(() => journal.append([large])).toThrow(expect.objectContaining({ code: 'RecordTooLarge' }));
          await journal.flush();
          await journal.append([record]).durable();
        },
        { maxPendingBytes: 8000 },
      ),
    );
  });

  it('should be read-only at its largest size until a pin lets segments go', async () => {
    const { run } = journalWorld({ seed: 26 });
    await run((host) =>
      withJournal(
        host,
        async (journal) => {
          let full: string | undefined;
          for (let n = 1; full === undefined && n < 200; n++) {
            try {
              await journal.append([{ type: 1, payload: payloadOf(n, 3000) }]).durable();
            } catch (error) {
              full = error instanceof JournalError ? `${error.code} ${error.reason} ${error.outcome}` : String(error);
            }
          }
          expect(full).toBe('JournalReadOnly wal_full not_applied');
          journal.pin('test', journal.durableLsn);
          await host.clock.sleep(1500);
          expect(journal.state).toBe('open');
          await journal.append([{ type: 1, payload: payloadOf(1) }]).durable();
        },
        { maxBytes: 3 * 65_536 },
      ),
    );
  });

  it('should pack a sealed segment into the same records, and find damage in pack and segment', async () => {
    const { run } = journalWorld({ seed: 27 });
    await run((host) =>
      withJournal(
        host,
        async (journal) => {
          for (let n = 1; n <= 40; n++) await journal.append([{ type: 3, stream: n, payload: payloadOf(n) }]).durable();
          const truth = await readAll(journal);
          await journal.roll();
          const segment = journal.segments()[0];
          if (segment === undefined) throw new Error('no segment');
          await host.disk.makeDirectory('/data/vault');
          const info = await journal.pack(segment, '/data/vault');
          expect(info).toMatchObject({ first: 1, last: 40 });
          expect(info.path.endsWith('/vault/0000000000000001-0000000000000028.seg')).toBe(true);
          expect(info.bytes).toBeLessThan(segment.usedBytes / 4);
          const pack = await openPack(host, info.path);
          for (const { lsn, payload, type, stream } of truth) {
            expect(await pack.read(lsn)).toMatchObject({ lsn, payload, type, stream });
          }
          await pack.close();
          expect(await scrubPack(host, info.path)).toMatchObject({ records: 40, damage: undefined });
          expect(await scrubSegment(host, `/data/wal/${segment.file}`)).toMatchObject({
            records: 40,
            damage: undefined,
          });
          for (let at = 4096; at < info.bytes; at += 97) {
            const file = await host.disk.open(info.path, { mode: 'write' });
            const byte = new Uint8Array(1);
            await file.read(at, byte);
            await file.write(at, [byte.map((x) => x ^ 4)], { durable: true });
            expect((await scrubPack(host, info.path)).damage).toBeDefined();
            await file.write(at, [byte], { durable: true });
            await file.close();
          }
        },
        { segmentBytes: 262_144, reserveBytes: 524_288 },
      ),
    );
  });

  it('should name what is damaged when a segment is deleted under it, and read the others', async () => {
    const { run } = journalWorld({ seed: 31 });
    await run((host) =>
      withJournal(host, async (journal) => {
        for (let n = 1; n <= 40; n++) await journal.append([{ type: 1, payload: payloadOf(n) }]).durable();
        const [first, second] = journal.segments();
        if (first === undefined || second === undefined) throw new Error('the log has two segments');
        await host.disk.remove(`/data/wal/${first.file}`);
        await expect(journal.read(3)).rejects.toMatchObject({
          code: 'WalCorruption',
          segment: first.file,
          from: 3,
          to: first.lastLsn,
        });
        await expect(readAll(journal)).rejects.toMatchObject({ code: 'WalCorruption', from: 1 });
        expect((await journal.read(second.baseLsn)).payload).toEqual(payloadOf(second.baseLsn));
      }),
    );
  });

  it('should go on acknowledging only with the witness under strict_tail', async () => {
    const { run } = journalWorld({ seed: 28 });
    await run((host) =>
      withJournal(
        host,
        async (journal) => {
          for (let n = 1; n <= 5; n++) {
            await journal.append([{ type: 1, payload: payloadOf(n) }]).durable();
            expect(journal.status().witnessLsn).toBe(n);
          }
        },
        { strictTail: true },
      ),
    );
  });

  it('should count and show what it does', async () => {
    const { run } = journalWorld({ seed: 29 });
    const text = await run((host) =>
      withJournal(host, async (journal) => {
        for (let n = 1; n <= 7; n++) await journal.append([{ type: 1, payload: payloadOf(n) }]).durable();
        return host.telemetry.registry.metrics();
      }),
    );
    expect(text).toMatch(/^test_wal_fsync_total 7$/m);
    expect(text).toMatch(/^test_wal_fsync_duration_seconds\{quantile="0.99"\} 0\.0/m);
    expect(text).toMatch(/^test_wal_fsync_duration_seconds_count 7$/m);
    expect(text).toMatch(/^test_wal_fsync_errors_total\{segment="segment-00000001.wal"\} 0$/m);
    expect(text).toMatch(/^test_wal_state\{state="open"\} 1$/m);
    expect(text).toMatch(/^test_wal_recoveries_total\{verdict="clean"\} 1$/m);
    expect(text).toMatch(/^test_wal_durable_lsn 7$/m);
  });
});
