/**
 * Other projects' brokers as Debian has them, three nodes where they form clusters, and how a message is sent to each so that
 * the answer means as much as theirs can.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect as connectNats } from '@nats-io/transport-node';
import { connect as connectAmqp } from 'amqplib';
import { Redis } from 'ioredis';
import { freePort, freePorts } from '../../test/support/freePorts.ts';
import { eventually, hasProgram, type Server, startProgram, waitForPort } from './servers.ts';

/** Something that takes messages and says when it has them. */
export interface Contestant {
  readonly name: string;
  /** What the answer to a send means. */
  readonly means: string;
  /** Resolves when the message is acknowledged. Any number at a time. */
  send(message: Uint8Array): Promise<unknown>;
  close(): Promise<void>;
}

/** One redis-server, a stream; every append is synced before it is answered. It has no cluster that agrees on writes. */
export async function redisStreams(directory: string): Promise<Contestant | undefined> {
  if (!hasProgram('redis-server')) return undefined;
  const port = await freePort();
  const options = `--port ${port} --bind 127.0.0.1 --appendonly yes --appendfsync always --save`.split(' ');
  const server = startProgram(join(directory, 'redis'), 'redis-server', [...options, '']);
  await waitForPort(port);
  const client = new Redis({ port, host: '127.0.0.1', enableAutoPipelining: true });
  return {
    name: 'redis streams, 1 node',
    means: 'synced by one',
    send: (message) => client.xadd('log', '*', 'm', Buffer.from(message.buffer, message.byteOffset, message.length)),
    close: async () => {
      client.disconnect();
      await server.stop();
    },
  };
}

/** Three nats-servers, a JetStream stream with three replicas in files. Version 2.9 syncs every two minutes and cannot be told otherwise. */
export async function natsJetStream(directory: string): Promise<Contestant | undefined> {
  if (!hasProgram('nats-server')) return undefined;
  const ports = await freePorts(6);
  const routes = ports.slice(3).map((port) => `nats://127.0.0.1:${port}`);
  const servers: Server[] = [0, 1, 2].map((n) => {
    const home = join(directory, `nats-${n}`);
    mkdirSync(home, { recursive: true });
    writeFileSync(
      join(home, 'nats.conf'),
      [
        `server_name: n${n}`,
        `listen: 127.0.0.1:${ports[n]}`,
        `jetstream { store_dir: "${home}/store" }`,
        `cluster { name: bench, listen: 127.0.0.1:${ports[3 + n]}, routes: [${routes.join(', ')}] }`,
      ].join('\n'),
    );
    return startProgram(home, 'nats-server', ['-c', 'nats.conf']);
  });
  await Promise.all(ports.slice(0, 3).map((port) => waitForPort(port)));
  const connection = await connectNats({ servers: `127.0.0.1:${ports[0]}` });
  const manager = await eventually(() => jetstreamManager(connection));
  await eventually(() =>
    manager.streams.add({ name: 'log', subjects: ['log'], storage: 'file', num_replicas: 3, max_age: 0 }),
  );
  const client = jetstream(connection);
  return {
    name: 'nats JetStream R3',
    means: 'in the page caches of two of three; not synced',
    send: (message) => client.publish('log', message),
    close: async () => {
      await connection.close();
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}

/** Three rabbitmq-servers, a quorum queue; publisher confirms. */
export async function rabbitQuorumQueue(directory: string): Promise<Contestant | undefined> {
  const program = '/usr/lib/rabbitmq/bin/rabbitmq-server';
  if (!hasProgram(program)) return undefined;
  const ports = await freePorts(6);
  const names = [0, 1, 2].map((n) => `bench${n}-${process.pid}@localhost`);
  const servers = [0, 1, 2].map((n) => {
    const home = join(directory, `rabbit-${n}`);
    mkdirSync(home, { recursive: true });
    writeFileSync(
      join(home, 'rabbitmq.conf'),
      [
        `listeners.tcp.1 = 127.0.0.1:${ports[n]}`,
        'cluster_formation.peer_discovery_backend = classic_config',
        ...names.map((name, i) => `cluster_formation.classic_config.nodes.${i + 1} = ${name}`),
      ].join('\n'),
    );
    writeFileSync(join(home, 'enabled_plugins'), '[].');
    writeFileSync(join(home, '.erlang.cookie'), 'hotfirebench', { mode: 0o400 });
    return startProgram(home, program, [], {
      HOME: home,
      RABBITMQ_NODENAME: names[n] ?? '',
      RABBITMQ_CONFIG_FILE: join(home, 'rabbitmq.conf'),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(home, 'enabled_plugins'),
      RABBITMQ_MNESIA_BASE: join(home, 'mnesia'),
      RABBITMQ_LOG_BASE: join(home, 'logs'),
      RABBITMQ_DIST_PORT: String(ports[3 + n]),
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-setcookie hotfirebench',
    });
  });
  await Promise.all(ports.slice(0, 3).map((port) => waitForPort(port, 120_000)));
  const connection = await eventually(() => connectAmqp(`amqp://guest:guest@127.0.0.1:${ports[0]}`));
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue('log', {
    durable: true,
    arguments: { 'x-queue-type': 'quorum', 'x-quorum-initial-group-size': 3 },
  });
  return {
    name: 'rabbitmq quorum queue',
    means: 'synced by two of three',
    send: (message) =>
      new Promise<void>((resolve, reject) => {
        const body = Buffer.from(message.buffer, message.byteOffset, message.length);
        channel.sendToQueue('log', body, { persistent: true }, (error: unknown) => (error ? reject(error) : resolve()));
      }),
    close: async () => {
      await connection.close();
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}
