import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { streamBusConfigSchema } from '../../../../src/engines/streambus/config.ts';
import { createStreamBus, type StreamBus } from '../../../../src/engines/streambus/streambus.ts';
import { createRealHost } from '../../../../src/real/host.ts';

/** Brokers of this process on loopback, with disks of their own. */
export interface LocalCluster {
  /** `127.0.0.1:port` of each broker's Kafka listener. */
  readonly bootstrap: string[];
  /** Brokers by number; one that is stopped is not among them. */
  readonly brokers: ReadonlyMap<number, StreamBus>;
  /** Ends a broker and starts it again on its disk, with other settings where they are given. */
  restart(broker: number, config?: Record<string, unknown>): Promise<void>;
  stop(): Promise<void>;
}

export interface LocalClusterOptions {
  readonly brokers: 1 | 3;
  readonly config?: Record<string, unknown>;
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve) => {
          const server = createServer().listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    if (typeof address !== 'object' || address === null) throw new Error('a listening server has an address');
    return address.port;
  });
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  return ports;
}

/** Starts a cluster and waits until every broker serves clients. Who starts it stops it. */
export async function startCluster(options: LocalClusterOptions): Promise<LocalCluster> {
  const directory = mkdtempSync(join(tmpdir(), 'hotfire-streambus-'));
  const ids = Array.from({ length: options.brokers }, (_, at) => at + 1);
  const ports = await freePorts(ids.length * 3);
  const portOf = (broker: number, which: number): number => ports[(broker - 1) * 3 + which] ?? 0;
  const peers = ids.length === 1 ? [] : ids.map((broker) => `${broker}:127.0.0.1:${portOf(broker, 1)}`);
  const brokers = new Map<number, StreamBus>();

  const start = async (broker: number, config: Record<string, unknown> = options.config ?? {}): Promise<void> => {
    const starts = (startCounts.get(broker) ?? 0) + 1;
    startCounts.set(broker, starts);
    const host = createRealHost({
      name: '127.0.0.1',
      incarnation: starts,
      telemetry: { options: { level: 'error' } },
    });
    const bus = createStreamBus(
      host,
      streamBusConfigSchema.parse({
        consumer_groups: { initial_delay: 0, session_min: '1s' },
        ...config,
        server: {
          broker_id: broker,
          host: '127.0.0.1',
          advertised_host: '127.0.0.1',
          port: portOf(broker, 0),
          rpc_port: portOf(broker, 1),
          http_port: portOf(broker, 2),
        },
        cluster: { peers },
        storage: { data_dir: join(directory, `broker-${broker}`), journal: { segment_size: '16MB' } },
      }),
    );
    brokers.set(broker, bus);
    await bus.start();
  };
  const startCounts = new Map<number, number>();

  for (const broker of ids) await start(broker);
  await Promise.all(Array.from(brokers.values(), (bus) => bus.ready));
  return {
    bootstrap: ids.map((broker) => `127.0.0.1:${portOf(broker, 0)}`),
    brokers,
    async restart(broker, config) {
      await brokers.get(broker)?.stop();
      await start(broker, config);
      await brokers.get(broker)?.ready;
    },
    async stop() {
      await Promise.all(Array.from(brokers.values(), (bus) => bus.stop()));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A certificate for 127.0.0.1 and localhost that signs itself, in files of a directory. */
export function makeCertificate(directory: string): {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
} {
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'crt.pem')];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'].concat(
      ['-keyout', key, '-out', cert, '-subj', '/CN=localhost'],
      ['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
    ),
    { stdio: 'ignore' },
  );
  return { cert, key, ca: readFileSync(cert, 'utf8') };
}

/** Asks again until it holds; fails with the last answer after `withinMs`. */
export async function eventually<T>(
  ask: () => Promise<T> | T,
  holds: (answer: T) => boolean,
  withinMs = 30_000,
): Promise<T> {
  const until = performance.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (holds(answer)) return answer;
    if (performance.now() > until) throw new Error(`still not so after ${withinMs} ms: ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
