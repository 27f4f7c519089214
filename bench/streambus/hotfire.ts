/** Our brokers on loopback, and our own client, which sends what one turn of the event loop asked for as one batch. */
import { createClient } from '../../src/engines/streambus/client/client.ts';
import { createRealHost } from '../../src/real/host.ts';
import { startBrokerCluster } from '../../test/support/brokerCluster.ts';
import type { Contestant } from './peers.ts';

/** A cluster of so many brokers, a topic of one partition on all of them, acks=all with idempotence. */
export async function ownBroker(brokers: 1 | 3): Promise<Contestant> {
  const cluster = await startBrokerCluster(brokers);
  const host = createRealHost({ name: 'bench', telemetry: { options: { level: 'error' } } });
  const client = createClient(host, {
    bootstrap: cluster.bootstrap.map((address) => {
      const [name = '', port] = address.split(':');
      return { host: name, port: Number(port) };
    }),
  });
  await client.admin.createTopics([{ name: 'log', partitions: 1, replication: brokers }]);
  const producer = client.producer({ acks: -1 });
  return {
    name: `streambus, ${brokers} broker${brokers > 1 ? 's' : ''}`,
    means: brokers > 1 ? 'synced by two of three' : 'synced by one',
    send: (value) => producer.send({ topic: 'log', partition: 0, value }),
    close: async () => {
      client.close();
      await cluster.stop();
    },
  };
}
