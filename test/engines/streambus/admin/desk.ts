import { expect } from 'vitest';
import { adminCommands } from '../../../../src/engines/streambus/admin/commands/all.ts';
import {
  type AdminClient,
  type Console,
  parseWords,
} from '../../../../src/engines/streambus/admin/commands/command.ts';
import { createRouteClient } from '../../../../src/engines/streambus/admin/routeClient.ts';
import { buildBatch } from '../../../../src/wire/kafka/records.ts';
import { Brokers } from '../broker/brokers.ts';

/** A cluster, and an operator who stands beside it. */
export class Desk {
  readonly brokers: Brokers;
  readonly client: AdminClient;
  lines: string[] = [];
  /** By name; undefined is standard input. */
  readonly files = new Map<string | undefined, string>();

  constructor(options: ConstructorParameters<typeof Brokers>[0] = {}) {
    this.brokers = new Brokers(options);
    this.client = createRouteClient(() => [...this.brokers.running.values()].map(({ routes }) => routes));
  }

  async up(): Promise<void> {
    this.brokers.start();
    await this.brokers.until('three brokers', () => this.brokers.ready.size === 3);
  }

  /** Works on the client's machine, in virtual time. */
  on<T>(work: (console: Console) => Promise<T>, withinMs = 600_000): Promise<T> {
    return this.brokers.client(
      (host) =>
        work({
          line: (text) => this.lines.push(text),
          now: () => host.clock.now(),
          sleep: (ms) => host.clock.sleep(ms),
          confirm: async () => true,
          read: async (file) => this.files.get(file) ?? '',
          restart: async (broker) => {
            this.brokers.stop(broker, 'kill');
            this.brokers.start(broker);
          },
        }),
      withinMs,
    );
  }

  /** Runs a command line; resolves to its exit code, with what it printed in `lines`. */
  async run(line: string): Promise<number> {
    const [name = '', ...words] = line.split(' ');
    const command = adminCommands.get(name);
    if (command === undefined) throw new Error(`no command ${name}`);
    this.lines = [];
    return this.on((console) => command.run(this.client, console, parseWords(command, words)));
  }

  ask(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown, query: Record<string, string> = {}) {
    return this.on(() => this.client.request(method, path, { query, ...(body === undefined ? {} : { body }) }));
  }

  /** Appends batches at the leaders of a topic, without a client. */
  async produce(topic: string, batches: number): Promise<void> {
    for (const info of this.brokers.bus(1).metadata.topics.get(topic)?.partitions ?? []) {
      await this.brokers.until('a leader', () => this.brokers.leaderOf(info.group) !== undefined);
      const leader = this.brokers.leaderOf(info.group) ?? 0;
      const replica = this.brokers.bus(leader).services.partition(topic, info.partition);
      let done = 0;
      for (let n = 0; n < batches; n++) {
        const value = new TextEncoder().encode(`value ${n}`);
        void replica
          ?.append({
            records: buildBatch([{ timestamp: this.brokers.world.wallStart + n, value }]),
            transactionalId: undefined,
            version: 9,
            timeoutMs: 30_000,
            acks: -1,
            clientId: 'test',
          })
          .then(({ errorCode }) => {
            expect(errorCode).toBe(0);
            done += 1;
          });
      }
      await this.brokers.until('appended', () => done === batches);
    }
    await this.brokers.run(30_000);
  }
}
