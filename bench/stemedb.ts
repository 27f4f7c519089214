/**
 * The store against the embedded stores that people would use instead, and its parts against the disk and against
 * themselves. One file system, contestants interleaved in one run, medians and ranges.
 * Run: `node bench/stemedb.ts [--dir DIR] [--rounds N] [--ms N] [--rows N] [--only batch,http,query,index]`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import { ClassicLevel } from 'classic-level';
import { open as openLmdb } from 'lmdb';
import { startHttpServer } from '../src/daemon/http/server.ts';
import { prepareSettings } from '../src/daemon/http/settings.ts';
import type { Route } from '../src/engines/route.ts';
import { parseAssertion } from '../src/engines/stemedb/assertionInput.ts';
import { stemeConfigSchema } from '../src/engines/stemedb/config.ts';
import { prepareAssertion } from '../src/engines/stemedb/content.ts';
import { startStemeDb } from '../src/engines/stemedb/engine.ts';
import { ClaimIndex } from '../src/engines/stemedb/index/claimIndex.ts';
import { fieldsOfPayload } from '../src/engines/stemedb/index/fold.ts';
import { loadPart, type PartInfo, partFile, writePart } from '../src/engines/stemedb/index/parts.ts';
import type { AssertionInput } from '../src/engines/stemedb/model.ts';
import { encodePayload } from '../src/engines/stemedb/records.ts';
import type { StemeNode } from '../src/engines/stemedb/stemeNode.ts';
import { openStemeNode } from '../src/engines/stemedb/store.ts';
import type { Host } from '../src/host/host.ts';
import { createRealHost } from '../src/real/host.ts';
import { cpuMeter, loadNote, median, spread, verdict } from './measure.ts';

const { values: flags } = parseArgs({
  options: {
    dir: { type: 'string' },
    rounds: { type: 'string' },
    ms: { type: 'string' },
    rows: { type: 'string' },
    only: { type: 'string' },
  },
});
const rounds = Math.max(1, Number(flags.rounds ?? 5));
const roundMs = Number(flags.ms ?? 1_000);
const directory = mkdtempSync(join(flags.dir ?? tmpdir(), 'hotfire-stemedb-'));
const BATCH = 512;

function makeHost(): Host {
  return createRealHost({ name: 'bench', telemetry: { options: { level: 'error' } } });
}

/** An assertion whose canonical bytes are about 256. */
function claim(n: number): AssertionInput {
  return {
    subject: `subject-${n % 50_000}`,
    predicate: `predicate-${n % 20}`,
    object: { text: `value ${n}` },
    stage: 'approved',
    confidence: (n % 100) / 100,
    timestamp: 1_700_000_000_000 + n,
    agent: (n % 100).toString(16).padStart(2, '0').repeat(32),
  };
}

function openStore(name: string, host: Host, cacheBytes = 64 * 2 ** 20): Promise<StemeNode> {
  const wal = { dir: join(directory, name, 'wal') };
  const store = { dir: join(directory, name, 'db'), cache_bytes: cacheBytes };
  return openStemeNode(host, stemeConfigSchema.parse({ wal, store }));
}

interface Contestant {
  readonly name: string;
  put(first: number): Promise<void>;
  close(): Promise<void>;
}

/** Key and bytes as the store makes them, so that all store the same. */
function recordsFrom(first: number): { key: Buffer; value: Uint8Array }[] {
  return Array.from({ length: BATCH }, (_, i) => {
    const record = prepareAssertion(claim(first + i));
    return { key: Buffer.from(record.id, 'hex'), value: encodePayload(record) };
  });
}

async function contestants(): Promise<Contestant[]> {
  const db = await openStore('store', makeHost());
  const level = new ClassicLevel<Uint8Array, Uint8Array>(join(directory, 'level'), {
    keyEncoding: 'view',
    valueEncoding: 'view',
  });
  await level.open();
  const sqlite = new DatabaseSync(join(directory, 'sqlite.db'));
  sqlite.exec(
    'PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID',
  );
  const insert = sqlite.prepare('INSERT OR IGNORE INTO t VALUES (?, ?)');
  const lmdb = openLmdb<Uint8Array, Uint8Array>({
    path: join(directory, 'lmdb'),
    encoding: 'binary',
    keyEncoding: 'binary',
    mapSize: 2 ** 32,
  });
  return [
    {
      name: 'stemedb assertBatch',
      put: async (first) => void (await db.assertBatch(Array.from({ length: BATCH }, (_, i) => claim(first + i)))),
      close: () => db.close(),
    },
    {
      name: 'classic-level sync',
      put: (first) =>
        level.batch(
          recordsFrom(first).map(({ key, value }) => ({ type: 'put' as const, key, value })),
          { sync: true },
        ),
      close: () => level.close(),
    },
    {
      name: 'node:sqlite WAL FULL',
      put: async (first) => {
        sqlite.exec('BEGIN');
        for (const { key, value } of recordsFrom(first)) insert.run(key, value);
        sqlite.exec('COMMIT');
      },
      close: async () => sqlite.close(),
    },
    {
      name: 'lmdb',
      put: async (first) => {
        await lmdb.transaction(() => {
          for (const { key, value } of recordsFrom(first)) lmdb.put(key, value);
        });
        await lmdb.flushed;
      },
      close: () => lmdb.close(),
    },
  ];
}

async function benchBatch(): Promise<void> {
  const all = await contestants();
  const results = all.map(() => ({ rates: [] as number[], cpu: [] as number[] }));
  const ratios = { level: [] as number[], sqlite: [] as number[] };
  let next = 0;
  for (let round = 0; round <= rounds; round++) {
    const rates: number[] = [];
    for (const [i, contestant] of all.entries()) {
      const spent = cpuMeter();
      const began = performance.now();
      let records = 0;
      while (performance.now() - began < roundMs) {
        await contestant.put(next);
        next += BATCH;
        records += BATCH;
      }
      const rate = (records * 1_000) / (performance.now() - began);
      rates.push(rate);
      // The first round warms up.
      if (round === 0) continue;
      results[i]?.rates.push(rate);
      results[i]?.cpu.push(spent() / records);
    }
    const [own = Number.NaN, level = Number.NaN, sqlite = Number.NaN] = rates;
    if (round === 0) continue;
    ratios.level.push(own / level);
    ratios.sqlite.push(own / sqlite);
  }
  console.log(`\nassertBatch of ${BATCH}: median (range) of ${rounds} rounds; ${loadNote()}`);
  console.log(`  ${''.padEnd(22)} records/s${''.padEnd(26)} CPU µs/record, all threads`);
  for (const [i, { name }] of all.entries()) {
    const { rates = [], cpu = [] } = results[i] ?? {};
    console.log(`  ${name.padEnd(22)} ${spread(rates).padEnd(35)} ${spread(cpu, 1)}`);
  }
  console.log(`  stemedb / classic-level ${spread(ratios.level, 2)}  ${verdict(median(ratios.level), '≥', 1.5)}`);
  console.log(`  stemedb / node:sqlite   ${spread(ratios.sqlite, 2)}  ${verdict(median(ratios.sqlite), '≥', 5)}`);
  for (const contestant of all) await contestant.close();
}

/** POST /v1/assert over 64 connections, beside the same route that parses, checks, hashes and answers without storing. */
async function benchHttp(): Promise<void> {
  const host = makeHost();
  const wal = { dir: join(directory, 'http', 'wal') };
  const config = stemeConfigSchema.parse({ wal, store: { dir: join(directory, 'http', 'db') } });
  const engine = await startStemeDb(host, config);
  const idle: Route = {
    method: 'POST',
    path: '/v1/assert',
    summary: 'answers without storing',
    role: 'none',
    handler: async (request) => {
      const { id } = prepareAssertion(parseAssertion(JSON.parse(Buffer.from(request.body).toString())));
      return { status: 201, headers: { 'stemedb-lsn': '1' }, body: { hash: id, lsn: 1, status: 'created' } };
    },
  };
  const settings = prepareSettings({ bind: '127.0.0.1:0', maxBodyBytes: 2 ** 20 });
  const { logger } = host.telemetry;
  const serve = async (name: string, routes: readonly Route[]) => {
    const server = await startHttpServer({ routes, settings, logger });
    return { name, server, rates: [] as number[], cpu: [] as number[] };
  };
  const servers = [await serve('POST /v1/assert', engine.routes), await serve('answering only', [idle])];
  const ratios: number[] = [];
  const body = JSON.stringify({ ...claim(1), subject: 'subject-[<id>]' });
  for (let round = 0; round <= rounds; round++) {
    const answered: number[] = [];
    for (const { server, rates, cpu } of servers) {
      // Of this thread: the client has one of its own.
      const before = process.threadCpuUsage();
      const result = await autocannon({
        url: `${server.url}/v1/assert`,
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        idReplacement: true,
        connections: 64,
        duration: Math.max(1, roundMs / 1_000),
        workers: 1,
      });
      if (result.non2xx > 0 || result.errors > 0)
        throw new Error(`${result.non2xx} answers other than 2xx, ${result.errors} errors`);
      const { user, system } = process.threadCpuUsage(before);
      answered.push(result['2xx'] / result.duration);
      if (round === 0) continue;
      rates.push(result['2xx'] / result.duration);
      cpu.push((user + system) / result['2xx']);
    }
    const [own = Number.NaN, limit = Number.NaN] = answered;
    if (round > 0) ratios.push(own / limit);
  }
  console.log(`\nHTTP, 64 connections: median (range) of ${rounds} rounds; ${loadNote()}`);
  console.log(`  ${''.padEnd(22)} requests/s${''.padEnd(25)} CPU µs/request, the server's thread`);
  for (const { name, rates, cpu } of servers)
    console.log(`  ${name.padEnd(22)} ${spread(rates).padEnd(35)} ${spread(cpu, 1)}`);
  console.log(`  ratio ${spread(ratios, 2)}  ${verdict(median(ratios), '≥', 0.6)}`);
  for (const { server } of servers) await server.close();
  await engine.close();
}

async function benchQuery(): Promise<void> {
  const keys = 10_000;
  const rows = 4 * keys;
  const inMemory = await openStore('query', makeHost());
  const records: AssertionInput[] = Array.from({ length: rows }, (_, n) => ({
    ...claim(n),
    subject: `key-${n % keys}`,
    predicate: 'p',
  }));
  for (let i = 0; i < rows; i += BATCH) await inMemory.assertBatch(records.slice(i, i + BATCH));
  const ids = records.map((record) => prepareAssertion(record).id);
  const memory: number[] = [];
  const memoryCpu: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const spent = cpuMeter();
    const began = performance.now();
    for (let n = 0; n < 5_000; n++)
      await inMemory.query({ subject: `key-${(n * 7919) % keys}`, predicate: 'p', limit: 1 });
    if (round === 0) continue;
    memory.push((performance.now() - began) / 5);
    memoryCpu.push(spent() / 5_000);
  }
  await inMemory.close();

  const host = makeHost();
  const onDisk = await openStore('query', host, 0);
  const file = await host.disk.open(join(directory, 'query', 'wal', onDisk.journal.segments()[0]?.file ?? ''), {
    mode: 'read',
  });
  const page = Buffer.alloc(4_096);
  const disk: number[] = [];
  const raw: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const began = performance.now();
    for (let n = 0; n < 1_000; n++) await onDisk.get(ids[(n * 7919) % rows] ?? '');
    const between = performance.now();
    for (let n = 0; n < 1_000; n++) await file.read(((n * 7919) % 1_000) * 4_096, page);
    if (round === 0) continue;
    disk.push(between - began);
    raw.push(performance.now() - between);
  }
  console.log(`\nReads, µs each: median (range); ${loadNote()}`);
  console.log(`  query in memory        ${spread(memory, 1)}  ${verdict(median(memory), '≤', 20)}`);
  console.log(`    its CPU              ${spread(memoryCpu, 1)}`);
  console.log(`  get from disk          ${spread(disk, 1)}`);
  const ratio = median(disk) / median(raw);
  console.log(`  raw 4 KiB read         ${spread(raw, 1)}   ratio ${ratio.toFixed(2)} ${verdict(ratio, '≤', 2)}`);
  await file.close();
  await onDisk.close();
}

async function benchIndex(): Promise<void> {
  const rows = Number(flags.rows ?? 2 ** 18 - 1);
  const payloads = Array.from({ length: rows }, (_, n) => encodePayload(prepareAssertion(claim(n))));
  const { disk } = makeHost();
  const journal = 'ab'.repeat(16);
  const fold = { rates: [] as number[], cpu: [] as number[] };
  const load = { rates: [] as number[], cpu: [] as number[] };
  let index = new ClaimIndex();
  for (let round = 0; round <= rounds; round++) {
    index = new ClaimIndex();
    const spent = cpuMeter();
    const began = performance.now();
    for (let n = 0; n < rows; n++) index.add(n + 1, fieldsOfPayload(1, payloads[n] ?? new Uint8Array(0)));
    if (round === 0) continue;
    fold.rates.push((rows * 1_000) / (performance.now() - began));
    fold.cpu.push(spent() / rows);
  }
  const range = {
    first: 1,
    last: rows,
    namesBefore: 0,
    names: index.names.size,
    agentsBefore: 0,
    agents: index.agents.size,
  };
  const bytes = await writePart(disk, directory, journal, index, range, async () => undefined);
  const part: PartInfo = {
    file: partFile(1, rows),
    first: 1,
    last: rows,
    level: 0,
    bytes,
    names: range.names,
    agents: range.agents,
  };
  for (let round = 0; round <= rounds; round++) {
    const loaded = new ClaimIndex();
    const spent = cpuMeter();
    const began = performance.now();
    await loadPart(disk, directory, journal, part, loaded);
    if (round === 0) continue;
    load.rates.push((rows * 1_000) / (performance.now() - began));
    load.cpu.push(spent() / rows);
  }
  console.log(`\nIndex of ${rows.toLocaleString('en')} records: median (range); ${loadNote()}`);
  console.log(`  fold, records/s        ${spread(fold.rates)}  ${verdict(median(fold.rates), '≥', 250_000)}`);
  console.log(`    its CPU, µs/record   ${spread(fold.cpu, 2)}`);
  console.log(`  part load, rows/s      ${spread(load.rates)}  ${verdict(median(load.rates), '≥', 3_000_000)}`);
  console.log(`    its CPU, µs/row      ${spread(load.cpu, 2)}`);
  const dictionary = index.names.bytes + index.agents.bytes;
  const perRecord = (index.bytes - dictionary) / rows;
  console.log(`  memory, B/record       ${perRecord.toFixed(1).padStart(10)}  ${verdict(perRecord, '≤', 110)}`);
  console.log(`    its dictionary       ${(dictionary / rows).toFixed(1).padStart(10)}`);
}

const benches = { batch: benchBatch, http: benchHttp, query: benchQuery, index: benchIndex };
const wanted = flags.only?.split(',') ?? Object.keys(benches);
try {
  for (const [name, run] of Object.entries(benches)) if (wanted.includes(name)) await run();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
