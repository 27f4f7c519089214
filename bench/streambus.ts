/**
 * The broker beside other brokers: messages of 1 KiB, one a send, three nodes where the peer has clusters, rounds interleaved.
 * Everything runs on this machine: three brokers share its cores and its disk with the sender.
 * Run: `node bench/streambus.ts [--dir DIR] [--rounds N] [--ms N] [--only produce,clients,idle]`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadNote, median, spread } from './measure.ts';
import { benchClients } from './streambus/clients.ts';
import { ownBroker } from './streambus/hotfire.ts';
import { benchIdle } from './streambus/idle.ts';
import { type Contestant, natsJetStream, rabbitQuorumQueue, redisStreams } from './streambus/peers.ts';
import { produceRound, type Round } from './streambus/produce.ts';

const { values: flags } = parseArgs({
  options: { dir: { type: 'string' }, rounds: { type: 'string' }, ms: { type: 'string' }, only: { type: 'string' } },
});
const rounds = Math.max(1, Number(flags.rounds ?? 5));
const roundMs = Number(flags.ms ?? 2_000);
const only = flags.only?.split(',');
/** Seconds of load that every contestant has before the first round that counts. */
const warmUpRounds = 6;
const directory = mkdtempSync(join(flags.dir ?? tmpdir(), 'hotfire-bench-'));

async function benchProduce(): Promise<void> {
  const message = new Uint8Array(1_024).map((_, index) => index * 31);
  const makers = [() => ownBroker(3), () => ownBroker(1), redisStreams, natsJetStream, rabbitQuorumQueue];
  const contestants: Contestant[] = [];
  for (const make of makers) {
    const contestant = await make(directory);
    if (contestant === undefined) console.log(`  ${make.name}: not installed, left out`);
    else contestants.push(contestant);
  }
  // Brokers run for weeks: those that compile as they go are measured when they have.
  for (let round = 0; round < warmUpRounds; round++) {
    for (const contestant of contestants) await produceRound(contestant, message, round % 2 === 0 ? 64 : 16, 1_000);
  }
  for (const inFlight of [1, 16, 64]) {
    const results = new Map<Contestant, Round[]>(contestants.map((contestant) => [contestant, []]));
    for (let round = 0; round <= rounds; round++) {
      for (const contestant of contestants) {
        const result = await produceRound(contestant, message, inFlight, roundMs);
        // The first round of a number in flight is not counted either.
        if (round > 0) results.get(contestant)?.push(result);
      }
    }
    tell(inFlight, results);
  }
  for (const contestant of contestants) await contestant.close();
}

function tell(inFlight: number, results: ReadonlyMap<Contestant, readonly Round[]>): void {
  console.log(`\n1 KiB, ${inFlight} in flight: median (range) of ${rounds} rounds; ${loadNote()}`);
  console.log(`  ${''.padEnd(24)}messages/s${''.padEnd(28)}p50 ms    p99 ms   ratio to ours, and what an answer means`);
  const [own = []] = results.values();
  for (const [{ name, means }, all] of results) {
    const failed = all.reduce((sum, round) => sum + round.failed, 0);
    const ratio = all.map(({ rate }, index) => (own[index]?.rate ?? Number.NaN) / rate);
    const columns = [
      name.padEnd(24),
      spread(all.map(({ rate }) => rate)).padEnd(36),
      median(all.map(({ p50 }) => p50))
        .toFixed(2)
        .padStart(8),
      median(all.map(({ p99 }) => p99))
        .toFixed(2)
        .padStart(9),
      `   ours/this ${spread(ratio, 2).trim()}; ${means}${failed > 0 ? `; ${failed} FAILED` : ''}`,
    ];
    console.log(`  ${columns.join(' ')}`);
  }
}

try {
  if (only === undefined || only.includes('produce')) await benchProduce();
  if (only === undefined || only.includes('clients')) await benchClients(rounds, roundMs);
  if (only === undefined || only.includes('idle')) await benchIdle();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
process.exit(0);
