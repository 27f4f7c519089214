import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Host } from '../../../src/host/host.ts';
import { breakSectors } from '../../../src/sim/disk/media.ts';
import {
  type JournalOptions,
  openJournal,
  type RecordOut,
  verifyJournal,
  WalCorruption,
} from '../../../src/storage/journal/index.ts';
import { journalWorld, payloadOf, readAll, smallJournal, withJournal } from '../../support/journalWorld.ts';

const witnessFile = '/other/witness/wal.ring';
const modes = ['drop', 'tear', 'reorder', 'corrupt', 'all-durable'] as const;

async function fillJournal(host: Host, records: number, o: Partial<JournalOptions> = {}, bytes?: number) {
  await withJournal(
    host,
    async (journal) => {
      for (let n = journal.nextLsn; n <= records; n++) {
        await journal.append([{ type: 1, payload: payloadOf(n, bytes) }]).durable();
      }
    },
    o,
  );
}

async function patch(host: Host, path: string, offset: number, change: (old: Uint8Array) => Uint8Array, length = 1) {
  const file = await host.disk.open(path, { mode: 'write' });
  const old = new Uint8Array(length);
  await file.read(offset, old);
  await file.write(offset, [change(old)], { durable: true });
  await file.close();
}

function contents(records: readonly RecordOut[]): string[] {
  return records.map(({ lsn, type, payload }) => `${lsn}:${type}:${Buffer.from(payload).toString('hex')}`);
}

/** Writers until the power goes at `atMs`; then recoveries that lose power at each of their I/Os, until one ends. */
async function crashStory(seed: number, mode: (typeof modes)[number], mutants: string[] = []) {
  const { begin, run, machine, world } = journalWorld({ seed, mutants });
  const acked: number[] = [];
  let began = world.now;
  await begin(
    async (host) => {
      const { journal } = await openJournal(host, smallJournal);
      began = world.now;
      const writer = async (k: number) => {
        for (let n = 1; ; n++) {
          const ticket = journal.append([
            { type: k, stream: n, payload: payloadOf(k * 1000 + n, 20 + ((k * n * 97) % 5000)) },
            { type: k, stream: n, payload: payloadOf(n, 5) },
          ]);
          await ticket.durable();
          acked.push(ticket.last);
        }
      };
      for (let k = 1; k <= 3; k++) void writer(k);
    },
    () => acked.length > 3 && world.now - began > 5 + (seed % 41),
  );
  machine.powerLoss(mode);
  let shown: string[] | undefined;
  for (let crashAt = 1; ; crashAt++) {
    let events = 0;
    let done: string[] | undefined;
    let refused: unknown;
    const stop = machine.devices.device('root').observe(() => {
      events += 1;
    });
    await begin(
      async (host) => {
        try {
          const { journal } = await openJournal(host, smallJournal);
          done = contents(await readAll(journal));
          await new Promise(() => {});
        } catch (error) {
          refused = error;
        }
      },
      () => done !== undefined || refused !== undefined || events >= crashAt * 3,
    );
    stop();
    if (refused !== undefined) throw refused;
    machine.powerLoss(mode);
    if (done === undefined) continue;
    const now: string[] = done;
    // Once more, without a crash: what was shown stays.
    shown = await run((host) => withJournal(host, async (journal) => contents(await readAll(journal))));
    expect(shown).toEqual(now);
    break;
  }
  expect(shown?.length).toBeGreaterThanOrEqual(Math.max(...acked));
  return { acked, shown };
}

describe('recovery', () => {
  it('should keep everything acknowledged and each append whole, losing power again at each I/O of recovery', async () => {
    for (const [i, mode] of modes.entries()) {
      for (let seed = 1; seed <= 1; seed++) {
        const { shown } = await crashStory(seed * 31 + i, mode);
        expect((shown?.length ?? 1) % 2).toBe(0);
      }
    }
  }, 60_000);

  it('should be seen to fail by the same story when a bug is planted', async () => {
    for (const mutant of ['ack-on-write', 'ack-before-sync', 'split-append', 'rewrite-in-place']) {
      let caught = false;
      for (let seed = 1; seed <= 12 && !caught; seed++) {
        const mode = modes[seed % 4] ?? 'tear';
        caught = await crashStory(seed, mode, [mutant]).then(
          ({ shown }) => (shown?.length ?? 1) % 2 === 1,
          () => true,
        );
      }
      expect(`${mutant} ${caught}`).toBe(`${mutant} true`);
    }
  }, 60_000);

  it('should catch the planted bug that cuts the log at the first bad checksum', async () => {
    const { run } = journalWorld({ seed: 9, mutants: ['truncate-at-bad-crc'] });
    await run((host) => fillJournal(host, 20));
    await run((host) => patch(host, '/data/wal/segment-00000001.wal', 4096 * 5 + 100, (b) => b.map((x) => x ^ 1)));
    const last = await run((host) => withJournal(host, async (journal) => journal.durableLsn));
    expect(last).toBeLessThan(20);
  });

  it('should notice every flipped bit of a segment that is not padding', async () => {
    const { run } = journalWorld({ seed: 11 });
    await run((host) => fillJournal(host, 6));
    const path = '/data/wal/segment-00000001.wal';
    const truth = await run((host) => withJournal(host, async (journal) => contents(await readAll(journal))));
    await run(async (host) => {
      const o = { directory: '/data/wal', witnessFile };
      expect(await verifyJournal(host, o)).toMatchObject({ verdict: 'clean', last: 6, floor: 6 });
      for (let batch = 0; batch < 7; batch++) {
        const base = 4096 * (batch + 1);
        for (let at = batch; at < (batch === 6 ? 80 : 80 + 16 + payloadOf(batch + 1).length); at += 5) {
          await patch(host, path, base + at, (b) => b.map((x) => x ^ (1 << (at & 7))));
          const seen = await verifyJournal(host, o);
          // The seal acknowledges nothing: without it the last record still stands, and the chain tells the rest.
          if (batch < 6) expect(seen).toMatchObject({ verdict: 'corrupt', missing: [{ from: batch + 1 }] });
          else expect(seen.verdict).toBe('torn-tail');
          await patch(host, path, base + at, (b) => b.map((x) => x ^ (1 << (at & 7))));
        }
      }
    });
    expect(await run((host) => withJournal(host, async (journal) => contents(await readAll(journal))))).toEqual(truth);
  });

  it('should refuse rot in acknowledged records, with the exact range, and touch nothing', async () => {
    const { run } = journalWorld({ seed: 12 });
    await run((host) => fillJournal(host, 30));
    await run((host) => patch(host, '/data/wal/segment-00000001.wal', 4096 * 8 + 99, (b) => b.map((x) => x ^ 16)));
    const error = await run((host) => openJournal(host, smallJournal).catch((e: unknown) => e));
    expect(error).toBeInstanceOf(WalCorruption);
    expect(error).toMatchObject({ segment: 'segment-00000001.wal', offset: 4096 * 8, from: 8, to: 8 });
  });

  it('should refuse by the witness alone when the last acknowledged batch is gone', async () => {
    const lose = async (mutants: string[]) => {
      const { run, begin, machine } = journalWorld({ seed: 13, mutants });
      let idle = false;
      await begin(
        async (host) => {
          const { journal } = await openJournal(host, smallJournal);
          for (let n = 1; n <= 9; n++) await journal.append([{ type: 1, payload: payloadOf(n) }]).durable();
          await host.clock.sleep(1000);
          idle = true;
        },
        () => idle,
      );
      machine.kill();
      await run((host) => patch(host, '/data/wal/segment-00000001.wal', 4096 * 9, () => new Uint8Array(4096), 4096));
      return run((host) =>
        openJournal(host, smallJournal).then(
          ({ recovery }) => recovery,
          (e: unknown) => e,
        ),
      );
    };
    expect(await lose([])).toMatchObject({ code: 'WalCorruption', from: 9, to: 9, proof: 'witness' });
    expect(await lose(['floor-without-witness'])).toMatchObject({ verdict: 'clean', last: 8 });
  });

  it('should refuse when a segment file is missing, and when the directory is bare beside a witness', async () => {
    const { run } = journalWorld({ seed: 14 });
    await run((host) => fillJournal(host, 60, {}, 3000));
    await run((host) => host.disk.remove('/data/wal/segment-00000002.wal'));
    const missing = await run((host) => openJournal(host, smallJournal).catch((e: unknown) => e));
    expect(missing).toMatchObject({ code: 'WalCorruption', segment: 'segment-00000002.wal' });
    const bare = await run((host) =>
      openJournal(host, { ...smallJournal, directory: '/mnt/wal' }).catch((e: unknown) => e),
    );
    expect(bare).toMatchObject({ code: 'WalCorruption', from: 1, to: 60, proof: 'witness' });
    expect(await run((host) => host.disk.stat('/mnt/wal').catch((e: { code: string }) => e.code))).toBe('ENOENT');
  });

  it('should refuse when a file is missing among those that are not scanned, or the first of all', async () => {
    const lose = async (name: string, o: Partial<JournalOptions>) => {
      const { run } = journalWorld({ seed: 14 });
      await run((host) => fillJournal(host, 60, {}, 3000));
      await run((host) => host.disk.remove(`/data/wal/${name}`));
      return run((host) => openJournal(host, { ...smallJournal, ...o }).catch((e: unknown) => e));
    };
    // An index on disk knows everything up to 60: nothing but the last segment has to be scanned.
    const indexed = { scanFrom: 60, coveredTo: 0, proofs: [{ name: 'index', lsn: 60 }] };
    const middle = await lose('segment-00000002.wal', indexed);
    expect(middle).toMatchObject({ code: 'WalCorruption', segment: 'segment-00000002.wal' });
    const first = await lose('segment-00000001.wal', indexed);
    expect(first).toMatchObject({ code: 'WalCorruption', segment: 'segment-00000001.wal', from: 1 });
    const unindexed = await lose('segment-00000001.wal', { coveredTo: 0 });
    expect(unindexed).toMatchObject({ code: 'WalCorruption', segment: 'segment-00000001.wal', from: 1 });
  });

  it('should scan a segment below the index whose end is not as it should be, and refuse what it lacks', async () => {
    const name = 'segment-00000002.wal';
    const path = `/data/wal/${name}`;
    const indexed = { scanFrom: 60, coveredTo: 0, proofs: [{ name: 'index', lsn: 60 }] };
    const harm = async (hurt: (host: Host, bytes: number) => Promise<void>) => {
      const { run } = journalWorld({ seed: 14 });
      await run((host) => fillJournal(host, 60, {}, 3000));
      await run(async (host) => hurt(host, (await host.disk.stat(path)).bytes));
      return run((host) =>
        openJournal(host, { ...smallJournal, ...indexed }).then(
          ({ recovery }) => recovery,
          (e: unknown) => e,
        ),
      );
    };
    const cut = (to: (bytes: number) => number) =>
      harm(async (host, bytes) => {
        const file = await host.disk.open(path, { mode: 'write' });
        await file.truncate(to(bytes));
        await file.sync();
        await file.close();
      });
    for (const to of [(n: number) => n / 2 - 100, (n: number) => 4096 * Math.floor(n / 8192), () => 4096, () => 0]) {
      const refused = await cut(to);
      expect(refused).toMatchObject({ code: 'WalCorruption', segment: name });
      if (!(refused instanceof WalCorruption)) throw refused;
      expect(refused.from).toBeGreaterThan(1);
      expect(refused.to).toBeGreaterThanOrEqual(refused.from);
    }
    // A seal alone holds no record: it is made again, and the next start finds it.
    const sealLost = await harm(async (host, bytes) => {
      const image = new Uint8Array(bytes);
      const file = await host.disk.open(path, { mode: 'write' });
      await file.read(0, image);
      const seal = Math.floor(image.findLastIndex((byte) => byte !== 0) / 4096) * 4096;
      await file.write(seal, [new Uint8Array(4096)], { durable: true });
      await file.close();
    });
    expect(sealLost).toMatchObject({ missing: [], last: 60 });
    // Bytes inside it are not read at a start: what finds them is a read, or a scrub.
    const inside = await harm((host) => patch(host, path, 4096 + 200, (old) => old.map((b) => b ^ 1)));
    expect(inside).toMatchObject({ verdict: 'clean', last: 60 });
  });

  it('should say that the witness of a log with records is gone, once, and begin a new one', async () => {
    const { run } = journalWorld({ seed: 15 });
    const warnings = (host: Host) => {
      const found: string[] = [];
      const { logger } = host.telemetry;
      const watched: typeof logger = {
        ...logger,
        warn: (message, fields) => void found.push(`${message}: ${String(fields?.consequence)}`),
        child: () => watched,
      };
      return { found, host: { ...host, telemetry: { ...host.telemetry, logger: watched } } };
    };
    const lost = /^witness lost: .*the last batch .* a new witness begins now$/;
    const started = () =>
      run(async (host) => {
        const { found, host: watched } = warnings(host);
        await fillJournal(watched, 3);
        return found;
      });
    expect(await started()).toEqual([]);
    await run((host) => host.disk.remove(witnessFile));
    expect(await started()).toEqual([expect.stringMatching(lost)]);
    expect(await started()).toEqual([]);
  });

  it('should name both ids when the witness is of another journal', async () => {
    const { run } = journalWorld({ seed: 15 });
    await run((host) => fillJournal(host, 3));
    await run((host) => fillJournal(host, 3, { directory: '/b/wal', witnessDirectory: '/b/witness' }));
    await run((host) =>
      expect(openJournal(host, { ...smallJournal, witnessDirectory: '/b/witness' })).rejects.toMatchObject({
        code: 'JournalFormat',
        message: expect.stringMatching(/journal id is [0-9a-f]{32}, expected [0-9a-f]{32}/),
      }),
    );
  });

  it('should find the proof in the first sector of a page whose others are bad', async () => {
    const start = async (provingSectors: number) => {
      const { run, machine } = journalWorld({ seed: 18 });
      await run((host) => fillJournal(host, 3));
      const { names } = machine.devices.device('root');
      for (const [path, file] of names.files()) {
        // Of the log only the second batch's header is left: it says that LSN 1 was acknowledged.
        const kept = path.endsWith('segment-00000001.wal') ? 4096 * 2 : undefined;
        breakSectors(file, { from: 0, to: kept ?? file.mediaLength }, 1);
        if (kept !== undefined) breakSectors(file, { from: kept + 512 * provingSectors, to: file.mediaLength }, 1);
      }
      return run((host) => withJournal(host, async (_, { last }) => last));
    };
    await expect(start(1)).rejects.toMatchObject({ code: 'WalCorruption', message: expect.stringContaining('1..1') });
    expect(await start(0)).toBe(0);
  });

  it('should never refuse a torn tail that nobody was told of', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4000 }),
        fc.uint8Array({ minLength: 1, maxLength: 300 }),
        async (at, junk) => {
          const { run, begin, machine } = journalWorld({ seed: 16 });
          let ready = false;
          await begin(
            async (host) => {
              const { journal } = await openJournal(host, smallJournal);
              for (let n = 1; n <= 4; n++) await journal.append([{ type: 1, payload: payloadOf(n) }]).durable();
              ready = true;
            },
            () => ready,
          );
          machine.kill();
          await run((host) => patch(host, '/data/wal/segment-00000001.wal', 4096 * 5 + at, () => junk, junk.length));
          const recovery = await run((host) => withJournal(host, async (_, r) => r));
          const dirty = junk.some((byte) => byte !== 0);
          expect(recovery).toMatchObject({ verdict: dirty ? 'torn-tail' : 'clean', last: 4 });
          expect(await run((host) => withJournal(host, async (_, r) => r.verdict))).toBe('clean');
        },
      ),
      { numRuns: 8 },
    );
  });

  it('should open a damaged journal in quarantine, read what is intact, and be whole after a fill', async () => {
    for (const damage of ['batch', 'segment', 'tail'] as const) {
      const { run } = journalWorld({ seed: 17 });
      await run((host) => fillJournal(host, 60, {}, 3000));
      const truth = await run((host) => withJournal(host, async (journal) => readAll(journal)));
      await run(async (host) => {
        if (damage === 'batch') {
          await patch(host, '/data/wal/segment-00000001.wal', 4096 * 3, () => new Uint8Array(8192), 8192);
        } else if (damage === 'segment') {
          await host.disk.remove('/data/wal/segment-00000002.wal');
        } else {
          const names = (await host.disk.list('/data/wal')).map(({ name }) => name);
          for (const name of names.filter((each) => /segment-0000000[4-9]/.test(each))) {
            await host.disk.remove(`/data/wal/${name}`);
          }
        }
      });
      await run((host) =>
        withJournal(
          host,
          async (journal, recovery) => {
            expect(recovery.verdict).toBe('corrupt');
            const hole = recovery.missing[0];
            if (hole === undefined) throw new Error('nothing is missing');
            expect(journal.state).toBe('damaged');
            expect(() => journal.append([{ type: 1, payload: payloadOf(1) }])).toThrow(/damaged/);
            expect((await journal.read(hole.from - 1)).payload).toEqual(payloadOf(hole.from - 1, 3000));
            await expect(journal.read(hole.from)).rejects.toMatchObject({ code: 'WalCorruption' });
            await journal.fill(
              (async function* () {
                yield* truth;
              })(),
            );
            expect(journal.state).toBe('open');
            expect(contents(await readAll(journal))).toEqual(contents(truth));
            await journal.append([{ type: 1, payload: payloadOf(61, 3000) }]).durable();
          },
          { onCorruption: 'quarantine' },
        ),
      );
      const after = await run((host) => withJournal(host, async (journal) => contents(await readAll(journal))));
      expect(after.slice(0, 60)).toEqual(contents(truth));
      expect(after).toHaveLength(61);
    }
  });
});
