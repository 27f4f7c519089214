/**
 * The bus beside its physical limit (the same rings in C) and beside what else moves messages between threads and processes of one
 * machine. Messages of 64 bytes, every word written and compared; rounds interleaved in rotated order; ratios are paired within a round.
 * Run: `node bench/indexbus.ts [--rounds N] [--messages N] [--only rate,peers,threads,trips,huge,heap,crash,seats,scrape,stand] [--spins N]`.
 * `--spins` is how often a side looks before it sleeps: 0, as the router has it where threads have no core of their own.
 * Figures within a process and between processes stand in tables of their own.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  type Bench,
  buildRing,
  type Contestant,
  ownHop,
  ownThree,
  ownTrip,
  ownTwo,
  queue,
  type Round,
  ringbufPeer,
  ringRate,
  ringTrip,
  runtimePeer,
  zeromqPeer,
} from './indexbus/contestants.ts';
import { growthInProcess } from './indexbus/heap.ts';
import { crashCosts, joins, recovery } from './indexbus/operations.ts';
import { scrapeCosts } from './indexbus/scrape.ts';
import { standRate } from './indexbus/standRate.ts';
import { loadNote, median, spread, verdict } from './measure.ts';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '9' },
    messages: { type: 'string', default: '1000000' },
    only: { type: 'string', default: 'rate,threads,peers,trips,huge,heap,crash,seats,scrape,stand' },
    spins: { type: 'string', default: '0' },
  },
});
const rounds = Math.max(1, Number(flags.rounds));
const messages = Number(flags.messages);
const spins = Number(flags.spins);
const only = flags.only.split(',');
const directory = mkdtempSync(join('/dev/shm', 'hotfire-bench-'));
const bench: Bench = { directory, spins, huge: false };
const parked: Bench = { ...bench, spins: 0 };
const ring = buildRing(directory);
if (typeof ring === 'string') console.log(`C skipped: ${ring}`);

/** A contestant and how much it is given. */
interface Entry {
  readonly it: Contestant;
  readonly messages: number;
  readonly batch: number;
}

/** A ratio of two entries and what it shall be. */
interface Target {
  readonly of: number;
  readonly to: number;
  readonly least: number;
}

/** Rounds before the first that counts: the compiler has its say in them. */
const warmUps = 2;

/** All entries in each round, each round beginning with another one. */
async function race(entries: readonly Entry[]): Promise<Round[][]> {
  const seen: Round[][] = entries.map(() => []);
  for (let round = -warmUps; round < rounds; round += 1) {
    for (let turn = 0; turn < entries.length; turn += 1) {
      const index = (turn + round + warmUps) % entries.length;
      const entry = entries[index];
      if (entry === undefined) continue;
      const one = await entry.it.run(entry.messages, entry.batch);
      if (round >= 0) seen[index]?.push(one);
    }
  }
  return seen;
}

async function rates(title: string, entries: readonly Entry[], targets: readonly Target[]): Promise<void> {
  const seen = await race(entries);
  console.log(`\n${title}; ${rounds} rounds; ${loadNote()}`);
  console.log(`  ${''.padEnd(42)} M messages/s: median (range)         CPU ns/message, all threads`);
  for (const [index, { it, batch }] of entries.entries()) {
    const all = seen[index] ?? [];
    const cpu = all.map((round) => round.cpu);
    console.log(
      `  ${`${it.name}, batch ${batch}`.padEnd(42)} ${spread(
        all.map((round) => round.rate),
        3,
      ).padEnd(36)} ${spread(cpu, 0)}`,
    );
  }
  for (const { of, to, least } of targets) {
    const ratios = (seen[of] ?? []).map((round, at) => round.rate / (seen[to]?.[at]?.rate ?? Number.NaN));
    const byCpu = (seen[of] ?? []).map((round, at) => (seen[to]?.[at]?.cpu ?? Number.NaN) / round.cpu);
    const names = `${entries[of]?.it.name} / ${entries[to]?.it.name}, batch ${entries[of]?.batch}`;
    console.log(
      `  ${names.padEnd(62)} ${spread(ratios, 2)}  ${verdict(median(ratios), '≥', least)}; by CPU ${spread(byCpu, 2).trim()}`,
    );
  }
  for (const it of new Set(entries.map((entry) => entry.it))) await it.close();
}

/** Own contestant beside C at several batches. */
async function besideC(
  title: string,
  own: Contestant,
  other: Contestant,
  wanted: readonly (readonly [number, number])[],
): Promise<void> {
  const entries: Entry[] = [];
  const targets: Target[] = [];
  for (const [batch, least] of wanted) {
    const count = batch === 1 ? Math.ceil(messages / 8) : messages;
    targets.push({ of: entries.length, to: entries.length + 1, least });
    entries.push({ it: own, messages: count, batch }, { it: other, messages: count, batch });
  }
  await rates(title, entries, targets);
}

async function benchRates(): Promise<void> {
  if (typeof ring === 'string') return;
  const hop = await ownHop(bench, 'process');
  await besideC(
    `Between two processes, no router; ${spins} looks before a sleep; tmpfs`,
    hop,
    ringRate(ring, bench, 'hop', 'process'),
    [
      [256, 0.5],
      [64, 0.4],
      [1, 0.2],
    ],
  );
  const three = await ownThree(parked, 'process');
  await besideC('Three processes, each parks; tmpfs', three, ringRate(ring, parked, 'three', 'process'), [[256, 0.35]]);
}

async function benchThreads(): Promise<void> {
  if (typeof ring !== 'string') {
    const two = await ownTwo(bench, 'thread');
    await besideC(
      `Within a process: producer, router with consumer; ${spins} looks before a sleep; tmpfs`,
      two,
      ringRate(ring, bench, 'two', 'thread'),
      [
        [256, 0.5],
        [1, 0.25],
      ],
    );
  }
  const hop = await ownHop(bench, 'thread');
  const other = await ringbufPeer(directory, spins);
  await besideC('Within a process: two threads, no router', hop, other, [
    [256, 2],
    [64, 2],
    [1, 2],
  ]);
  const own = await ownTwo(bench, 'thread');
  const single = await runtimePeer(directory, 'MessagePort, single', 'thread', 1);
  const arrays = await runtimePeer(directory, 'MessagePort, arrays of 64', 'thread', 64);
  await rates(
    'Within a process: MessagePort',
    [
      { it: own, messages, batch: 256 },
      { it: single, messages: 32_768, batch: 1 },
      { it: arrays, messages: 262_144, batch: 64 },
    ],
    [
      { of: 0, to: 1, least: 25 },
      { of: 0, to: 2, least: 3 },
    ],
  );
}

async function benchPeers(): Promise<void> {
  const entries: Entry[] = [
    { it: await ownThree(parked, 'process'), messages, batch: 256 },
    { it: await runtimePeer(directory, 'process.send, json', 'process', 1), messages: 16_384, batch: 1 },
    { it: await zeromqPeer(directory), messages: 50_000, batch: 1 },
  ];
  const targets: Target[] = [
    { of: 0, to: 1, least: 40 },
    { of: 0, to: 2, least: 20 },
  ];
  if (typeof ring !== 'string') {
    entries.push({ it: queue(ring), messages: 50_000, batch: 1 });
    targets.push({ of: 0, to: 3, least: 50 });
  }
  await rates('Between processes: three of the bus, two of its peers', entries, targets);
}

async function benchTrips(): Promise<void> {
  if (typeof ring === 'string') return;
  // As many that the compiler is through with what runs once a batch in the rounds that do not count.
  const trips = 20_000;
  for (const [how, looks, least] of [
    ['spinning', -1, [1.5, 2]],
    ['blocking', 0, [1.5, 1.5]],
  ] as const) {
    const of = { ...bench, spins: looks };
    const entries: Entry[] = [
      { it: await ownTrip(of, 'hop'), messages: trips, batch: 1 },
      { it: ringTrip(ring, 'C hop', 'trip', 'hop', 'processes', 'TRIPS', looks, 0), messages: trips, batch: 1 },
      { it: await ownTrip(of, 'two'), messages: trips, batch: 1 },
      { it: ringTrip(ring, 'C routed', 'trip', 'two', 'processes', 'TRIPS', looks, 0), messages: trips, batch: 1 },
      { it: ringTrip(ring, 'C futex', 'futex', 'TRIPS'), messages: trips, batch: 1 },
    ];
    const seen = await race(entries);
    console.log(
      `\nOne way between two processes, ${how}, half of ${trips} round trips; ${rounds} rounds; ${loadNote()}`,
    );
    console.log(`  ${''.padEnd(18)} p50 ns: median (range)         p99                              p99.9`);
    const at = (index: number, which: 0 | 1 | 2): number[] =>
      (seen[index] ?? []).map((it) => it.trips?.[which] ?? Number.NaN);
    for (const [index, { it }] of entries.entries()) {
      console.log(
        `  ${it.name.padEnd(18)} ${([0, 1, 2] as const).map((which) => spread(at(index, which)).padEnd(32)).join(' ')}`,
      );
    }
    for (const [own, other, most] of looks < 0
      ? ([
          [0, 1, least[0]],
          [2, 3, least[1]],
        ] as const)
      : ([
          [0, 4, least[0]],
          [2, 3, 2],
        ] as const)) {
      const ratios = at(own, 0).map((it, index) => it / (at(other, 0)[index] ?? Number.NaN));
      console.log(
        `  ${`p50: ${entries[own]?.it.name} / ${entries[other]?.it.name}`.padEnd(44)} ${spread(ratios, 2)}  ${verdict(median(ratios), '≤', most)}`,
      );
    }
    for (const { it } of entries) await it.close();
  }
}

const hugeSetting = '/proc/sys/vm/nr_hugepages';

async function benchHuge(): Promise<void> {
  const before = readFileSync(hugeSetting, 'utf8').trim();
  try {
    writeFileSync(hugeSetting, '64');
  } catch (error) {
    console.log(`\nhuge pages skipped: ${error instanceof Error ? error.message : String(error)}`);
    return;
  }
  try {
    const off = await ownTwo(bench, 'process');
    const on = await ownTwo({ ...bench, huge: true }, 'process').catch((error: Error) => error.message);
    if (typeof on === 'string') {
      console.log(`\nhuge pages skipped: ${on}`);
      await off.close();
      return;
    }
    const named = { ...on, name: `${on.name}, 2 MiB pages` };
    await rates(
      'Huge pages on and off: producer, router with consumer, two processes',
      [
        { it: named, messages, batch: 256 },
        { it: off, messages, batch: 256 },
      ],
      [{ of: 0, to: 1, least: 1 }],
    );
  } finally {
    writeFileSync(hugeSetting, before);
  }
}

async function benchCrash(): Promise<void> {
  const pairs = await crashCosts(directory, 20 * rounds);
  const ratios = pairs.map(([asItIs, without]) => asItIs / without);
  console.log(`\nsteps and redo record, one thread, batch 256; ${pairs.length} pairs of rounds; ${loadNote()}`);
  for (const [name, at] of [
    ['the engine as it is', 0],
    ['without both', 1],
  ] as const) {
    const all = pairs.map((pair) => pair[at]);
    console.log(`  ${name.padEnd(42)} ns/message: ${spread(all, 1)}`);
  }
  console.log(`  ${'as it is / without'.padEnd(42)} ${spread(ratios, 3)}  ${verdict(median(ratios), '≤', 1.05)}`);
}

async function benchSeats(): Promise<void> {
  const joined: number[] = [];
  for (let round = -1; round < rounds; round += 1) {
    const ms = await joins(directory);
    if (round >= 0) joined.push(ms);
  }
  const recovered = await recovery(directory, rounds);
  console.log(`\nseats; ${rounds} rounds; ${loadNote()}`);
  console.log(
    `  ${'64 seats joined, router in another process'.padEnd(62)} ms: ${spread(joined, 1)}  ${verdict(median(joined), '≤', 100)}`,
  );
  console.log(
    `  ${'recovery, 16 full sources and 16 full lanes of 8192'.padEnd(62)} ms: ${spread(recovered, 1)}  ${verdict(median(recovered), '≤', 20)}`,
  );
}

async function benchScrape(): Promise<void> {
  const { scrapes, cpu, gaps } = await scrapeCosts(directory, 8 * rounds);
  const more = gaps.map(([during, without]) => during - without);
  console.log(`\nscrapes of a router that never sleeps; ${gaps.length} pairs of windows of 20 ms; ${loadNote()}`);
  console.log(
    `  ${'processor time of the main thread, ms a scrape'.padEnd(62)} ${cpu.toFixed(2)}  ${verdict(cpu, '≤', 2)}`,
  );
  console.log(`  ${'from request to last byte, ms'.padEnd(62)} ${spread(scrapes, 1)}`);
  console.log(`  ${'longest time between two polls, a scrape, µs'.padEnd(62)} ${spread(gaps.map((it) => it[0]))}`);
  console.log(`  ${'the same, no scrape, µs'.padEnd(62)} ${spread(gaps.map((it) => it[1]))}`);
  console.log(`  ${'difference within a pair, µs'.padEnd(62)} ${spread(more)}  ${verdict(median(more), '≤', 50)}`);
}

async function benchStand(): Promise<void> {
  const all = await standRate(Math.min(rounds, 5));
  console.log(`\nthe stand with all checkers; ${loadNote()}`);
  console.log(
    `  ${'messages a second of processor time'.padEnd(62)} ${spread(all)}  ${verdict(median(all), '≥', 100_000)}`,
  );
}

try {
  console.log(`Node ${process.version}; threads are not pinned; a sleep is a futex; memory in ${directory}`);
  if (only.includes('rate')) await benchRates();
  if (only.includes('threads')) await benchThreads();
  if (only.includes('peers')) await benchPeers();
  if (only.includes('trips')) await benchTrips();
  if (only.includes('huge')) await benchHuge();
  if (only.includes('crash')) await benchCrash();
  if (only.includes('seats')) await benchSeats();
  if (only.includes('scrape')) await benchScrape();
  if (only.includes('stand')) await benchStand();
  if (only.includes('heap')) {
    const { grown, kept } = growthInProcess(10_000_000, directory);
    const kib = (bytes: number): string => `${(bytes / 1024).toFixed(0)} KiB`;
    console.log(
      `\n10,000,000 messages, published in each of three ways, routed, received on one thread, after twenty million of them: the heap grew by ${kib(grown)}, after a collection ${kib(kept)} ${verdict(Math.max(grown, kept) / 2 ** 20, '≤', 1)}`,
    );
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
process.exit(0);
