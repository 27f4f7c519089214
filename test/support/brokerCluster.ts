import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DaemonProcess, serveProcess } from '../daemon/daemonProcess.ts';
import { freePorts } from './freePorts.ts';

/** Sections of a broker's configuration beyond its number, addresses, peers and directory. */
export type BrokerSettings = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** Real processes of `hotfire serve streambus` on loopback that form one cluster. */
export interface BrokerCluster {
  readonly directory: string;
  /** `host:port` of every broker's Kafka listener. */
  readonly bootstrap: readonly string[];
  /** Base address of a broker's HTTP interface. */
  http(broker: number): string;
  /** The running process of a broker, from 1. */
  process(broker: number): DaemonProcess;
  /** Ends a broker, with SIGKILL unless told otherwise, and waits until it is gone. */
  kill(broker: number, signal?: NodeJS.Signals): Promise<void>;
  /** Starts a broker again on what it left. */
  start(broker: number): Promise<void>;
  /** Ends all and removes the directory. */
  stop(): Promise<void>;
}

/** Starts a cluster of 1, 3 or 5 brokers, and resolves when all of them are ready: every group has a leader. */
export async function startBrokerCluster(count: 1 | 3 | 5, settings: BrokerSettings = {}): Promise<BrokerCluster> {
  const directory = mkdtempSync(join(tmpdir(), 'hotfire-streambus-'));
  const ports = await freePorts(3 * count);
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  const portOf = (broker: number, which: 0 | 1 | 2) => ports[3 * (broker - 1) + which] ?? 0;
  const configFiles = numbers.map((broker) => {
    const home = join(directory, `broker-${broker}`);
    mkdirSync(home, { recursive: true });
    const config = {
      ...settings,
      server: {
        broker_id: broker,
        host: '127.0.0.1',
        advertised_host: '127.0.0.1',
        port: portOf(broker, 0),
        rpc_port: portOf(broker, 1),
        http_port: portOf(broker, 2),
        ...settings.server,
      },
      cluster: { peers: numbers.map((peer) => `${peer}:127.0.0.1:${portOf(peer, 1)}`), ...settings.cluster },
      storage: { data_dir: join(home, 'data'), ...settings.storage },
    };
    const file = join(home, 'broker.json');
    writeFileSync(file, JSON.stringify(config));
    return file;
  });
  const processes: DaemonProcess[] = [];
  const http = (broker: number) => `http://127.0.0.1:${portOf(broker, 2)}`;
  const start = async (broker: number) => {
    processes[broker - 1] = await serveProcess('streambus', configFiles[broker - 1] ?? '');
  };
  const running = (broker: number) => {
    const process = processes[broker - 1];
    if (process === undefined) throw new Error(`broker ${broker} was never started`);
    return process;
  };
  const kill = async (broker: number, signal: NodeJS.Signals = 'SIGKILL') => {
    running(broker).signal(signal);
    await running(broker).exited;
  };
  const cluster: BrokerCluster = {
    directory,
    bootstrap: numbers.map((broker) => `127.0.0.1:${portOf(broker, 0)}`),
    http,
    process: running,
    kill,
    start,
    stop: async () => {
      await Promise.all(
        processes.map(async (process) => {
          try {
            process.signal('SIGKILL');
          } catch {
            // It is gone already.
          }
          await process.exited;
        }),
      );
      rmSync(directory, { recursive: true, force: true });
    },
  };
  try {
    await Promise.all(numbers.map(start));
    await Promise.all(numbers.map((broker) => untilReady(http(broker))));
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}

/** Waits until `/health/ready` answers 200; throws what it said last after `limitMs`. */
export async function untilReady(base: string, limitMs = 30_000): Promise<void> {
  const until = performance.now() + limitMs;
  let last = 'nothing';
  while (performance.now() < until) {
    try {
      const answer = await fetch(`${base}/health/ready`);
      if (answer.status === 200) return;
      last = `${answer.status} ${await answer.text()}`;
    } catch (error) {
      last = String(error);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${base} is not ready after ${limitMs} ms: ${last}`);
}
