/**
 * How many times faster than real time the stand plays a cluster of three, idle and under a steady load, with all its checks: by the CPU
 * time of the one thread that plays, since others use the machine too. `node bench/load.ts [--engine NAME] [--rate N] [--rounds N]`.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { faults } from '../src/faults/registry.ts';
import { loadScenario } from '../src/scenario/load.ts';
import { runScenario } from '../src/scenario/runner.ts';
import { stands } from '../src/scenario/stands/registry.ts';
import { loadNote, spread, verdict } from './measure.ts';

const { values: flags } = parseArgs({
  options: {
    engine: { type: 'string', default: 'streambus' },
    rate: { type: 'string', default: '500' },
    rounds: { type: 'string', default: '5' },
  },
});
const rounds = Math.max(1, Number(flags.rounds));

/** What the clients do: nothing, or single messages that all replicas acknowledge, at the rate, and one who reads them. */
const loads: Readonly<Record<string, readonly [idle: string, loaded: string]>> = {
  streambus: [
    '{ producers: 0, transactional: 0, consumers: 0, groups: 0 }',
    `{ producers: 16, rate: ${flags.rate}/s, idempotent: 0%, acks one: 0%, transactional: 0, consumers: 1, groups: 0, topics: 1, partitions: 1 }`,
  ],
  stemedb: ['{ writers: 0, readers: 0 }', `{ writers: 16, rate: ${flags.rate}/s, readers: 1 }`],
};

const [idle, loaded] = loads[flags.engine] ?? [];
if (idle === undefined || loaded === undefined) {
  throw new Error(`expected --engine ${Object.keys(loads).join(' or ')}, got ${flags.engine}`);
}

async function bench(name: string, load: string, seconds: number, target: number): Promise<void> {
  const text = `{ title: bench, description: bench, engine: ${flags.engine}, seed: 5, duration: ${seconds}s, cluster: { nodes: 3 }, load: ${load}, timeline: [], expect: { checks: all } }`;
  const scenario = loadScenario(text, {
    stands,
    faults,
    rules: (stand) => readFileSync(new URL(`../${stand.alertsFile}`, import.meta.url), 'utf8'),
  });
  const times: number[] = [];
  const each: number[] = [];
  let facts = '';
  // What is compiled as it goes has been after the first two.
  for (let round = -2; round < rounds; round++) {
    const before = process.threadCpuUsage();
    const record = await runScenario(scenario);
    const { user, system } = process.threadCpuUsage(before);
    if (record.verdict !== 'held') throw new Error(`expected a run that holds, got ${record.reasons.join('; ')}`);
    facts = `${Math.round((record.events * 1_000) / record.virtualMs).toLocaleString('en')} events a virtual second, ${record.operations.total.toLocaleString('en')} operations, fingerprint ${record.fingerprint}`;
    if (round < 0) continue;
    times.push((record.virtualMs * 1_000) / (user + system));
    each.push((user + system) / record.events);
  }
  const best = Math.max(...times);
  console.log(`${flags.engine}, ${name}: ${facts}; ${loadNote()}`);
  console.log(`  times real time  ${spread(times)}  best ${verdict(best, '≥', target)}`);
  console.log(`  µs an event      ${spread(each, 1)}`);
}

await bench('idle', idle, 600, 1_000);
await bench(`${flags.rate} requests a second`, loaded, 30, 50);
