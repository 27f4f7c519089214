/** What three brokers with a thousand partitions cost while nothing happens. */
import { readFileSync } from 'node:fs';
import { Kafka, logLevel } from 'kafkajs';
import { startBrokerCluster } from '../../test/support/brokerCluster.ts';
import { loadNote, verdict } from '../measure.ts';

/** CPU time in milliseconds (Linux counts in hundredths of a second), and resident bytes, of a process. */
function usageOf(pid: number): { readonly cpuMs: number; readonly residentBytes: number } {
  const afterName = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const ticks = Number(afterName[11]) + Number(afterName[12]);
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  return { cpuMs: ticks * 10, residentBytes: pages * 4_096 };
}

/** Measures `seconds` of idleness with few and with many partitions. */
export async function benchIdle(partitions = 1_000, seconds = 30): Promise<void> {
  const cluster = await startBrokerCluster(3);
  try {
    const admin = new Kafka({ brokers: [...cluster.bootstrap], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    for (const numPartitions of [10, partitions]) {
      const topic = `idle-${numPartitions}`;
      await admin.createTopics({
        topics: [{ topic, numPartitions, replicationFactor: 3 }],
        waitForLeaders: true,
        timeout: 60_000,
      });
      await new Promise((resolve) => setTimeout(resolve, 5_000));
      const before = [1, 2, 3].map((broker) => usageOf(cluster.process(broker).pid));
      await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
      const after = [1, 2, 3].map((broker) => usageOf(cluster.process(broker).pid));
      const cores = after.map(({ cpuMs }, index) => (cpuMs - (before[index]?.cpuMs ?? 0)) / (seconds * 1_000));
      const mebibytes = after.map(({ residentBytes }) => residentBytes / 2 ** 20);
      const worstCore = Math.max(...cores) * 100;
      const worstMemory = Math.max(...mebibytes);
      console.log(`\nidle, ${numPartitions} partitions more, ${seconds} s, the worst of three brokers; ${loadNote()}`);
      console.log(`  share of a core  ${worstCore.toFixed(1)} %  ${verdict(worstCore, '≤', 5)}`);
      console.log(`  resident memory  ${worstMemory.toFixed(0)} MiB  ${verdict(worstMemory, '≤', 200)}`);
    }
    await admin.disconnect();
  } finally {
    await cluster.stop();
  }
}
