/**
 * What may grow with the number of records and what may not: the same measurements at more and more records. Appending,
 * folding and reading cost the same at any size, a query what its key's rows cost, a start what all rows cost.
 * `node bench/growth.ts [--dir DIR] [--records N] [--index N]`: largest store and largest index.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { stemeConfigSchema } from '../src/engines/stemedb/config.ts';
import { ClaimIndex } from '../src/engines/stemedb/index/claimIndex.ts';
import type { RowFields } from '../src/engines/stemedb/index/fold.ts';
import type { AssertionInput } from '../src/engines/stemedb/model.ts';
import type { StemeNode } from '../src/engines/stemedb/stemeNode.ts';
import { openStemeNode } from '../src/engines/stemedb/store.ts';
import { createRealHost } from '../src/real/host.ts';
import { cpuMeter, loadNote, median } from './measure.ts';

const { values: flags } = parseArgs({
  options: { dir: { type: 'string' }, records: { type: 'string' }, index: { type: 'string' } },
});
const directory = mkdtempSync(join(flags.dir ?? tmpdir(), 'hotfire-growth-'));
const storeSizes = [1, 2, 4, 8].map((part) => Math.round((Number(flags.records ?? 400_000) * part) / 8));
const indexSizes = [1, 4, 10].map((part) => Math.round((Number(flags.index ?? 10_000_000) * part) / 10));
const BATCH = 500;
const MIB = 2 ** 20;

/** Four claims a key, however many there are in all. */
function claim(n: number): AssertionInput {
  return {
    subject: `subject-${Math.floor(n / 4)}`,
    predicate: 'colour',
    object: { text: `value ${n}` },
    stage: 'approved',
    confidence: 0.5,
    timestamp: 1_700_000_000_000 + n,
  };
}

/** Visits 0 … count − 1 in an order that no cache likes: the steps are large. */
function scattered(i: number, count: number): number {
  return (i * 7_919_777) % count;
}

function open(): Promise<StemeNode> {
  const host = createRealHost({ name: 'growth', telemetry: { options: { level: 'error' } } });
  const wal = { dir: join(directory, 'wal') };
  const store = { dir: join(directory, 'db'), cache_bytes: 0 };
  return openStemeNode(host, stemeConfigSchema.parse({ wal, store }));
}

/** Microseconds of CPU that each of `count` runs takes: the median of ten groups, because others use the machine too. */
async function cpuEach(count: number, run: (i: number) => Promise<unknown>): Promise<number> {
  const groups: number[] = [];
  for (let group = 0; group < 10; group++) {
    const spent = cpuMeter();
    for (let i = 0; i < count / 10; i++) await run((group * count) / 10 + i);
    groups.push(spent() / (count / 10));
  }
  return median(groups);
}

async function storeGrowth(): Promise<void> {
  console.log(`\nStore, CPU µs (all threads); ${loadNote()}`);
  console.log('     records    append/record    get from disk    query of 4 rows    start ms    start µs/record');
  let db = await open();
  let rows = 0;
  for (const size of storeSizes) {
    const batches = Math.round((size - rows) / BATCH);
    const append = await cpuEach(batches, async () => {
      const first = rows;
      rows += BATCH;
      await db.assertBatch(Array.from({ length: BATCH }, (_, i) => claim(first + i)));
    });
    const ids = await Promise.all(
      Array.from({ length: 1_000 }, async (_, i) => {
        const { winner } = await db.query({ subject: `subject-${scattered(i, rows >> 2)}`, limit: 1 });
        return winner?.hash ?? '';
      }),
    );
    const get = await cpuEach(ids.length, (i) => db.get(ids[i] ?? ''));
    const query = await cpuEach(2_000, (i) => db.query({ subject: `subject-${scattered(i, rows >> 2)}`, limit: 1 }));
    await db.close();
    const spent = cpuMeter();
    db = await open();
    const start = spent();
    console.log(
      `  ${String(rows).padStart(10)}  ${(append / BATCH).toFixed(2).padStart(15)}  ${get.toFixed(1).padStart(15)}  ` +
        `${query.toFixed(1).padStart(17)}  ${(start / 1_000).toFixed(0).padStart(10)}  ${(start / rows).toFixed(2).padStart(17)}`,
    );
  }
  await db.close();
}

/** Fields of a row whose id is not a hash: to make ten million of those would take longer than to fold them. */
function rowOf(row: number): RowFields {
  const word = (k: number) => (Math.imul(row + k * 0x9e3779b1, 0x85ebca6b) >>> 0).toString(16).padStart(8, '0');
  const low = (Math.imul(row ^ (row >>> 15), 0x2c1b3c6d) >>> 0).toString(16).padStart(8, '0');
  return {
    type: 1,
    id: `${low}${word(1)}${word(2)}${word(3)}${word(4)}${word(5)}${word(6)}${row.toString(16).padStart(8, '0')}`,
    subject: `subject-${row >>> 2}`,
    predicate: 'colour',
    agent: undefined,
    objectLow: row,
    objectHigh: 0,
    timestamp: row,
    stage: 2,
    millionths: 500_000,
    target: undefined,
    epoch: undefined,
  };
}

function indexGrowth(): void {
  console.log(`\nIndex alone; ${loadNote()}`);
  console.log(
    '     records    fold CPU µs/record    find µs    columns+tables B/record    dictionary B    process MiB',
  );
  const index = new ClaimIndex();
  let row = 0;
  for (const size of indexSizes) {
    const groups: number[] = [];
    while (row < size) {
      const fields = Array.from({ length: Math.min(10_000, size - row) }, (_, i) => rowOf(row + i + 1));
      const spent = cpuMeter();
      for (const each of fields) index.add(++row, each);
      groups.push(spent() / fields.length);
    }
    const ids = Array.from({ length: 20_000 }, (_, i) => rowOf(1 + scattered(i, row)).id);
    const spent = cpuMeter();
    let found = 0;
    for (const id of ids) if (index.find(id) > 0) found++;
    const find = spent() / ids.length;
    if (found !== ids.length) throw new Error(`found ${found} of ${ids.length}`);
    const dictionary = index.names.bytes + index.agents.bytes;
    globalThis.gc?.();
    console.log(
      `  ${String(row).padStart(10)}  ${median(groups).toFixed(2).padStart(20)}  ${find.toFixed(2).padStart(9)}  ` +
        `${((index.bytes - dictionary) / row).toFixed(1).padStart(25)}  ${(dictionary / row).toFixed(1).padStart(14)}  ` +
        `${(process.memoryUsage().rss / MIB).toFixed(0).padStart(13)}`,
    );
  }
}

try {
  await storeGrowth();
  indexGrowth();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
