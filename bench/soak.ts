/**
 * Load for ten minutes, over HTTP and by library at once: new assertions, repeats of old ones, votes, queries, reads,
 * scrapes. The memory of the process is sampled and must stay flat, but for what each record may cost for good.
 * `node --expose-gc bench/soak.ts [--minutes N] [--dir DIR]`; exit 1 if it grows.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Pool } from 'undici';
import { startHttpServer } from '../src/daemon/http/server.ts';
import { prepareSettings } from '../src/daemon/http/settings.ts';
import { stemeConfigSchema } from '../src/engines/stemedb/config.ts';
import { type RunningStemeDb, startStemeDb } from '../src/engines/stemedb/engine.ts';
import type { AssertionInput } from '../src/engines/stemedb/model.ts';
import { createRealHost } from '../src/real/host.ts';
import { loadNote, median } from './measure.ts';

const { values: flags } = parseArgs({ options: { minutes: { type: 'string' }, dir: { type: 'string' } } });
const durationMs = Number(flags.minutes ?? 10) * 60_000;
const directory = mkdtempSync(join(flags.dir ?? tmpdir(), 'hotfire-soak-'));
const MIB = 2 ** 20;
const SAMPLES = 120;
const HTTP_CLIENTS = 16;
const LIBRARY_BATCH = 64;
/** What a record may cost for good: its row, its places in the tables of the index, its offset in the log's. */
const BYTES_A_RECORD = 115;
/** Growth from the second quarter to the last that is put down to the allocator. */
const RSS_SLACK = 24 * MIB;
const HEAP_SLACK = 8 * MIB;
/** The journal remembers where batches lie, 80 B each and 64 MiB at most: with some six records a batch, a little less than this. */
const PLACES_A_RECORD = 16;
const PLACES_MAX = 64 * MIB;

/** So few names that the dictionary, which keeps each for good, is full before the first quarter is over. */
function claim(n: number): AssertionInput {
  return {
    subject: `subject-${n % 5_000}`,
    predicate: `predicate-${n % 7}`,
    object: { text: `value ${n}` },
    stage: 'approved',
    confidence: (n % 100) / 100,
    timestamp: 1_700_000_000_000 + n,
    agent: (n % 100).toString(16).padStart(2, '0').repeat(32),
  };
}

interface Sample {
  readonly atMs: number;
  readonly rows: number;
  readonly rss: number;
  /** Of the heap: in use after a collection, and room that the collector has ready, up to a bound of its own. */
  readonly heap: number;
  readonly ready: number;
}

let ended = false;
let next = 0;
const done = { asserted: 0, repeated: 0, votes: 0, queries: 0, reads: 0, scrapes: 0 };

async function post(pool: Pool, path: string, body: object): Promise<{ hash?: string }> {
  const headers = { 'content-type': 'application/json' };
  const response = await pool.request({ method: 'POST', path, headers, body: JSON.stringify(body) });
  const answer = (await response.body.json()) as { hash?: string }; // an Ack, or not 2xx
  if (response.statusCode >= 300) throw new Error(`${path} answered ${response.statusCode}: ${JSON.stringify(answer)}`);
  return answer;
}

/** One client over HTTP: each turn a new claim, a repeat, a vote, a query and a read. */
async function httpClient(pool: Pool, agent: string): Promise<void> {
  while (!ended) {
    const n = next++;
    const { hash } = await post(pool, '/v1/assert', claim(n));
    done.asserted++;
    await post(pool, '/v1/assert', claim(Math.floor(n / 2)));
    done.repeated++;
    await post(pool, '/v1/vote', { assertion: hash, agent, value: 'support', timestamp: claim(n).timestamp });
    done.votes++;
    await post(pool, '/v1/query', { subject: `subject-${n % 5_000}`, lens: 'consensus', limit: 3 });
    done.queries++;
    const read = await pool.request({ method: 'GET', path: `/v1/assertions/${hash}` });
    await read.body.dump();
    done.reads++;
  }
}

/** The library's client: batches of new claims with some old ones between. */
async function libraryClient({ db }: RunningStemeDb): Promise<void> {
  while (!ended) {
    const first = next;
    next += LIBRARY_BATCH;
    const batch = Array.from({ length: LIBRARY_BATCH }, (_, i) => claim(i % 8 === 7 ? i * 31 : first + i));
    const { created, existing } = await db.assertBatch(batch);
    done.asserted += created;
    done.repeated += existing;
    await db.query({ subject: `subject-${first % 5_000}`, predicate: `predicate-${first % 7}`, lens: 'skeptic' });
    done.queries++;
    await sleep(50);
  }
}

async function scraper(pool: Pool): Promise<void> {
  while (!ended) {
    const response = await pool.request({ method: 'GET', path: '/metrics' });
    await response.body.dump();
    done.scrapes++;
    await sleep(1_000);
  }
}

function sampleNow(running: RunningStemeDb, began: number): Sample {
  globalThis.gc?.();
  const { rss, heapUsed, heapTotal } = process.memoryUsage();
  const atMs = performance.now() - began;
  return { atMs, rows: running.db.indexRows(), rss, heap: heapUsed, ready: heapTotal - heapUsed };
}

function report(samples: readonly Sample[]): boolean {
  const quarter = Math.floor(samples.length / 4);
  const second = samples.slice(quarter, 2 * quarter);
  const last = samples.slice(-quarter);
  const middle = (of: readonly Sample[], value: (sample: Sample) => number) => median(of.map(value)) / MIB;
  const rows = (middle(last, ({ rows }) => rows) - middle(second, ({ rows }) => rows)) * MIB;
  const allowed = (rows * BYTES_A_RECORD) / MIB;
  const places = Math.min(PLACES_MAX, rows * PLACES_A_RECORD) / MIB;
  let isFlat = true;
  for (const [name, value, slack] of [
    ['resident', ({ rss, ready }: Sample) => rss - ready, RSS_SLACK],
    ['heap', ({ heap }: Sample) => heap, HEAP_SLACK],
  ] as const) {
    const [from, to] = [middle(second, value), middle(last, value)];
    const limit = (name === 'heap' ? places : allowed) + slack / MIB;
    const grown = to - from;
    if (!(grown <= limit)) isFlat = false;
    console.log(
      `  ${name.padEnd(9)} second quarter ${from.toFixed(1)} MiB, last ${to.toFixed(1)} MiB: ` +
        `${grown >= 0 ? '+' : ''}${grown.toFixed(1)} (allowed ${limit.toFixed(1)}) ${grown <= limit ? 'flat' : 'GROWS'}`,
    );
  }
  console.log(
    `  resident without what the collector has ready; ${Math.round(rows)} new records between the two, each allowed ` +
      `${BYTES_A_RECORD} B`,
  );
  return isFlat;
}

async function main(): Promise<boolean> {
  const host = createRealHost({ name: 'soak', telemetry: { options: { level: 'error' } } });
  const wal = { dir: join(directory, 'wal') };
  // A small cache, index parts often: both are full and under way many times.
  const store = { dir: join(directory, 'db'), cache_bytes: 8 * MIB };
  const config = stemeConfigSchema.parse({ wal, store, index: { snapshot_bytes: 16 * MIB } });
  const running = await startStemeDb(host, config);
  const settings = prepareSettings({ bind: '127.0.0.1:0', maxBodyBytes: MIB });
  const server = await startHttpServer({ routes: running.routes, settings, logger: host.telemetry.logger });
  const pool = new Pool(server.url, { connections: HTTP_CLIENTS + 1 });
  console.log(`${durationMs / 60_000} minutes, ${HTTP_CLIENTS} clients over HTTP and one by library; ${loadNote()}`);
  const began = performance.now();
  const agents = Array.from({ length: HTTP_CLIENTS }, (_, i) => i.toString(16).padStart(64, 'a'));
  const load = Promise.all([...agents.map((agent) => httpClient(pool, agent)), libraryClient(running), scraper(pool)]);
  load.catch(() => undefined); // awaited below
  const samples: Sample[] = [];
  for (let i = 1; i <= SAMPLES; i++) {
    await Promise.race([sleep(Math.max(0, (durationMs * i) / SAMPLES - (performance.now() - began))), load]);
    const sample = sampleNow(running, began);
    samples.push(sample);
    if (i % (SAMPLES / 10) !== 0) continue;
    console.log(
      `  ${(sample.atMs / 1_000).toFixed(0).padStart(5)} s  ${String(sample.rows).padStart(9)} records  ` +
        `resident ${(sample.rss / MIB).toFixed(1)} MiB  heap ${(sample.heap / MIB).toFixed(1)} MiB ` +
        `and ${(sample.ready / MIB).toFixed(1)} ready`,
    );
  }
  ended = true;
  await load;
  const isFlat = report(samples);
  console.log(`  ${JSON.stringify(done)}; ${loadNote()}`);
  await pool.close();
  await server.close();
  await running.close();
  return isFlat;
}

if (globalThis.gc === undefined) {
  console.error('soak: run it with --expose-gc, as `npm run bench -- soak` does: samples are taken after a collection');
  process.exit(64);
}
try {
  const isFlat = await main();
  console.log(isFlat ? 'flat' : 'the memory grows');
  process.exitCode = isFlat ? 0 : 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}
