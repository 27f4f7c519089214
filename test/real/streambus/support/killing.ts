import type { Violation } from '../../../../src/checkers/history.ts';
import { checkLog } from '../../../../src/checkers/log/checkLog.ts';
import { type BrokerCluster, untilReady } from '../../../support/brokerCluster.ts';
import { metaLeader, partitionsOf } from './leaders.ts';
import type { Load, LoadOutcome } from './load.ts';

/** Milliseconds from a kill to the next acknowledgement of a partition that the killed broker led. */
export interface FailOver {
  readonly key: string;
  readonly ms: number;
}

/**
 * Kills a leader with SIGKILL, waits until every partition acknowledges again, starts it again, as often as asked: in turn the leader
 * of the metadata and the leader of some partition.
 */
export async function killLeaders(cluster: BrokerCluster, load: Load, times: number): Promise<FailOver[]> {
  const failOvers: FailOver[] = [];
  await load.nextAcknowledged(load.keys, 30_000);
  for (let round = 0; round < times; round++) {
    const partitions = await partitionsOf(cluster);
    const written = partitions.filter(({ topic, partition }) => load.keys.includes(`${topic}/${partition}`));
    const of = written[round % written.length]?.leader;
    const victim = (round % 2 === 0 ? await metaLeader(cluster) : of) ?? 1;
    const led = written
      .filter(({ leader }) => leader === victim)
      .map(({ topic, partition }) => `${topic}/${partition}`);
    const killedAt = performance.now();
    await cluster.kill(victim);
    // Answers that it sent before it died may lie in this process yet: they are not a new leader's.
    await new Promise((resolve) => setTimeout(resolve, 20));
    const took = await load.nextAcknowledged(load.keys, 30_000, killedAt).catch(async (error: unknown) => {
      const now = await partitionsOf(cluster, victim === 1 ? 2 : 1).catch(String);
      const text = JSON.stringify({ victim, led, now });
      throw new Error(`round ${round}: ${text}`, { cause: error });
    });
    for (const key of led) failOvers.push({ key, ms: took.get(key) ?? Number.NaN });
    await cluster.start(victim);
    await untilReady(cluster.http(victim));
  }
  return failOvers;
}

/** What the histories of a load show that must not be. */
export function anomaliesOf({ exact, repeated }: LoadOutcome): Violation[] {
  return [...checkLog(exact), ...checkLog(repeated, { duplicatesAllowed: true })];
}

/** The median, and the worst. */
export function middleAndWorst(values: readonly number[]): { readonly median: number; readonly worst: number } {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: sorted[Math.floor(sorted.length / 2)] ?? Number.NaN, worst: sorted.at(-1) ?? Number.NaN };
}
