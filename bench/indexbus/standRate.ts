/** How fast the stand plays the bus with all checkers: two producers, a router and a consumer on the simulator, no fault. */
import { readFileSync } from 'node:fs';
import { faults } from '../../src/faults/registry.ts';
import { loadScenario, type Vocabulary } from '../../src/scenario/load.ts';
import { runScenario } from '../../src/scenario/runner.ts';
import { stands } from '../../src/scenario/stands/registry.ts';
import { cpuMeter } from '../measure.ts';

const perSecond = 5_000;
const seconds = 20;
const root = new URL('../../', import.meta.url);

const text = `title: The stand at full speed
source: 'benchmark'
description: Two producers, one consumer that keeps up.
engine: indexbus
seed: 1
duration: ${seconds}s
cluster:
  nodes: 1
  config:
    subscriptions: [{ name: all, topics: [t], lane: blocking }]
load:
  consumers: { c1: { subscription: all } }
  producers: { p1: {}, p2: {} }
  rate: ${perSecond}
  service: 0ms
timeline: []
expect:
  metrics: ['sum(indexbus_recv_total) > ${2 * perSecond * 14} at end']
  checks: all
finally: { heal: true, within: 30s }
`;

const vocabulary: Vocabulary = {
  stands,
  faults,
  rules: (stand) => readFileSync(new URL(stand.alertsFile, root), 'utf8'),
};

/** Messages a second of processor time, each round a run of its own; throws where a checker finds something. */
export async function standRate(rounds: number): Promise<readonly number[]> {
  const scenario = loadScenario(text, vocabulary, { file: 'standRate.ts' });
  const rates: number[] = [];
  for (let round = -1; round < rounds; round += 1) {
    const cpu = cpuMeter();
    const record = await runScenario(scenario);
    const spent = cpu() / 1e6;
    if (record.verdict !== 'held') throw new Error(`the stand is ${record.verdict}: ${record.reasons.join('; ')}`);
    if (round >= 0) rates.push((2 * perSecond * seconds) / spent);
  }
  return rates;
}
