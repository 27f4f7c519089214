import type { Host } from '../../host/host.ts';
import type { Address, Connection, Listener, Network } from '../../host/network.ts';
import { NetworkError } from '../../host/network.ts';
import type { Admin } from './client/admin.ts';
import { createClient, type StreamBusClient } from './client/client.ts';
import { type StreamBusConfig, streamBusConfigSchema } from './config.ts';
import type { BrokerId } from './ids.ts';
import { createStreamBus, type StreamBus } from './streambus.ts';

/** Real brokers inside a process, as a test uses them. */
export interface EmbeddedOptions {
  /** Default 1. */
  readonly brokers?: 1 | 3 | 5;
  /** Topics to make, with their number of partitions. */
  readonly topics?: Readonly<Record<string, number>>;
  /** Sections of the configuration beyond what the brokers need to find each other: as in a broker's file. */
  readonly settings?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** Running brokers. Who starts them stops them. */
export interface Embedded {
  /** `host:port` of each broker's Kafka listener, for any client. */
  readonly bootstrap: readonly string[];
  /** Administration, over Kafka's protocol. */
  readonly admin: Admin;
  /** A client of these brokers, with producers and consumers; it is closed with them. */
  readonly client: StreamBusClient;
  /** The parts of a broker that runs; throws for one that does not. */
  broker(id: BrokerId): StreamBus;
  /** Cuts a broker off and ends it: nothing is handed over, nobody is told. Its disk stays. */
  kill(id: BrokerId): Promise<void>;
  /** Starts a killed broker on its disk; resolves when it serves clients. */
  restart(id: BrokerId): Promise<void>;
  /** Lets brokers reach only those of their own set, until the returned function is called. Clients reach all of them. */
  partition(sets: readonly (readonly BrokerId[])[]): () => void;
  /** Ends all of them. */
  stop(): Promise<void>;
}

/** Where embedded brokers live. */
export interface EmbeddedMachines {
  /** Host of a broker for its start number `incarnation`, from 1: the same disk each time. */
  host(broker: BrokerId, incarnation: number): Host;
  /** An address of its own on which a broker can listen and be reached. */
  address(): Promise<Address>;
  /** Directory of a broker on its disk. */
  directory(broker: BrokerId): string;
}

/** Ticks of 10 ms where a cluster in production has 100: elections take as long as a test wants to wait. */
const raft = { tick: '10ms', heartbeat_ticks: 2, election_ticks: 10 };
/** With more than one broker the event loop is shared, and a busy one must not cost the lead. */
const sharedRaft = { tick: '20ms', heartbeat_ticks: 2, election_ticks: 15 };

/** Starts brokers; resolves when all of them serve clients and the topics are there. */
export async function startEmbeddedOn(machines: EmbeddedMachines, options: EmbeddedOptions = {}): Promise<Embedded> {
  const count = options.brokers ?? 1;
  const ids = Array.from({ length: count }, (_, index) => index + 1);
  const places = new Map<BrokerId, { readonly kafka: Address; readonly rpc: Address; readonly http: Address }>();
  for (const id of ids) {
    const [kafka, rpc, http] = await Promise.all([machines.address(), machines.address(), machines.address()]);
    places.set(id, { kafka, rpc, http });
  }
  const placeOf = (id: BrokerId) => {
    const place = places.get(id);
    if (place === undefined) throw new RangeError(`expected a broker of 1 to ${count}, got ${id}`);
    return place;
  };
  const brokerAt = (port: number) => ids.find((id) => placeOf(id).rpc.port === port);
  const wires = new Map(ids.map((id) => [id, new Wires(id, brokerAt)]));
  const running = new Map<BrokerId, StreamBus>();
  const starts = new Map<BrokerId, number>();

  const configOf = (id: BrokerId): StreamBusConfig => {
    const { kafka, rpc, http } = placeOf(id);
    const { settings = {} } = options;
    return streamBusConfigSchema.parse({
      consumer_groups: { initial_delay: 0, session_min: '100ms' },
      ...settings,
      server: {
        broker_id: id,
        host: kafka.host,
        advertised_host: kafka.host,
        port: kafka.port,
        rpc_port: rpc.port,
        http_port: http.port,
        max_memory: '512MB',
        ...settings.server,
      },
      cluster: {
        peers: count === 1 ? [] : ids.map((peer) => `${peer}:${placeOf(peer).rpc.host}:${placeOf(peer).rpc.port}`),
        raft: count === 1 ? raft : sharedRaft,
        ...settings.cluster,
      },
      storage: { data_dir: machines.directory(id), journal: { segment_size: '4MB' }, ...settings.storage },
    });
  };
  const start = async (id: BrokerId): Promise<void> => {
    if (running.has(id)) throw new Error(`broker ${id} runs already`);
    const incarnation = (starts.get(id) ?? 0) + 1;
    starts.set(id, incarnation);
    const host = machines.host(id, incarnation);
    const network = wires.get(id)?.over(host.network) ?? host.network;
    const bus = createStreamBus({ ...host, network }, configOf(id));
    running.set(id, bus);
    await bus.start();
    await bus.ready;
  };
  const kill = async (id: BrokerId): Promise<void> => {
    const bus = running.get(id);
    if (bus === undefined) throw new Error(`broker ${id} does not run`);
    running.delete(id);
    wires.get(id)?.cutAll();
    await bus.stop();
  };
  const stop = async (): Promise<void> => {
    client.close();
    await Promise.all([...running.keys()].map(kill));
  };

  const client = createClient(machines.host(0, 1), {
    bootstrap: ids.map((id) => placeOf(id).kafka),
    retryMs: 10,
    connectTimeoutMs: 1_000,
  });
  try {
    await Promise.all(ids.map(start));
    const topics = Object.entries(options.topics ?? {});
    if (topics.length > 0) {
      await client.admin.createTopics(topics.map(([name, partitions]) => ({ name, partitions, replication: count })));
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    bootstrap: ids.map((id) => `${placeOf(id).kafka.host}:${placeOf(id).kafka.port}`),
    admin: client.admin,
    client,
    broker(id) {
      const bus = running.get(id);
      if (bus === undefined) throw new Error(`broker ${id} does not run`);
      return bus;
    },
    kill,
    restart: start,
    partition(sets) {
      const setOf = new Map(sets.flatMap((set, index) => set.map((id) => [id, index] as const)));
      const isCut = (from: BrokerId, to: BrokerId) => setOf.get(from) !== setOf.get(to);
      const lifts = [...wires.values()].map((wire) => wire.cut(isCut));
      return () => {
        for (const lift of lifts) lift();
      };
    },
    stop,
  };
}

/** The connections of one broker: dropped and refused as partitions and kills demand. */
class Wires {
  readonly #id: BrokerId;
  readonly #brokerAt: (port: number) => BrokerId | undefined;
  readonly #open = new Map<Connection, BrokerId | undefined>();
  readonly #listeners = new Set<Listener>();
  readonly #cuts = new Set<(from: BrokerId, to: BrokerId) => boolean>();

  /** `brokerAt`: whose port for other brokers it is, if it is one. */
  constructor(id: BrokerId, brokerAt: (port: number) => BrokerId | undefined) {
    this.#id = id;
    this.#brokerAt = brokerAt;
  }

  /** The same network, watched. */
  over(network: Network): Network {
    return {
      listen: async (address, onConnection, options) => {
        const accept = (connection: Connection): void => {
          this.#keep(connection, undefined);
          onConnection(connection);
        };
        const listener = await network.listen(address, accept, options);
        this.#listeners.add(listener);
        return listener;
      },
      connect: async (address, options) => {
        const to = this.#brokerAt(address.port);
        const check = (): void => {
          if (to !== undefined && this.#isCut(to)) throw new NetworkError('EHOSTUNREACH', 'connect', address);
        };
        check();
        const connection = await network.connect(address, options);
        this.#keep(connection, to);
        try {
          check();
        } catch (error) {
          connection.destroy();
          throw error;
        }
        return connection;
      },
    };
  }

  /** Cuts this broker off from others, both ways as every broker has such wires; lifted by the returned function. */
  cut(isCut: (from: BrokerId, to: BrokerId) => boolean): () => void {
    this.#cuts.add(isCut);
    for (const [connection, to] of this.#open) if (to !== undefined && this.#isCut(to)) connection.destroy();
    return () => void this.#cuts.delete(isCut);
  }

  /** Drops everything, and listens no more. */
  cutAll(): void {
    for (const listener of this.#listeners) void listener.close();
    this.#listeners.clear();
    for (const connection of this.#open.keys()) connection.destroy();
  }

  #isCut(to: BrokerId): boolean {
    return [...this.#cuts].some((isCut) => isCut(this.#id, to));
  }

  #keep(connection: Connection, to: BrokerId | undefined): void {
    this.#open.set(connection, to);
    void connection.closed.then(() => this.#open.delete(connection));
  }
}
