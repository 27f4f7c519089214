import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BrokerCluster, startBrokerCluster } from '../../support/brokerCluster.ts';
import { librdkafkaDirectory, librdkafkaSettings, runLibrdkafkaTest } from './librdkafkaRunner.ts';

/** Quick ones of each kind; `librdkafkaRunner.ts` runs all of them. */
const chosen = {
  '0002': 'produce to unknown partitions',
  '0005': 'order of what is produced',
  '0008': 'each kind of acknowledgement',
  '0012': 'produce and consume',
  '0073': 'headers',
} as const;

const directory = librdkafkaDirectory();

describe.skipIf(directory === undefined)('librdkafka’s own tests, of the build in LIBRDKAFKA_DIR', () => {
  let cluster: BrokerCluster;
  beforeAll(async () => {
    cluster = await startBrokerCluster(3, librdkafkaSettings);
  });
  afterAll(() => cluster.stop());

  test.for(Object.entries(chosen))('%s %s', async ([number]) => {
    const { outcome, output } = await runLibrdkafkaTest(directory ?? '', cluster, number, 60_000);
    expect({ outcome, end: output.slice(-2_000) }).toMatchObject({ outcome: 'passed' });
  });
});
