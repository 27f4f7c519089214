/**
 * Leaders killed with SIGKILL under load, again and again: `node bench/streambus/kills.ts [times]`. Prints how long each partition that
 * the killed broker led waited for its next acknowledgement; ends with 1 when anything acknowledged is lost, doubled or out of order.
 */

import { anomaliesOf, killLeaders, middleAndWorst } from '../../test/real/streambus/support/killing.ts';
import { startLoad, writers } from '../../test/real/streambus/support/load.ts';
import { startBrokerCluster } from '../../test/support/brokerCluster.ts';
import { loadNote, verdict } from '../measure.ts';

/** Kills a leader as often as asked and judges what is left. */
export async function benchKills(times = 50): Promise<void> {
  const cluster = await startBrokerCluster(3);
  try {
    const load = await startLoad({ bootstrap: cluster.bootstrap });
    const failOvers = await killLeaders(cluster, load, times);
    const outcome = await load.finish();
    const violations = anomaliesOf(outcome);
    console.log(`\n${times} leaders killed under load, ${outcome.acknowledged} values acknowledged; ${loadNote()}`);
    for (const writer of writers) {
      const own = failOvers.filter(({ key }) => key.startsWith(`${writer}/`)).map(({ ms }) => ms);
      const { median, worst } = middleAndWorst(own);
      console.log(`  next acknowledgement, ${writer}  median ${median.toFixed(0)} ms, worst ${worst.toFixed(0)} ms`);
    }
    console.log(`  sends given up  ${outcome.failures.length}  ${verdict(outcome.failures.length, '≤', 0)}`);
    console.log(`  anomalies       ${violations.length}  ${verdict(violations.length, '≤', 0)}`);
    for (const { check, message } of violations.slice(0, 10)) console.log(`    ${check}: ${message}`);
    if (violations.length > 0) process.exitCode = 1;
  } catch (error) {
    for (const broker of [1, 2, 3]) {
      const warnings = cluster
        .process(broker)
        .logs.filter(({ level, msg }) => Number(level) >= 40 && msg !== 'slow fsync');
      for (const line of warnings.slice(-20)) console.log(`broker ${broker}: ${JSON.stringify(line)}`);
    }
    throw error;
  } finally {
    await cluster.stop();
  }
}

if (process.argv[1] === import.meta.filename) await benchKills(Number(process.argv[2] ?? 50));
