import type { CommittedEntry, GroupHandle, MachineFactory } from '../../../../src/engines/streambus/broker/group.ts';
import { NotProposed } from '../../../../src/engines/streambus/broker/group.ts';
import { type Groups, startGroups } from '../../../../src/engines/streambus/broker/groups.ts';
import type { GroupSpec } from '../../../../src/engines/streambus/broker/runtime.ts';
import { Transport } from '../../../../src/engines/streambus/broker/transport.ts';
import { type BrokerId, type GroupId, raftIdOf } from '../../../../src/engines/streambus/ids.ts';
import { streamBusPoints } from '../../../../src/engines/streambus/points.ts';
import type { Host } from '../../../../src/host/host.ts';
import type { Machine } from '../../../../src/sim/machine.ts';
import { World, type WorldOptions } from '../../../../src/sim/world.ts';
import { type Journal, openJournal } from '../../../../src/storage/journal/index.ts';

const RPC_PORT = 9093;

/** A machine that keeps every text that it is given, in order. */
export interface Texts {
  readonly texts: readonly string[];
  readonly serving: boolean;
}

/** One broker's groups, as a test uses them. */
export interface TestBroker {
  readonly id: BrokerId;
  readonly groups: Groups;
  readonly transport: Transport;
  readonly journal: Journal;
  readonly machines: Map<GroupId, Texts>;
  fatal: unknown;
}

export interface ClusterOptions extends Partial<WorldOptions> {
  readonly brokers?: number;
  readonly groups?: number;
  readonly kind?: GroupSpec['kind'];
  readonly flushIntervalMs?: number;
  readonly segmentBytes?: number;
  /** Of a broker's machines: while it gives a promise they take no entries. */
  readonly hold?: (id: BrokerId) => Promise<void> | undefined;
}

/** What a small machine of texts is: its state is a list, its snapshot the list. */
export function textsMachine(register: (texts: Texts) => void, hold?: () => Promise<void> | undefined): MachineFactory {
  return async (_handle: GroupHandle, checkpoint) => {
    let texts: string[] = checkpoint === undefined ? [] : (JSON.parse(decode(checkpoint.data)) as string[]);
    let index = checkpoint?.index ?? 0;
    let term = checkpoint?.term ?? 0;
    let serving = false;
    register({
      get texts() {
        return texts;
      },
      get serving() {
        return serving;
      },
    });
    return {
      apply(entry: CommittedEntry) {
        ({ index, term } = entry);
        if (entry.data.length > 0) texts.push(decode(entry.data));
        return texts.length;
      },
      lead() {
        serving = true;
      },
      follow() {
        serving = false;
      },
      checkpoint: async () => ({ index, term, data: encode(JSON.stringify(texts)) }),
      snapshot: () => encode(JSON.stringify(texts)),
      async restore(snapshot) {
        texts = JSON.parse(decode(snapshot.data)) as string[];
        ({ index, term } = snapshot);
      },
      ...(hold === undefined ? {} : { hold }),
      close: async () => undefined,
      answerPeer: async (request) => request,
    };
  };
}

export function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** Brokers in a world of their own, each with the same groups. */
export class Cluster {
  readonly world: World;
  readonly brokers = new Map<BrokerId, TestBroker>();
  readonly groupIds: readonly GroupId[];
  readonly #options: ClusterOptions;
  readonly #ids: readonly BrokerId[];
  /** Raft ids that groups begin with; a broker of a later incarnation is none of them. */
  founders: readonly number[];
  incarnations = new Map<BrokerId, number>();

  constructor(options: ClusterOptions = {}) {
    this.#options = options;
    this.world = new World({ seed: 1, points: streamBusPoints, ...options });
    this.#ids = Array.from({ length: options.brokers ?? 3 }, (_, at) => at + 1);
    this.founders = this.#ids.map((id) => raftIdOf(id, 1));
    this.groupIds = Array.from({ length: options.groups ?? 1 }, (_, at) => at);
    for (const id of this.#ids) this.world.addMachine(nameOf(id));
  }

  machine(id: BrokerId): Machine {
    const machine = this.world.machines.get(nameOf(id));
    if (machine === undefined) throw new Error(`no machine of broker ${id}`);
    return machine;
  }

  start(...ids: BrokerId[]): void {
    for (const id of ids.length === 0 ? this.#ids : ids) {
      this.brokers.delete(id);
      this.machine(id).start(`broker ${id}`, (host) => this.#run(host, id));
    }
  }

  async #run(host: Host, id: BrokerId): Promise<void> {
    const { kind = 'groups', flushIntervalMs = 5_000, segmentBytes = 2 ** 22 } = this.#options;
    const incarnation = this.incarnations.get(id) ?? 1;
    const { journal } = await openJournal(host, {
      directory: '/data/journal',
      name: 'streambus',
      metricsPrefix: 'streambus_',
      segmentBytes,
      reserveBytes: 0,
      maxWaitMs: 0,
      maxPendingBytes: 2 ** 28,
    });
    const transport = new Transport({
      host,
      broker: id,
      secret: () => encode('secret'),
      addressOf: (broker) => ({ host: nameOf(broker), port: RPC_PORT }),
      incarnationOf: (broker) => this.incarnations.get(broker),
    });
    transport.identify({ cluster: 'c', incarnation, startCount: host.incarnation });
    await transport.listen({ host: '0.0.0.0', port: RPC_PORT });
    const broker: { -readonly [Key in keyof TestBroker]?: TestBroker[Key] } = { id, transport, journal };
    const groups = await startGroups({
      host,
      broker: id,
      incarnation,
      journal,
      journalSegmentBytes: segmentBytes,
      snapshotDirectory: '/data/snapshots',
      transport,
      raft: { tickMs: 100, heartbeatTicks: 2, electionTicks: 10, maxUncommittedBytes: 2 ** 26 },
      flushIntervalMs: () => flushIntervalMs,
      events: {
        fenced: () => undefined,
        journalSynced: () => undefined,
        leaderChanged: () => undefined,
        electionBegun: () => undefined,
        confChanged: () => undefined,
      },
      onFatal: (error) => {
        broker.fatal = error;
        host.telemetry.logger.error('fatal', { error: String(error) });
        this.machine(id).kill('fatal');
      },
    });
    broker.groups = groups;
    broker.machines = new Map();
    const machines = broker.machines;
    for (const group of this.groupIds) {
      await groups.open({
        group,
        kind,
        generation: 1,
        founders: this.founders,
        open: textsMachine(
          (texts) => machines.set(group, texts),
          () => this.#options.hold?.(id),
        ),
      });
    }
    // Complete by now: every part was set above.
    this.brokers.set(id, broker as TestBroker);
  }

  /** The broker that serves a group now. */
  leader(group: GroupId = 0): TestBroker | undefined {
    let found: TestBroker | undefined;
    for (const broker of this.live) {
      const handle = broker.groups.get(group)?.handle;
      if (
        handle?.serving === true &&
        (found === undefined || handle.term > (found.groups.get(group)?.handle.term ?? 0))
      ) {
        found = broker;
      }
    }
    return found;
  }

  get live(): TestBroker[] {
    return [...this.brokers.values()].filter(({ id }) => this.machine(id).process !== undefined);
  }

  async until(what: string, holds: () => boolean, withinMs = 30_000): Promise<void> {
    const toMs = this.world.now + withinMs;
    await this.world.run({ toMs, until: holds });
    if (holds()) return;
    const lines = this.world.logs.lines
      .slice(-10)
      .map(
        ({ atMs, machine, message, fields }) => `${atMs.toFixed(0)} ${machine} ${message} ${JSON.stringify(fields)}`,
      );
    throw new Error(`${what}: not within ${withinMs} ms; last lines:\n${lines.join('\n')}`);
  }

  run(ms: number): Promise<void> {
    return this.world.run({ toMs: this.world.now + ms });
  }

  /** Kills a broker's process, or takes its power. */
  stop(id: BrokerId, how: 'kill' | 'power'): void {
    if (how === 'kill') this.machine(id).kill();
    else this.machine(id).powerLoss('tear');
    this.brokers.delete(id);
  }

  /** What the replicas of a group hold, by broker. */
  texts(group: GroupId = 0): Map<BrokerId, readonly string[]> {
    return new Map(this.live.map(({ id, machines }) => [id, machines.get(group)?.texts ?? []]));
  }
}

/** Proposes texts one after the other through whoever leads, and notes those that were acknowledged. */
export function keepProposing(
  cluster: Cluster,
  group: GroupId,
  count: number,
  everyMs: number,
): { acked: string[]; done: boolean } {
  const result = { acked: [] as string[], done: false };
  const client = cluster.world.machines.get('client') ?? cluster.world.addMachine('client');
  client.start('client', async (host) => {
    for (let at = 0; at < count; at++) {
      await host.clock.sleep(everyMs);
      const leader = cluster.leader(group);
      const handle = leader?.groups.get(group)?.handle;
      const text = `${group}/${at}`;
      if (handle === undefined) continue;
      try {
        void handle.propose(encode(text)).then(
          () => result.acked.push(text),
          () => undefined,
        );
      } catch (error) {
        if (!(error instanceof NotProposed)) throw error;
      }
    }
    result.done = true;
  });
  return result;
}

function nameOf(id: BrokerId): string {
  return `broker-${id}`;
}
