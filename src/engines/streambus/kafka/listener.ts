import type { Address, Connection, Listener } from '../../../host/network.ts';
import type { TaskView } from '../admin/context.ts';
import { readTls } from '../security/tlsFiles.ts';
import type { BrokerServices } from '../services.ts';
import { KafkaConnection } from './connection.ts';
import { createDoor, type Door } from './door.ts';
import type { DoorHooks } from './hooks.ts';
import { adminConnections, drainMs } from './limits.ts';
import type { SlowLog } from './slowLog.ts';

/** Kafka's door of a broker. */
export interface KafkaListener {
  /** Where it listens, with the port that was bound. */
  readonly address: Address;
  /** Connections that are open now. */
  readonly connections: number;
  readonly slowLog: SlowLog;
  /** The connections with what they do, for GET /debug/pprof/goroutine. */
  tasks(): readonly TaskView[];
  /**
   * Drains: stops accepting and reading, ends long polls, waits for the requests that were begun (at most 10 s), answers them
   * and closes the connections.
   */
  close(): Promise<void>;
}

/**
 * Opens the door at `server.host`:`server.port` of the configuration, or at another address. Rejects with `NetworkError`
 * (EADDRINUSE, EACCES), or with `DiskError` when a certificate cannot be read.
 */
export async function openKafkaListener(
  services: BrokerServices,
  hooks: DoorHooks,
  address: Address = { host: services.config.server.host, port: services.config.server.port },
): Promise<KafkaListener> {
  const { host, config } = services;
  const { tls } = config.security;
  const options = tls === undefined ? {} : { tls: await readTls(host.disk, tls) };
  const connections = new Connections(createDoor(services, hooks, tls !== undefined));
  const listener = await host.network.listen(address, (connection) => connections.accept(connection), options);
  host.telemetry.logger.info('kafka listening', { ...listener.address, tls: tls !== undefined });
  return {
    address: listener.address,
    slowLog: connections.door.slowLog,
    get connections() {
      return connections.size;
    },
    tasks: () => connections.tasks(),
    close: () => connections.close(listener),
  };
}

/** Every open connection of a door. */
class Connections {
  readonly door: Door;
  readonly #open = new Map<KafkaConnection, Promise<void>>();
  #accepted = 0;
  #isClosing = false;

  constructor(door: Door) {
    this.door = door;
  }

  get size(): number {
    return this.#open.size;
  }

  tasks(): readonly TaskView[] {
    return [...this.#open.keys()].map((connection) => connection.task());
  }

  accept(connection: Connection): void {
    const { max_connections: most } = this.door.services.config.network;
    if (this.#isClosing || this.size >= most) {
      if (!this.#isClosing) this.door.hooks.refused('too-many-connections');
      connection.destroy();
      return;
    }
    this.#accepted += 1;
    const served = new KafkaConnection({
      door: this.door,
      connection,
      number: this.#accepted,
      isAdminOnly: this.size >= most - adminConnections,
    });
    const over = served.run().finally(() => this.#open.delete(served));
    this.#open.set(served, over);
  }

  async close(listener: Listener): Promise<void> {
    this.#isClosing = true;
    await listener.close();
    for (const connection of this.#open.keys()) connection.drain();
    const enough = new AbortController();
    const late = this.door.host.clock.sleep(drainMs, enough.signal).catch(() => undefined);
    await Promise.race([Promise.all(this.#open.values()), late]);
    enough.abort();
    for (const connection of this.#open.keys()) connection.destroy();
    await Promise.all(this.#open.values());
  }
}
