import { afterEach, expect, test } from 'vitest';
import { type BrokerCluster, startBrokerCluster } from '../../support/brokerCluster.ts';
import { anomaliesOf, killLeaders, middleAndWorst } from './support/killing.ts';
import { type Load, startLoad } from './support/load.ts';

/** How often a leader is killed; `HOTFIRE_KILLS=50` for the long form, which `bench/streambus/kills.ts` also runs. */
const kills = Number(process.env.HOTFIRE_KILLS ?? 3);

let cluster: BrokerCluster | undefined;
let load: Load | undefined;

afterEach(async () => {
  await load?.abandon();
  await cluster?.stop();
});

test('what is acknowledged outlives leaders killed under load, and idempotence leaves no duplicate', {
  timeout: 60_000 + kills * 20_000,
}, async () => {
  cluster = await startBrokerCluster(3);
  load = await startLoad({ bootstrap: cluster.bootstrap });
  const failOvers = await killLeaders(cluster, load, kills);
  const outcome = await load.finish();
  const { median, worst } = middleAndWorst(failOvers.map(({ ms }) => ms));
  console.log(
    `${kills} kills, ${outcome.acknowledged} values acknowledged; next acknowledgement after a kill: median ${median.toFixed(0)} ms, worst ${worst.toFixed(0)} ms`,
  );
  expect(anomaliesOf(outcome)).toEqual([]);
  expect(outcome.failures).toEqual([]);
  expect(outcome.acknowledged).toBeGreaterThan(100 * kills);
  expect(worst).toBeLessThan(15_000);
});
