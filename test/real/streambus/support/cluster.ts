import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
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
  /** Drains a broker, as an operator who restarts it does, and starts it again on its disk. */
  drainAndRestart(broker: number): Promise<void>;
  stop(): Promise<void>;
}

export interface LocalClusterOptions {
  readonly brokers: 1 | 3;
  readonly config?: Record<string, unknown>;
}

/** True when nobody listens there now. */
function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
      .on('error', () => resolve(false))
      .listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/**
 * Ports below those that the kernel gives to outgoing connections: one of those could take a port between its choice and its use,
 * or connect to itself while nobody listens there.
 */
async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = randomInt(15_000, 32_000);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

/** How long a cluster may take until it serves clients. */
const readyMs = 45_000;

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
    const log: string[] = [];
    logs.set(broker, log);
    const host = createRealHost({
      name: '127.0.0.1',
      incarnation: starts,
      telemetry: { options: { level: 'info', destination: { write: (line) => void log.push(line) } } },
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
        // Brokers and clients share a process, and the machine is busy with other tests: a stall is no reason to elect.
        cluster: { peers, raft: { election_ticks: 20 } },
        storage: { data_dir: join(directory, `broker-${broker}`), journal: { segment_size: '16MB' } },
      }),
    );
    brokers.set(broker, bus);
    await bus.start();
  };
  const startCounts = new Map<number, number>();
  const logs = new Map<number, string[]>();
  const allReady = async (): Promise<void> => {
    let late: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_, reject) => {
      late = setTimeout(() => {
        const told = Array.from(logs, ([broker, lines]) => `broker ${broker}:\n${lines.slice(-15).join('')}`).join(
          '\n',
        );
        reject(new Error(`not every broker serves clients after ${readyMs} ms\n${told}`));
      }, readyMs);
    });
    await Promise.race([Promise.all(Array.from(brokers.values(), (bus) => bus.ready)), tooLate]);
    clearTimeout(late);
  };

  for (const broker of ids) await start(broker);
  await allReady();
  return {
    bootstrap: ids.map((broker) => `127.0.0.1:${portOf(broker, 0)}`),
    brokers,
    async drainAndRestart(broker) {
      await brokers.get(broker)?.drain();
      await start(broker);
      await allReady();
    },
    async restart(broker, config) {
      await brokers.get(broker)?.stop();
      await start(broker, config);
      await allReady();
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
