/**
 * The journal against the disk itself and against the embedded stores that people would use instead: one file system,
 * contestants interleaved in one run, medians and ranges. Run: `node bench/journal.ts [--dir DIR] [--rounds N]`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import { ClassicLevel } from 'classic-level';
import { open as openLmdb } from 'lmdb';
import type { Host } from '../src/host/host.ts';
import { createRealHost } from '../src/real/host.ts';
import { openJournal } from '../src/storage/journal/index.ts';

const { values: flags } = parseArgs({
  options: { dir: { type: 'string' }, rounds: { type: 'string' }, ms: { type: 'string' } },
});
const rounds = Math.max(1, Number(flags.rounds ?? 5));
const roundMs = Number(flags.ms ?? 1000);
const payload = new Uint8Array(256).map((_, i) => (i * 37) & 255);
const directory = mkdtempSync(join(flags.dir ?? tmpdir(), 'hotfire-journal-'));

/** Something that makes records durable; resolves when `count` of them, given together, are. */
interface Contestant {
  readonly name: string;
  put(count: number): Promise<void>;
  close(): Promise<void>;
}

function keyOf(n: number): string {
  return String(n).padStart(32, '0');
}

/** One file, zero-filled; callers that come while a write is under way share the next one. The floor of what is possible. */
async function raw(host: Host): Promise<Contestant> {
  const bytes = 256 * 1024 * 1024;
  const file = await host.disk.open(join(directory, 'raw'), { mode: 'create' });
  await file.allocate(bytes);
  await file.sync();
  let at = 0;
  let isBusy = false;
  let next: { records: number; done: Promise<void>; resolve: () => void } | undefined;
  const flush = async () => {
    while (next !== undefined) {
      const batch = next;
      next = undefined;
      const buffers = Array.from({ length: batch.records }, () => payload);
      const length = Math.ceil((batch.records * payload.length) / 4096) * 4096;
      if (at + length > bytes) at = 0;
      await file.write(at, buffers, { durable: true });
      at += length;
      batch.resolve();
      await Promise.resolve();
    }
    isBusy = false;
  };
  return {
    name: 'raw pwrite + fdatasync',
    put(count) {
      if (next === undefined) {
        let resolve = () => {};
        const done = new Promise<void>((settle) => {
          resolve = settle;
        });
        next = { records: 0, done, resolve };
      }
      next.records += count;
      const { done } = next;
      if (!isBusy) {
        isBusy = true;
        queueMicrotask(flush);
      }
      return done;
    },
    close: () => file.close(),
  };
}

async function journalOf(host: Host): Promise<Contestant> {
  const { journal } = await openJournal(host, {
    directory: join(directory, 'wal'),
    name: 'bench',
    metricsPrefix: 'bench_',
  });
  const record = { type: 1, payload };
  journal.onDurable((lsn) => journal.pin('bench', lsn));
  const batches = new Map<number, (typeof record)[]>();
  return {
    name: 'journal',
    put(count) {
      let records = batches.get(count);
      if (records === undefined) {
        records = Array.from({ length: count }, () => record);
        batches.set(count, records);
      }
      return journal.append(records).durable();
    },
    close: () => journal.close(),
  };
}

async function level(): Promise<Contestant> {
  const db = new ClassicLevel<string, Uint8Array>(join(directory, 'level'), { valueEncoding: 'view' });
  await db.open();
  let n = 0;
  return {
    name: 'classic-level sync',
    async put(count) {
      if (count === 1) return db.put(keyOf(n++), payload, { sync: true });
      await db.batch(
        Array.from({ length: count }, () => ({ type: 'put' as const, key: keyOf(n++), value: payload })),
        { sync: true },
      );
    },
    close: () => db.close(),
  };
}

async function sqlite(): Promise<Contestant> {
  const db = new DatabaseSync(join(directory, 'sqlite.db'));
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE log (key TEXT PRIMARY KEY, value BLOB)');
  const insert = db.prepare('INSERT INTO log VALUES (?, ?)');
  let n = 0;
  return {
    name: 'node:sqlite WAL FULL',
    async put(count) {
      if (count > 1) db.exec('BEGIN');
      for (let i = 0; i < count; i++) insert.run(keyOf(n++), payload);
      if (count > 1) db.exec('COMMIT');
    },
    async close() {
      db.close();
    },
  };
}

async function lmdb(): Promise<Contestant> {
  const db = openLmdb({ path: join(directory, 'lmdb'), encoding: 'binary', mapSize: 2 ** 31 });
  let n = 0;
  return {
    name: 'lmdb',
    async put(count) {
      const puts: Promise<boolean>[] = [];
      for (let i = 0; i < count; i++) puts.push(db.put(keyOf(n++), Buffer.from(payload)));
      await Promise.all(puts);
      await db.flushed;
    },
    close: () => db.close(),
  };
}

/** Records a second that `writers` make durable, each waiting for its own before the next. */
async function measure(contestant: Contestant, writers: number, perPut: number): Promise<number> {
  const began = performance.now();
  const end = began + roundMs;
  let records = 0;
  const writer = async () => {
    while (performance.now() < end) {
      await contestant.put(perPut);
      records += perPut;
    }
  };
  await Promise.all(Array.from({ length: writers }, writer));
  return (records * 1000) / (performance.now() - began);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

function show(value: number): string {
  return Math.round(value).toLocaleString('en');
}

async function recoveryScan(host: Host): Promise<void> {
  const options = { directory: join(directory, 'scan'), name: 'scan', metricsPrefix: 'scan_' };
  const { journal } = await openJournal(host, options);
  const record = { type: 1, payload: new Uint8Array(4096).fill(7) };
  const records = Array.from({ length: 200 }, () => record);
  for (let i = 0; i < 300; i++) await journal.append(records).durable();
  const bytes = journal.segments().reduce((sum, segment) => sum + segment.usedBytes, 0);
  await journal.close();
  const rates: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const began = performance.now();
    const again = await openJournal(host, options);
    rates.push(bytes / 1e6 / ((performance.now() - began) / 1000));
    await again.journal.close();
  }
  console.log(`\nrecovery scan of ${show(bytes / 1e6)} MB: ${show(median(rates))} MB/s (target 300)`);
}

async function main(): Promise<void> {
  const host = createRealHost({ name: 'bench', telemetry: { options: { level: 'error' } } });
  const contestants = [await raw(host), await journalOf(host), await level(), await sqlite(), await lmdb()];
  const cases = [
    { name: '1 writer', writers: 1, perPut: 1, targets: { raw: 0.8, level: 1.2 } },
    { name: '64 writers', writers: 64, perPut: 1, targets: { raw: 0.5, level: 3 } },
    { name: 'batch of 512', writers: 1, perPut: 512, targets: { raw: undefined, level: 1.5 } },
  ];
  for (const { name, writers, perPut, targets } of cases) {
    const rates = contestants.map((): number[] => []);
    for (const contestant of contestants) await measure(contestant, writers, perPut); // warm
    for (let round = 0; round < rounds; round++) {
      for (const [i, contestant] of contestants.entries()) rates[i]?.push(await measure(contestant, writers, perPut));
    }
    const middle = rates.map(median);
    const own = middle[1] ?? Number.NaN;
    console.log(`\n${name}, 256 B, ${rounds} rounds of ${roundMs} ms, interleaved`);
    console.log(
      `  journal / raw ${(own / (middle[0] ?? Number.NaN)).toFixed(2)}${targets.raw === undefined ? '' : ` (target ${targets.raw})`}` +
        `   journal / classic-level ${(own / (middle[2] ?? Number.NaN)).toFixed(2)} (target ${targets.level})`,
    );
    for (const [i, contestant] of contestants.entries()) {
      const each = rates[i] ?? [];
      console.log(
        `  ${contestant.name.padEnd(24)} ${show(middle[i] ?? 0).padStart(10)} records/s   ` +
          `(${show(Math.min(...each))}..${show(Math.max(...each))})`,
      );
    }
  }
  for (const contestant of contestants) await contestant.close();
  await recoveryScan(host);
}

try {
  await main();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
