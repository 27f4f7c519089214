/**
 * Group commit on the stand: a device whose durable write takes 100 ms, the journal with gathering and without. Virtual
 * time, so the figures are the same on every machine. `node bench/gathering.ts [--seeds N]`.
 */
import { parseArgs } from 'node:util';
import type { Host } from '../src/host/host.ts';
import { World } from '../src/sim/world.ts';
import { type Journal, openJournal } from '../src/storage/journal/index.ts';
import { median, quantile, spread, verdict } from './measure.ts';

const { values: flags } = parseArgs({ options: { seeds: { type: 'string', default: '5' } } });
const seeds = Math.max(1, Number(flags.seeds));
const SYNC_MS = 100;
const WARM_MS = 5_000;
const MEASURED_MS = 30_000;
const payload = new Uint8Array(256).fill(7);

/** What the writers of one run saw, after the warm-up. */
interface Seen {
  readonly perSecond: number;
  readonly latencies: readonly number[];
}

/** Puts `load` on a journal whose disk is slow; `committed` is called with the latency of each commit. */
async function run(
  seed: number,
  mutants: string[],
  load: (host: Host, journal: Journal, committed: (ms: number) => void) => Promise<void>,
  segmentBytes = 16 << 20,
): Promise<Seen> {
  const world = new World({ seed, mutants });
  const machine = world.addMachine('node');
  machine.devices.mount('/data', machine.devices.addDevice('slow', { model: { syncMs: SYNC_MS, jitter: 0.05 } }));
  const latencies: number[] = [];
  let began = Number.POSITIVE_INFINITY;
  machine.start('journal', async (host) => {
    const options = { directory: '/data/wal', name: 'wal', metricsPrefix: 'bench_', segmentBytes };
    const { journal } = await openJournal(host, options);
    began = world.now;
    await load(host, journal, (ms) => {
      if (world.now - began > WARM_MS) latencies.push(ms);
    });
  });
  await world.run({ toMs: 3_600_000, until: () => world.now - began > WARM_MS + MEASURED_MS });
  return { perSecond: (latencies.length * 1_000) / MEASURED_MS, latencies };
}

/** Each writer asks for the next commit 3 ms after it had the last: that is how long the answer and a request take. */
function closedLoop(writers: number) {
  return async (host: Host, journal: Journal, committed: (ms: number) => void) => {
    const writer = async () => {
      for (;;) {
        const asked = host.clock.now();
        await journal.append([{ type: 1, payload }]).durable();
        committed(host.clock.now() - asked);
        await host.clock.sleep(3);
      }
    };
    for (let n = 0; n < writers; n++) {
      void writer();
      await host.clock.sleep(7);
    }
  };
}

/** Commits are asked for at random moments, `perSecond` on average, whatever becomes of those before. */
function openLoop(perSecond: number) {
  return async (host: Host, journal: Journal, committed: (ms: number) => void) => {
    const random = host.random.stream('arrivals');
    for (;;) {
      await host.clock.sleep((-Math.log(1 - random.float()) * 1_000) / perSecond);
      const asked = host.clock.now();
      void journal
        .append([{ type: 1, payload }])
        .durable()
        .then(() => committed(host.clock.now() - asked));
    }
  };
}

/** As `closedLoop`, but only commits count before whose end the log went on to its next segment. */
function acrossSegments(writers: number) {
  return (host: Host, journal: Journal, committed: (ms: number) => void) => {
    let newest = journal.segments().at(-1)?.id ?? 0;
    let changedAt = Number.NEGATIVE_INFINITY;
    journal.onDurable((lsn) => {
      journal.pin('bench', lsn);
      const now = journal.segments().at(-1)?.id ?? 0;
      if (now !== newest) changedAt = host.clock.now();
      newest = now;
    });
    return closedLoop(writers)(host, journal, (ms) => {
      if (host.clock.now() === changedAt) committed(ms);
    });
  };
}

const closed = { gathered: [] as number[], natural: [] as number[], ratio: [] as number[] };
const rotation: number[] = [];
const open = { gathered: [] as number[], natural: [] as number[], ratio: [] as number[] };
for (let seed = 1; seed <= seeds; seed++) {
  const gathered = (await run(seed, [], closedLoop(64))).perSecond;
  const natural = (await run(seed, ['no-gather'], closedLoop(64))).perSecond;
  closed.gathered.push(gathered);
  closed.natural.push(natural);
  closed.ratio.push(gathered / natural);
  const waited = median((await run(seed, [], openLoop(300))).latencies);
  const unwaited = median((await run(seed, ['no-gather'], openLoop(300))).latencies);
  open.gathered.push(waited);
  open.natural.push(unwaited);
  open.ratio.push(waited / unwaited);
  const across = (await run(seed, [], acrossSegments(64), 256 << 10)).latencies.map((ms) => ms / SYNC_MS);
  rotation.push(quantile(across, 0.99));
}
console.log(`L = ${SYNC_MS} ms, ${seeds} seeds of ${MEASURED_MS / 1_000} s, virtual time: median (range)`);
console.log(`  64 closed-loop writers, commits/s   gathering ${spread(closed.gathered)}`);
console.log(`                                      without   ${spread(closed.natural)}`);
console.log(`  ratio ${spread(closed.ratio, 2)}  ${verdict(median(closed.ratio), '≥', 1.6)}`);
console.log(`  open loop of 300/s, median ms       gathering ${spread(open.gathered, 1)}`);
console.log(`                                      without   ${spread(open.natural, 1)}`);
console.log(`  ratio ${spread(open.ratio, 3)}  ${verdict(median(open.ratio), '≤', 1.05)}`);
console.log('  64 closed-loop writers, commits during rotation, in L');
console.log(`  p99 ${spread(rotation, 2)}  ${verdict(median(rotation), '≤', 5)}`);
