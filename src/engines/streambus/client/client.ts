import type { Host } from '../../../host/host.ts';
import { Admin } from './admin.ts';
import { Cluster } from './cluster.ts';
import { Consumer, type ConsumerOptions } from './consumer.ts';
import type { ClientOptions } from './options.ts';
import { Producer, type ProducerOptions } from './producer.ts';

/**
 * A Kafka client over a `Host`: the same code on the stand and in production. It keeps one connection to each broker; use a client
 * of its own for a consumer whose long polls must not hold others' requests back.
 */
export interface StreamBusClient {
  /** What the client knows of the brokers. */
  readonly cluster: Cluster;
  readonly admin: Admin;
  producer(options?: ProducerOptions): Producer;
  consumer(options?: ConsumerOptions): Consumer;
  /** Drops all connections; whatever is under way fails. Idempotent. */
  close(): void;
}

/** Makes a client. It connects at its first use. */
export function createClient(host: Host, options: ClientOptions): StreamBusClient {
  const cluster = new Cluster(host, options);
  return {
    cluster,
    admin: new Admin(cluster),
    producer: (of) => new Producer(cluster, of),
    consumer: (of) => new Consumer(cluster, of),
    close: () => cluster.close(),
  };
}
