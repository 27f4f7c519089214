/**
 * The journal against the disk itself and against the embedded stores that people would use instead: one file system,
 * contestants interleaved in one run, medians and ranges.
 * Run: `node bench/journal.ts [--dir DIR] [--rounds N] [--ms N] [--only commits,rotation,recovery]`.
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
import { cpuMeter, loadNote, median, quantile, spread, verdict } from './measure.ts';

const { values: flags } = parseArgs({
  options: { dir: { type: 'string' }, rounds: { type: 'string' }, ms: { type: 'string' }, only: { type: 'string' } },
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

/** Records a second that `writers` make durable, each waiting for its own before the next, and the CPU of each. */
async function measure(
  contestant: Contestant,
  writers: number,
  perPut: number,
): Promise<{ readonly perSecond: number; readonly cpu: number }> {
  const spent = cpuMeter();
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
  return { perSecond: (records * 1000) / (performance.now() - began), cpu: spent() / records };
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
  const rate = median(rates);
  console.log(`\nrecovery scan of ${show(bytes / 1e6)} MB, MB/s; ${loadNote()}`);
  console.log(`  ${spread(rates)}  ${verdict(rate, '≥', 300)}`);
}

/**
 * Latency of commits that were under way while the log went on to its next segment, in units of L, the median time of a
 * durable write in the same run. 64 writers, each with a pause after its commit, so that the disk is busy and not full.
 */
async function rotation(host: Host): Promise<void> {
  const { journal } = await openJournal(host, {
    directory: join(directory, 'rotation'),
    name: 'rotation',
    metricsPrefix: 'rotation_',
    segmentBytes: 4 << 20,
  });
  journal.onDurable((lsn) => journal.pin('bench', lsn));
  const record = { type: 1, payload };
  const writes: number[] = [];
  const during: number[] = [];
  const others: number[] = [];
  const ratios: number[] = [];
  const end = performance.now() + rounds * roundMs;
  const segmentNow = () => journal.segments().at(-1)?.id ?? 0;
  const writer = async () => {
    while (performance.now() < end) {
      const began = performance.now();
      const segment = segmentNow();
      await journal.append([record]).durable();
      const ms = performance.now() - began;
      (segmentNow() === segment ? others : during).push(ms);
      const write = journal.status().lastBatch?.ms;
      if (write !== undefined) writes.push(write);
      await host.clock.sleep(4);
    }
  };
  await Promise.all(Array.from({ length: 64 }, writer));
  await journal.close();
  const level = median(writes);
  for (const ms of during) ratios.push(ms / level);
  const p99 = quantile(ratios, 0.99);
  console.log(`\ncommits during rotation, 64 writers with pauses, ${segmentNow() - 1} rotations; ${loadNote()}`);
  console.log(
    `  L, median durable write  ${level.toFixed(2)} ms;  p99 of all commits ${quantile(others, 0.99).toFixed(2)} ms`,
  );
  console.log(
    `  ${during.length} commits during rotation, in L: median ${median(ratios).toFixed(1)}, p99 ${p99.toFixed(1)}  ${verdict(p99, '≤', 5)}`,
  );
}

async function commits(host: Host): Promise<void> {
  const contestants = [await raw(host), await journalOf(host), await level(), await sqlite(), await lmdb()];
  const cases = [
    { name: '1 writer', writers: 1, perPut: 1, targets: { raw: 0.8, level: 1.2 } },
    { name: '64 writers', writers: 64, perPut: 1, targets: { raw: 0.5, level: 3 } },
    { name: 'batch of 512', writers: 1, perPut: 512, targets: { raw: undefined, level: 1.5 } },
  ];
  for (const { name, writers, perPut, targets } of cases) {
    const seen = contestants.map(() => ({ rates: [] as number[], cpu: [] as number[] }));
    const ratios = { raw: [] as number[], level: [] as number[] };
    for (const contestant of contestants) await measure(contestant, writers, perPut); // warm
    for (let round = 0; round < rounds; round++) {
      const rates: number[] = [];
      for (const [i, contestant] of contestants.entries()) {
        const { perSecond, cpu } = await measure(contestant, writers, perPut);
        rates.push(perSecond);
        seen[i]?.rates.push(perSecond);
        seen[i]?.cpu.push(cpu);
      }
      const [limit = Number.NaN, own = Number.NaN, peer = Number.NaN] = rates;
      ratios.raw.push(own / limit);
      ratios.level.push(own / peer);
    }
    console.log(`\n${name}, 256 B, ${rounds} rounds of ${roundMs} ms, interleaved: median (range); ${loadNote()}`);
    const target = targets.raw === undefined ? '' : verdict(median(ratios.raw), '≥', targets.raw);
    console.log(`  journal / raw           ${spread(ratios.raw, 2)}  ${target}`);
    console.log(
      `  journal / classic-level ${spread(ratios.level, 2)}  ${verdict(median(ratios.level), '≥', targets.level)}`,
    );
    console.log(`  ${''.padEnd(24)} records/s${''.padEnd(29)} CPU µs/record, all threads`);
    for (const [i, contestant] of contestants.entries()) {
      const { rates = [], cpu = [] } = seen[i] ?? {};
      console.log(`  ${contestant.name.padEnd(24)} ${spread(rates).padEnd(38)} ${spread(cpu, 1)}`);
    }
  }
  for (const contestant of contestants) await contestant.close();
}

async function main(): Promise<void> {
  const host = createRealHost({ name: 'bench', telemetry: { options: { level: 'error' } } });
  const benches = { commits, rotation, recovery: recoveryScan };
  const wanted = flags.only?.split(',') ?? Object.keys(benches);
  for (const [name, run] of Object.entries(benches)) if (wanted.includes(name)) await run(host);
}

try {
  await main();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
