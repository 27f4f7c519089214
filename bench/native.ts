/**
 * The disk adapters: the journal, and plain durable writes of the same bytes, through node:fs and through io_uring, beside a loop in C
 * that makes the same bytes durable. One file system, contestants interleaved in one run, medians and ranges.
 * Run: `node bench/native.ts [--dir DIR] [--rounds N] [--ms N] [--only 1,64,512] [--cached] [--mode defer|coop|plain]`.
 * `--cached` adds the ring without O_DIRECT.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Disk } from '../src/host/disk.ts';
import { createRealDisk } from '../src/real/disk.ts';
import { createRealHost } from '../src/real/host.ts';
import { loadNative } from '../src/real/native.ts';
import type { RingMode } from '../src/real/uring/addon.ts';
import { createUringFileCalls } from '../src/real/uring/fileCalls.ts';
import { startRing } from '../src/real/uring/ring.ts';
import { uringSupport } from '../src/real/uring/support.ts';
import { openJournal } from '../src/storage/journal/index.ts';
import { cpuMeter, loadNote, median, quantile, spread, verdict } from './measure.ts';
import { buildLimit, type Seen, ways } from './native/limit.ts';

const { values: flags } = parseArgs({
  options: {
    dir: { type: 'string' },
    rounds: { type: 'string', default: '7' },
    ms: { type: 'string', default: '400' },
    only: { type: 'string', default: '1,64,512' },
    cached: { type: 'boolean', default: false },
    mode: { type: 'string', default: '' },
  },
});
const rounds = Math.max(1, Number(flags.rounds));
const roundMs = Number(flags.ms);
const fileBytes = 64 << 20;
const pauseMs = 100;
const payload = new Uint8Array(256).map((_, i) => (i * 37) & 255);
const directory = mkdtempSync(join(flags.dir ?? tmpdir(), 'hotfire-native-'));

/** A way to the disk that is measured. */
interface Adapter {
  readonly name: string;
  readonly disk: Disk;
}

/** What is measured: commits of so many bytes, until `roundMs` are over. */
interface Contestant {
  readonly name: string;
  run(batch: number, bytes: number): Promise<Seen>;
  close(): Promise<void>;
}

/** Calls `commit` again and again, each when the last has ended. */
async function turn(commit: () => Promise<void>): Promise<Seen> {
  const latencies: number[] = [];
  const spent = cpuMeter();
  const began = performance.now();
  const end = began + roundMs;
  let last = began;
  while (last < end) {
    await commit();
    const now = performance.now();
    latencies.push((now - last) * 1000);
    last = now;
  }
  const cpu = spent() / latencies.length;
  const perSecond = (latencies.length * 1000) / (last - began);
  return { perSecond, cpu, p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) };
}

/** The journal: a commit is one append of `batch` records. */
async function journalOn({ name, disk }: Adapter) {
  const host = createRealHost({ name: 'bench', disk, telemetry: { options: { level: 'error' } } });
  const options = {
    directory: join(directory, `wal-${name.replace(/\W+/g, '-')}`),
    name: 'bench',
    metricsPrefix: 'bench_',
  };
  const { journal } = await openJournal(host, options);
  journal.onDurable((lsn) => journal.pin('bench', lsn));
  const commit = (batch: number) => {
    const records = Array.from({ length: batch }, () => ({ type: 1, payload }));
    return () => journal.append(records).durable();
  };
  return {
    name: `journal on ${name}`,
    run: (batch: number) => turn(commit(batch)),
    /** Bytes that a commit of so many records makes durable. */
    async bytesOf(batch: number) {
      await commit(batch)();
      return journal.status().lastBatch?.bytes ?? 0;
    },
    close: () => journal.close(),
  };
}

/** Durable writes of as many bytes over a file that is filled with zeros, as the loop in C makes them. */
async function writesOn({ name, disk }: Adapter): Promise<Contestant> {
  const file = await disk.open(join(directory, `writes-${name.replace(/\W+/g, '-')}`), { mode: 'create' });
  await file.allocate(fileBytes);
  await file.sync();
  let at = 0;
  return {
    name: `writes on ${name}`,
    run(_batch, bytes) {
      const buffers = [new Uint8Array(bytes).fill(7)];
      return turn(() => {
        if (at + bytes > fileBytes) at = 0;
        const position = at;
        at += bytes;
        return file.write(position, buffers, { durable: true });
      });
    },
    close: () => file.close(),
  };
}

function show(name: string, seen: readonly Seen[]): void {
  const column = (pick: (it: Seen) => number, digits = 0) => spread(seen.map(pick), digits).padEnd(34);
  const cells = [column((it) => it.perSecond), column((it) => it.p50), column((it) => it.p99), column((it) => it.cpu)];
  console.log(`  ${name.padEnd(28)} ${cells.join(' ')}`);
}

async function main(): Promise<void> {
  const support = uringSupport();
  if (!support.ok) console.log(`io_uring skipped: ${support.reason}`);
  const limit = buildLimit(directory, fileBytes);
  if (typeof limit === 'string') console.log(`C loop skipped: ${limit}`);
  const adapters: Adapter[] = [{ name: 'node:fs', disk: createRealDisk() }];
  const native = loadNative();
  if (support.ok && 'addon' in native) {
    const ring = startRing(native.addon, modeOf(flags.mode));
    console.log(`io_uring: the ring is in mode ${ring.mode}`);
    adapters.push({ name: 'io_uring', disk: createRealDisk(createUringFileCalls(ring)) });
    if (flags.cached) {
      adapters.push({ name: 'io_uring, cached', disk: createRealDisk(createUringFileCalls(ring, false)) });
    }
  }
  const journals = await Promise.all(adapters.map(journalOn));
  const contestants: Contestant[] = [...journals, ...(await Promise.all(adapters.map(writesOn)))];
  if (typeof limit !== 'string') {
    for (const way of ways) {
      if (way.startsWith('uring') && !support.ok) continue;
      contestants.push({
        name: `C ${way}`,
        run: async (_batch, bytes) => limit(way, bytes, roundMs),
        close: async () => undefined,
      });
    }
  }
  for (const batch of flags.only.split(',').map(Number)) {
    const bytes = (await journals[0]?.bytesOf(batch)) ?? 0;
    const seen = new Map<string, Seen[]>(contestants.map(({ name }) => [name, []]));
    for (let round = -1; round < rounds; round++) {
      for (const contestant of contestants) {
        // What the one before left to be done in the background (the journal's next segment) is not this one's.
        await sleep(pauseMs);
        const one = await contestant.run(batch, bytes);
        // The first round warms up files and code.
        if (round >= 0) seen.get(contestant.name)?.push(one);
      }
    }
    console.log(
      `\nbatch of ${batch}, ${bytes} bytes durable; ${rounds} rounds of ${roundMs} ms, interleaved; ${loadNote()}`,
    );
    const heads = ['commits/s: median (range)', 'p50 µs', 'p99 µs', 'CPU µs/commit, all threads'];
    console.log(`  ${''.padEnd(28)} ${heads.map((head) => `${''.padEnd(10)}${head}`.padEnd(34)).join(' ')}`);
    for (const [name, all] of seen) show(name, all);
    const rates = (name: string) => seen.get(name)?.map((it) => it.perSecond) ?? [];
    const bestWay = ways.reduce((a, b) => (median(rates(`C ${b}`)) > median(rates(`C ${a}`)) ? b : a));
    const best = rates(`C ${bestWay}`);
    const ratio = (name: string, beside: readonly number[]) => rates(name).map((rate, i) => rate / (beside[i] ?? 0));
    if (support.ok) {
      for (const what of ['journal', 'writes']) {
        const ratios = ratio(`${what} on io_uring`, rates(`${what} on node:fs`));
        console.log(`  ${`${what}: io_uring / node:fs`.padEnd(34)} ${spread(ratios, 2)}`);
        if (typeof limit === 'string') continue;
        const toBest = ratio(`${what} on io_uring`, best);
        const note = verdict(median(toBest), '≥', 0.9);
        console.log(`  ${`${what}: io_uring / C ${bestWay}`.padEnd(34)} ${spread(toBest, 2)}  ${note}`);
      }
    }
  }
  for (const contestant of contestants) await contestant.close();
}

function modeOf(word: string): RingMode | '' {
  if (word === '' || word === 'defer' || word === 'coop' || word === 'plain') return word;
  throw new Error(`--mode is ${word}, expected defer, coop or plain`);
}

try {
  await main();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
