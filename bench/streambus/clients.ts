/** Messages a second of kafkajs and @platformatic/kafka against three brokers: one a send, a hundred a send, and consumed. */
import { performance } from 'node:perf_hooks';
import { Consumer as PlatformaticConsumer, Producer as PlatformaticProducer } from '@platformatic/kafka';
import { Kafka, logLevel } from 'kafkajs';
import { startBrokerCluster } from '../../test/support/brokerCluster.ts';
import { loadNote, spread } from '../measure.ts';

/** A client library, as this benchmark uses it. */
interface Client {
  readonly name: string;
  /** Sends so many messages in one request, acks=all. */
  send(topic: string, messages: readonly Buffer[]): Promise<void>;
  /** Reads a topic from its beginning until it has seen so many messages; resolves to the seconds from the first to the last. */
  consume(topic: string, count: number): Promise<number>;
  close(): Promise<void>;
}

async function kafkajs(brokers: readonly string[]): Promise<Client> {
  const kafka = new Kafka({ clientId: 'bench', brokers: [...brokers], logLevel: logLevel.NOTHING });
  const producer = kafka.producer({ maxInFlightRequests: 64 });
  await producer.connect();
  let groups = 0;
  return {
    name: 'kafkajs',
    send: async (topic, messages) => {
      await producer.send({ topic, acks: -1, messages: messages.map((value) => ({ value })) });
    },
    consume: async (topic, count) => {
      const consumer = kafka.consumer({ groupId: `kafkajs-${topic}-${groups++}` });
      await consumer.connect();
      await consumer.subscribe({ topic, fromBeginning: true });
      let seen = 0;
      let began = 0;
      const seconds = await new Promise<number>((resolve, reject) => {
        consumer
          .run({
            eachBatch: async ({ batch }) => {
              if (seen === 0) began = performance.now();
              seen += batch.messages.length;
              if (seen >= count) resolve((performance.now() - began) / 1_000);
            },
          })
          .catch(reject);
      });
      await consumer.disconnect();
      return seconds;
    },
    close: () => producer.disconnect(),
  };
}

async function platformatic(brokers: readonly string[]): Promise<Client> {
  const options = { clientId: 'bench', bootstrapBrokers: [...brokers] };
  const producer = new PlatformaticProducer<Buffer, Buffer, Buffer, Buffer>({ ...options });
  let groups = 0;
  return {
    name: '@platformatic/kafka',
    send: async (topic, messages) => {
      await producer.send({ acks: -1, messages: messages.map((value) => ({ topic, value })) });
    },
    consume: async (topic, count) => {
      const consumer = new PlatformaticConsumer<Buffer, Buffer, Buffer, Buffer>({
        ...options,
        groupId: `platformatic-${topic}-${groups++}`,
      });
      const stream = await consumer.consume({ topics: [topic], mode: 'earliest', maxWaitTime: 100 });
      let seen = 0;
      let began = 0;
      for await (const _ of stream) {
        if (seen === 0) began = performance.now();
        seen += 1;
        if (seen >= count) break;
      }
      const seconds = (performance.now() - began) / 1_000;
      await consumer.close(true);
      return seconds;
    },
    close: () => producer.close(),
  };
}

/** Runs both libraries in turn, `rounds` times each. */
export async function benchClients(rounds: number, roundMs: number): Promise<void> {
  const cluster = await startBrokerCluster(3);
  try {
    const value = Buffer.alloc(1_024, 'x');
    const kafka = new Kafka({ brokers: [...cluster.bootstrap], logLevel: logLevel.NOTHING });
    const admin = kafka.admin();
    await admin.connect();
    const clients = [await kafkajs(cluster.bootstrap), await platformatic(cluster.bootstrap)];
    console.log(`\nclients, 1 KiB, three brokers: messages/s, median (range) of ${rounds} rounds; ${loadNote()}`);
    for (const [index, client] of clients.entries()) {
      const topic = `bench-${index}`;
      await admin.createTopics({ topics: [{ topic, numPartitions: 1, replicationFactor: 3 }] });
      let sent = 0;
      const produced = async (perSend: number, inFlight: number) => {
        const rates: number[] = [];
        for (let round = 0; round < rounds; round++) {
          const began = performance.now();
          let count = 0;
          const messages = Array.from({ length: perSend }, () => value);
          const sender = async () => {
            while (performance.now() - began < roundMs) {
              await client.send(topic, messages);
              count += perSend;
            }
          };
          await Promise.all(Array.from({ length: inFlight }, sender));
          rates.push((count * 1_000) / (performance.now() - began));
          sent += count;
        }
        return spread(rates);
      };
      console.log(`  ${client.name.padEnd(22)} one a send, 16 in flight   ${await produced(1, 16)}`);
      console.log(`  ${''.padEnd(22)} 100 a send, 4 in flight    ${await produced(100, 4)}`);
      const rates: number[] = [];
      for (let round = 0; round < rounds; round++) rates.push(sent / (await client.consume(topic, sent)));
      console.log(`  ${''.padEnd(22)} consumed, ${sent} messages ${spread(rates)}`);
      await client.close();
    }
    await admin.disconnect();
  } finally {
    await cluster.stop();
  }
}
